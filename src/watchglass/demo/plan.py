"""A schedule → what was planted: dates and names, for tests and for the comparison that is printed.

Nothing that watches may read this, nor anything that plays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from watchglass.demo import pipeline
from watchglass.demo.traffic import Schedule

if TYPE_CHECKING:
    from datetime import date


@dataclass(frozen=True, slots=True)
class Planted:
    """The truth: one fault, one harmless change of population, two decoys, and the day that mends it.

    `scale` is what the settings say of the faulty site, `true_scale` what its images reach.
    """

    model: str
    fault: date
    site: str
    component: str
    version: str
    artifact: str
    scale: int
    true_scale: int
    population: date
    digit: int
    release: date
    release_component: str
    release_version: str
    release_artifact: str
    carried: tuple[str, str]
    mended: date


def planted(schedule: Schedule = Schedule()) -> Planted:  # noqa: B008 - frozen
    """Say what a schedule plants."""
    return Planted(
        model=pipeline.MODEL,
        fault=schedule.day(schedule.fault),
        site="harbour",
        component="clean",
        version="2",
        artifact="site_scales",
        scale=10,
        true_scale=16,
        population=schedule.day(schedule.population),
        digit=schedule.common,
        release=schedule.day(schedule.release),
        release_component="features",
        release_version="4",
        release_artifact="feature_settings",
        carried=("channel", "scanner"),
        mended=schedule.day(schedule.rollback),
    )
