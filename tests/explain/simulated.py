"""A seed → a simulated model: five sites, three channels, late labels, features by slice, and the changes recorded around a fault."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np

from watchglass.profile.histories import LabelHistory
from watchglass.store.changes import RecordedChange

FIRST = date(2026, 4, 23)
SITES = ("harbour", "market", "mill", "quay", "tower")
CHANNELS = ("app", "desk", "post")
HARBOUR = (("site", "harbour"),)
APP = (("channel", "app"),)
COLUMNS = ("centre", "contrast", "height", "ink", "slant", "stroke_width")
DAYS, ONSET = 60, 50


@dataclass(frozen=True, slots=True)
class World:
    """What is true: the accuracy before, harbour's since the onset, how far ink moves there, how much days differ."""

    right: float = 0.955
    fallen: float | None = 0.70
    ink: float = 1.5
    day_spread: float = 0.15  # standard deviation of the log odds between days
    common_from: int | None = None  # the day a digit becomes common: features of all sites move, none is read worse
    recovers: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """What was recorded of a world."""

    labels: LabelHistory
    features: dict[str, tuple[np.ndarray, np.ndarray]]


def _odds(share):
    return np.log(share / (1 - share))


def made(seed: int, world: World = World(), days: int = DAYS) -> Made:
    rng = np.random.default_rng(seed)
    rows = rng.integers(20, 61, size=(days, len(SITES)))
    app = np.array([0.85, 0.25, 0.3, 0.2, 0.25])
    shares = np.stack([app, (1 - app) * 0.6, (1 - app) * 0.4], axis=1)
    cells = np.stack(
        [[rng.multinomial(n, share) for n, share in zip(day, shares, strict=True)] for day in rows]
    )  # (W, site, channel)
    odds = (
        _odds(world.right)
        + rng.normal(0, world.day_spread, size=(days, 1, 1))
        + rng.normal(0, world.day_spread, size=(1, len(SITES), 1))
    )
    chance = np.broadcast_to(1 / (1 + np.exp(-odds)), cells.shape).copy()
    if world.fallen is not None:
        end = world.recovers or days
        chance[ONSET:end, 0, :] = 1 / (
            1 + np.exp(-(_odds(world.fallen) + rng.normal(0, world.day_spread, size=(end - ONSET, 1))))
        )
    return Made(_labels(rng, cells, chance), _features(rng, rows, world))


def _labels(rng, cells, chance):
    days = len(cells)
    groups = [((), (slice(None), slice(None)))]
    groups += [((("site", name),), (i, slice(None))) for i, name in enumerate(SITES)]
    groups += [((("channel", name),), (slice(None), j)) for j, name in enumerate(CHANNELS)]
    groups += [((("channel", c), ("site", s)), (i, j)) for i, s in enumerate(SITES) for j, c in enumerate(CHANNELS)]
    parts = rng.multinomial(cells, [0.35, 0.4, 0.25])  # labels 1, 2 and 3 days late: (W, site, channel, 3)
    correct = rng.binomial(parts, chance[..., None])

    def over(array, where):
        picked = array[(slice(None), *where)]
        extra = picked.ndim - 1 - (array.ndim - 3)
        return picked.sum(axis=tuple(range(1, 1 + extra))) if extra else picked

    rows = np.stack([over(cells, where) for _, where in groups], axis=1).astype(np.int64)
    window, place, late = (
        axis.ravel() for axis in np.meshgrid(np.arange(days), np.arange(len(groups)), np.arange(3), indexing="ij")
    )
    told = np.stack([over(parts, where) for _, where in groups], axis=1).ravel().astype(np.int64)
    right = np.stack([over(correct, where) for _, where in groups], axis=1).ravel().astype(np.int64)
    return LabelHistory(tuple(name for name, _ in groups), rows, window, place, window + late + 1, told, right)


def _features(rng, rows, world):
    days = len(rows)
    edges = np.linspace(-3, 3, 31)
    found = {}
    for name in COLUMNS:
        counts = []
        for inside in (True, False):
            totals = rows[:, 0] if inside else rows[:, 1:].sum(axis=1)
            table = np.zeros((days, 32))
            day_shift = rng.normal(0, 0.08, size=days)
            for day in range(days):
                moved = (
                    world.ink
                    if inside and name == "ink" and world.fallen is not None and ONSET <= day < (world.recovers or days)
                    else 0.0
                )
                if world.common_from is not None and day >= world.common_from and name in {"slant", "ink"}:
                    moved += 0.3
                values = rng.normal(moved + day_shift[day], 1.0, size=totals[day])
                table[day] = np.bincount(np.searchsorted(edges, values, side="right"), minlength=32)
            counts.append(table)
        found[name] = tuple(counts)
    return found


def at(day: int, hour: int = 0) -> datetime:
    return datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC) + timedelta(days=day, hours=hour)


def exposed(day: int, days: int = DAYS, first_share: float = 1.0) -> np.ndarray:
    share = np.where(np.arange(days) >= day, 1.0, 0.0)
    if day < days:
        share[day] = first_share
    return share


def release(name, version, day, *, artifacts=(), hops=2, days=DAYS, first_share=1.0, previews=()):
    reached = exposed(day, days, first_share) if hops is not None else np.zeros(days)
    return RecordedChange(
        "component version",
        name,
        version,
        at(day, 2),
        f"run-{name}-{version}",
        name,
        tuple(artifacts),
        hops,
        reached,
        tuple(previews),
    )


CLEAN = {
    "artifacts": (("site_scales", "3f1c08aa90b2c4d6e8f0a1b2c3d4e5f6"),),
    "previews": (("site_scales", None, '{"harbour":10,"market":16,"mill":16,"quay":16,"tower":16}'),),
}


def story(first_share=0.92):
    return [
        release("features", "3", ONSET - 2, artifacts=(("stroke_table", "77aa08"),), hops=1),
        release("gateway", "12", ONSET, hops=None),
        release("clean", "2", ONSET, first_share=first_share, **CLEAN),
    ]
