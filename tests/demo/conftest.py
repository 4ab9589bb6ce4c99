from __future__ import annotations

import pytest

import watchglass as wg
from watchglass.demo import pipeline
from watchglass.demo.traffic import SYSTEM, Schedule, questions

SHORT = Schedule(population=3, release=4, fault=5, rollback=7)
"""All that happens, in nine days."""


@pytest.fixture(scope="session")
def asked_about(tmp_path_factory):
    """A system's folder with a model and one published day, that day, and its questions."""
    folder = tmp_path_factory.mktemp("made")
    wg.init(folder / "store")
    system = folder / SYSTEM
    pipeline.prepare(system, 0, SHORT.day(0))
    day = SHORT.arrivals(0, 0)
    return system, day, list(questions(day, pipeline.run_day(system, day, SHORT.versions(0))))


@pytest.fixture(scope="session")
def short():
    return SHORT
