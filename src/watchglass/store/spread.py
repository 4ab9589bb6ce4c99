"""A feature inside a slice over two stretches of days → the shares of its values in equal bins, from the rows themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from watchglass.store.query import session
from watchglass.store.quoting import identifier

if TYPE_CHECKING:
    from datetime import date

    from sqlalchemy.engine import Engine

    from watchglass.records import Slice
    from watchglass.store.folder import Folder

TAILS = (0.002, 0.998)  # what lies beyond is counted in the outermost bins


@dataclass(frozen=True, slots=True)
class Spread:
    """Edges (bins + 1) in the column's own unit, and the shares of each stretch."""

    edges: tuple[float, ...]
    before: tuple[float, ...]
    after: tuple[float, ...]


def spread(  # noqa: PLR0913 - one question
    folder: Folder,
    engine: Engine,
    model: str,
    *,
    environment: str,
    feature: str,
    of: Slice,
    days: tuple[date, date, date],
    bins: int,
) -> Spread | None:
    """Bin a numeric feature over the days [first, middle) and [middle, end); None when either stretch has no value."""
    field = f"features.{identifier(feature)}"
    where = "".join(f" AND tags.{identifier(tag)} = ?" for tag, _ in of)
    chosen = f"SELECT {field}::DOUBLE AS x, time >= ? AS after FROM predictions WHERE environment = ? AND time >= ? AND time < ? AND isfinite({field}){where}"
    values = [days[1], environment, days[0], days[2], *(value for _, value in of)]
    with session(folder, engine, "predictions", model) as connection:
        limits = connection.execute(
            f"SELECT quantile_cont(x, ?), quantile_cont(x, ?) FROM ({chosen})", [*TAILS, *values]
        ).fetchone()
        if limits is None or limits[0] is None:
            return None
        low, high = limits if limits[1] > limits[0] else (limits[0] - 0.5, limits[0] + 0.5)
        place = "greatest(0, least(?, floor((x - ?) / ?)))::INTEGER"
        counted = connection.execute(
            f"SELECT {place} AS bin, after, count(*) AS n FROM ({chosen}) GROUP BY ALL",
            [bins - 1, low, (high - low) / bins, *values],
        ).fetchall()
    counts = np.zeros((2, bins))
    for place_, after, n in counted:
        counts[int(after), place_] = n
    if not counts.sum(axis=1).all():
        return None
    shares = counts / counts.sum(axis=1, keepdims=True)
    return Spread(
        tuple(np.linspace(low, high, bins + 1).tolist()), tuple(shares[0].tolist()), tuple(shares[1].tolist())
    )
