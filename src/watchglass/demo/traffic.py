"""A store's folder and a stretch of days → the days lived through: pipeline, requests, late labels, and faults by date."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

import watchglass as wg
from watchglass.demo import client, images, pipeline
from watchglass.demo.service import Question

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from watchglass.demo.images import Arrivals
    from watchglass.demo.pipeline import Tables

DAYS: Final = 120
MORE_DAYS: Final = 14
START: Final = date(2026, 2, 22)
"""Day 120 begins on 22 June 2026."""
SYSTEM: Final = "system"
"""The folder in the store where the watched system keeps its model and tables; nothing of the store's own."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """What happens to the system, by number of day."""

    start: date = START
    population: int = 48
    common: int = 0
    share: float = 0.3
    release: int = 90
    fault: int = 92
    rollback: int = DAYS

    def day(self, number: int) -> date:
        """Give the date of a day."""
        return self.start + timedelta(days=number)

    def arrivals(self, seed: int, number: int) -> Arrivals:
        """Give what a day brings."""
        common = (self.common, self.share) if number >= self.population else None
        return images.arrivals(seed, number, self.day(number), common=common)

    def versions(self, number: int) -> pipeline.Versions:
        """Give the versions that run on a day."""
        return pipeline.Versions(
            clean="2" if self.fault <= number < self.rollback else pipeline.FIRST.clean,
            features="4" if number >= self.release else pipeline.FIRST.features,
        )


@dataclass(frozen=True, slots=True)
class Played:
    """What was sent: days [first, last), requests, predictions and labels."""

    first: date
    last: date
    requests: int
    predictions: int
    labels: int


def play(
    store: str | Path,
    *,
    seed: int = 0,
    days: tuple[int, int] = (0, DAYS),
    http: bool = False,
    schedule: Schedule = Schedule(),
    progress: Callable[[int, int], None] | None = None,
) -> Played:
    """Live through the days [from, to), recording all of it into a store; `progress` gets (days done, days in all).

    From day 0 the model is trained, evaluated and deployed first. From a later day it goes on with the model that
    lies in the store's folder; labels of earlier predictions come as they would have. The same seed and schedule
    give the same predictions, whether asked over HTTP or in process, whether played at once or in parts.
    """
    wg.init(store)
    system = Path(store) / SYSTEM
    first, last = days
    if first == 0:
        pipeline.prepare(system, seed, schedule.day(0))
    waiting = _pending(seed, schedule, first)
    requests = predictions = labels = 0
    with client.over_http(Path(store), system) if http else client.in_process(system) as ask:
        for number in range(first, last):
            if number == schedule.release:
                released = datetime.combine(schedule.day(number), time(1), UTC)
                pipeline.release_features(schedule.versions(number).features, released)
            day = schedule.arrivals(seed, number)
            for question in questions(day, pipeline.run_day(system, day, schedule.versions(number))):
                ask(question)
                requests += 1
            predictions += len(day.ids)
            for label in truths(day):
                heapq.heappush(waiting, label)
            labels += _tell(waiting, schedule.day(number + 1))
            if progress is not None:
                progress(number + 1 - first, last - first)
    wg.flush()
    return Played(schedule.day(first), schedule.day(last), requests, predictions, labels)


def questions(day: Arrivals, tables: Tables) -> Iterator[Question]:
    """Give the requests of a day in the order of their times."""
    starts = np.unique(day.request, return_index=True)[1]
    for start in sorted(starts.tolist(), key=lambda place: float(day.asked[place])):
        rows = np.flatnonzero(day.request == day.request[start])
        yield Question(
            time=day.moment(day.asked[start]),
            site=images.SITES[day.site[start]].name,
            channel=images.CHANNELS[day.channel[start]],
            table=day.day,
            rows=rows.tolist(),
            ids=[day.ids[row] for row in rows],
            images=tables.cleaned[rows].reshape(len(rows), -1).tolist(),
        )


def truths(day: Arrivals) -> Iterable[tuple[datetime, str, int]]:
    """Give the labels of a day's predictions: when each becomes known, the prediction's id, the digit."""
    return [
        (day.moment(at), ident, digit)
        for at, ident, digit in zip(day.labelled, day.ids, day.digit.tolist(), strict=True)
    ]


def _pending(seed: int, schedule: Schedule, first: int) -> list[tuple[datetime, str, int]]:
    """Give the labels of earlier days that become known on the first day or later."""
    begins = datetime.combine(schedule.day(first), time(), UTC)
    earlier = range(max(0, first - images.LABEL_DELAY.days - 1), first)
    found = [label for number in earlier for label in truths(schedule.arrivals(seed, number)) if label[0] >= begins]
    heapq.heapify(found)
    return found


def _tell(waiting: list[tuple[datetime, str, int]], until: date) -> int:
    """Record the labels that become known before a day begins; gives how many."""
    begins = datetime.combine(until, time(), UTC)
    told = 0
    while waiting and waiting[0][0] < begins:
        at, ident, digit = heapq.heappop(waiting)
        wg.log_label(pipeline.MODEL, ident, digit, time=at)
        told += 1
    return told
