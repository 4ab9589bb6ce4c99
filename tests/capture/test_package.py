from __future__ import annotations

from importlib.metadata import version

import pytest

import watchglass as wg

HEAVY = ["asyncio", "dataclasses", "inspect", "json", "logging", "typing", "numpy", "orjson", "duckdb", "fastapi"]


def test_importing_the_package_loads_nothing_that_is_not_pythons_and_little_of_that(python):
    script = "import sys; before = set(sys.modules); import watchglass; print(*sorted(set(sys.modules) - before))"
    loaded = python(script).stdout.split()
    assert "watchglass" in loaded
    assert not {name.partition(".")[0] for name in loaded} & set(HEAVY)
    assert len(loaded) <= 3


def test_recording_needs_the_standard_library_alone(python, remote):
    script = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("numpy", "orjson", "pandas", "polars", "pyarrow", "narwhals", "pydantic", "click"):
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Hidden())
import watchglass as wg
with wg.run("train") as run:
    run.write({"a": 1}, "settings")
    wg.log_prediction("m", version="1", features={"x": float("nan")}, prediction=1)
wg.log_predictions("m", [{"x": 1.5, "p": 0, "t": "2026-01-01"}], version="1", prediction="p", time="t")
wg.flush()
"""
    python(script)
    assert [row["features"] for row in remote.rows("prediction")] == [{"x": None}, {"x": 1.5}]
    assert remote.graph("run")[-1]["status"] == "ok"


def test_public_names_are_sorted_and_all_there():
    assert wg.__all__ == sorted(wg.__all__)
    assert set(wg.__all__) == {*wg._HOME, "__version__"}
    assert dir(wg) == wg.__all__
    for name in wg.__all__:
        assert getattr(wg, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'log_predicton'"):
        wg.log_predicton  # noqa: B018


def test_the_version_is_the_distributions():
    assert wg.__version__ == version("watchglass")
