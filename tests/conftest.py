"""What every test shares: a clean environment, and in CI no test that skips itself in silence."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared"
_KEPT = ("WATCHGLASS_TORTURE", "WATCHGLASS_TEST_POSTGRES")
_skipped: list[str] = []


@pytest.fixture(scope="session")
def _database():
    """A PostgreSQL that the stores of all tests of this process keep their catalogs in."""
    from tests.postgres import postgres

    with postgres() as url:
        yield url


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch, request):
    """Keep the tests from recording into the folder they are run from."""
    for name in [name for name in os.environ if name.startswith("WATCHGLASS_") and name not in _KEPT]:
        monkeypatch.delenv(name)
    if os.environ.get("WATCHGLASS_TEST_POSTGRES"):
        monkeypatch.setenv("WATCHGLASS_CATALOG", request.getfixturevalue("_database"))
    yield
    from watchglass.capture import recorder

    recorder.close()
    recorder._current = None


@pytest.fixture(scope="session")
def made():
    """Incidents and models made by hand, for all who draw them."""
    from tests.web import made

    return made


@pytest.fixture(scope="session")
def shared_folder():
    """The folder of public data sets beside the project."""
    folder = SHARED / "data"
    if not folder.is_dir():
        pytest.skip("the public data sets (../shared/data) are not beside this checkout")
    return folder


def pytest_runtest_logreport(report):
    if report.skipped and not hasattr(report, "wasxfail"):
        _skipped.append(
            f"{report.nodeid}: {report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr}"
        )


pytest_collectreport = pytest_runtest_logreport  # a whole file can skip itself too


def pytest_sessionfinish(session):
    if hasattr(session.config, "workerinput"):
        return  # the process that shares the tests out hears of every skip, and decides
    if os.environ.get("CI") and _skipped:
        print("\nskipped, though CI could run them:\n  " + "\n  ".join(_skipped))
        session.exitstatus = 1
