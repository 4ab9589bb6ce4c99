"""A folder and a seed → the demonstration played, watched and told: what was found, beside what other rules would have rung."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from watchglass.alert.rounds import LATENESS
from watchglass.capture import recorder
from watchglass.demo import pipeline, traffic
from watchglass.demo.plan import Planted, planted
from watchglass.demo.rules import REFERENCE, Rung, rung
from watchglass.errors import BadInput
from watchglass.reading import create_store
from watchglass.show.story import story
from watchglass.show.words import counted, date

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from watchglass.demo.traffic import Played
    from watchglass.reading import Store
    from watchglass.records import Incident

MARK = "demo.json"
"""Lies in a store that this demonstration made: only such a folder is ever made anew."""


@dataclass(frozen=True, slots=True)
class Told:
    """What was played, what was found in it, what was planted, and how often three rules in common use would have rung."""

    folder: str
    seed: int
    played: Played
    incidents: tuple[Incident, ...]
    planted: Planted
    rules: tuple[Rung, ...]
    windows: int


def run_demo(
    folder: str | Path,
    *,
    seed: int = 0,
    http: bool = True,
    go_on: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Told:
    """Play the days, judge them as they come, and gather what was found; raises `BadInput` for a folder that is not a demo's."""
    store = Path(folder)
    first, last, seed = _stretch(store, seed, go_on=go_on)
    total = 2 * (last - first)
    move = progress or (lambda _done, _total: None)
    played = traffic.play(store, seed=seed, days=(first, last), http=http, progress=lambda done, _: move(done, total))
    recorder.close()
    (store / MARK).write_text(json.dumps({"seed": seed, "days": last}))
    with create_store(store) as opened:
        now = datetime.combine(played.last, time(), UTC) + LATENESS
        done = opened.check(now, lambda judged, all_: move(last - first + round(judged / all_ * (last - first)), total))
        found = tuple(sorted(opened.incidents(pipeline.MODEL), key=lambda item: item.raised))
        rules = rung(features_by_day(opened))
    return Told(str(store), seed, played, found, planted(), rules, done.windows)


def _stretch(store: Path, seed: int, *, go_on: bool) -> tuple[int, int, int]:
    """Choose the days to play and the seed; empties the folder of an earlier demonstration."""
    mark = store / MARK
    if go_on:
        if not mark.exists():
            message = f"there is no demonstration to continue in {str(store)!r}. Next: watchglass demo --dir {store}"
            raise BadInput(message)
        kept = json.loads(mark.read_text())
        return kept["days"], kept["days"] + traffic.MORE_DAYS, kept["seed"]
    if mark.exists():
        shutil.rmtree(store)
    elif store.exists() and any(store.iterdir()):
        message = f"{str(store)!r} is not empty and no demonstration made it, so it is left alone. Name another folder: --dir FOLDER"
        raise BadInput(message)
    return 0, traffic.DAYS, seed


def features_by_day(store: Store) -> Sequence[np.ndarray[tuple[int, int], np.dtype[np.float64]]]:
    """Give the numeric features of each day, (rows, columns), from the recorded predictions themselves."""
    rows = store.sql("SELECT time::DATE AS day, features FROM predictions ORDER BY time", model=pipeline.MODEL).rows()
    days: dict[object, list[list[float]]] = {}
    for row in rows:
        values = row["features"]
        if isinstance(values, dict):
            days.setdefault(row["day"], []).append(
                [np.nan if value is None else float(value) for value in values.values()]
            )
    return [np.array(values) for values in days.values()]


def tell(told: Told) -> str:
    """Write the demonstration's story for a terminal."""
    head = (
        f"{counted(told.played.predictions, 'prediction')} and {counted(told.played.labels, 'label')} of {(told.played.last - told.played.first).days} days"
        f" in {told.folder}, {told.windows} windows judged."
    )
    stories = [story(item) for item in sorted(told.incidents, key=lambda item: (item.severity != "page", item.raised))]
    truth = told.planted
    rang = "; ".join(f"{rule.rule} on {rule.days}" for rule in told.rules)
    raised = sum(item.raised.date() > told.planted.population - timedelta(days=1) for item in told.incidents)
    days = told.rules[0].of
    plan = (
        f"Planted: {date(_at(truth.population))} digit {truth.digit} becomes common (harmless); {date(_at(truth.release))}"
        f" {truth.release_component}, version {truth.release_version}, writes {truth.release_artifact} (harmless);"
        f" {date(_at(truth.fault))} {truth.component}, version {truth.version}, reads {truth.artifact}, which says"
        f" {truth.site} = {truth.scale} instead of {truth.true_scale}."
    )
    others = (
        f"On the {days} days after the first {REFERENCE}, rules in common use would have rung, on any column: {rang}."
        f" Watchglass raised {raised}."
    )
    first = next((item.id for item in told.incidents if item.severity == "page"), 1)
    see = f"See it:  watchglass serve --store {told.folder}    watchglass explain {first} --store {told.folder}"
    mend = f"Mend it: watchglass demo --continue --dir {told.folder}"
    return "\n\n".join([head, *stories, plan, others, f"{see}\n{mend}"])


def _at(day: object) -> datetime:
    return datetime.fromisoformat(f"{day}T00:00:00+00:00")
