"""Rows made by hand → files of the manifest, without log and compaction; and the cells of a store summed up."""

from __future__ import annotations

import json
import math
from collections import Counter
from datetime import UTC, date, datetime, timedelta

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa

from watchglass.store import catalog as c
from watchglass.store.judgements import keep_monitor
from watchglass.store.parquet import described
from watchglass.store.transactions import writing

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ARROW = {"number": pa.float64(), "text": pa.string(), "boolean": pa.bool_()}


def declare(bench, features, tags, slices, reference=30):
    """Register a model `m` in the catalog."""
    with writing(bench.engine) as transaction:
        names = '["' + '", "'.join(slices) + '"]' if slices else "[]"
        transaction.execute(c.models.insert(), [{"name": "m", "slices": names, "reference": reference, "time": 0}])
        columns = [("feature", name, kind) for name, kind in features.items()] + [("tag", tag, "text") for tag in tags]
        transaction.execute(
            c.columns.insert(),
            [{"model": "m", "role": role, "name": name, "type": kind} for role, name, kind in columns],
        )


def judged(bench, windows=10_000, environment="live"):
    """Say that so many windows of the model were judged: its days may be made coarser then."""
    with writing(bench.engine) as transaction:
        keep_monitor(transaction, "m", environment, "drift", json.dumps({"judged": windows}))


def publish(bench, kind, rows, features=(), tags=(), **listed):
    """List rows (dicts) as a file; gives its sequence number."""
    fields = [("id", pa.string()), ("time", pa.timestamp("us")), ("environment", pa.string())]
    if kind == "predictions":
        fields += [("version", pa.string()), ("prediction", pa.string())]
        if any("weight" in row for row in rows):
            fields.append(("weight", pa.int64()))
        fields.append(("features", pa.struct([(name, _ARROW[kind]) for name, kind in features.items()])))
        if tags:
            fields.append(("tags", pa.struct([(tag, pa.string()) for tag in tags])))
    else:
        fields.append(("label", pa.string()))
    home = bench.folder.tables / kind
    home.mkdir(exist_ok=True)
    path = home / f"{bench.names:032x}.parquet"
    bench.names += 1
    ordered = sorted(rows, key=lambda row: row["time"])
    table = pa.table({name: pa.array([row.get(name) for row in ordered], type=type_) for name, type_ in fields})
    pq.write_table(table, path, compression="zstd", row_group_size=16384)
    with duckdb.connect() as connection, writing(bench.engine) as transaction:
        values = {**described(connection, path, bench.folder, kind, "m"), **listed}
        return transaction.execute(c.files.insert().values(**values)).inserted_primary_key[0]


def summed(bench):
    """Give the sum of all live cells: (version, environment, day, slice, name, kind, bucket, value, known) → n."""
    with bench.engine.connect() as connection:
        query = sa.select(c.files.c.path).where(c.files.c.kind == "cells", c.files.c.removed.is_(None))
        paths = [str(bench.folder.tables / path) for path in connection.execute(query).scalars()]
    if not paths:
        return {}
    rows = duckdb.sql(
        "SELECT version, environment, day, slice, name, kind, bucket, value, known, sum(n)::BIGINT FROM read_parquet($paths) GROUP BY ALL HAVING sum(n) != 0",
        params={"paths": paths},
    ).fetchall()
    return {tuple(row[:-1]): row[-1] for row in rows}


def key_of(value, centre):
    """Give a number's bucket bit by bit, from the words of the grid's docstring."""
    import struct

    offset = math.inf if value == math.inf else -math.inf if value == -math.inf else value - centre
    bits = struct.unpack(">Q", struct.pack(">d", offset + 0.0))[0]
    magnitude = (bits & (2**63 - 1)) >> 46
    return -magnitude - 1 if bits >> 63 else magnitude


def plus(total, key, n):
    """Add to a counter, without zeros."""
    total[key] += n
    if not total[key]:
        del total[key]


def oracle(predictions, labels, features, slices, frozen):
    """Count what `summed` should give, row by row, from all that was published; `frozen`: centre, edges, categories by feature."""
    total = Counter()
    history = {}
    for row in sorted(labels, key=lambda row: (row["time"], row["label"])):
        history.setdefault((row["environment"], row["id"]), []).append(row)
    for row in predictions:
        weight = row.get("weight") or 1
        day = row["time"].date()
        who = (row.get("version"), row["environment"], day)
        there = [tag for tag in sorted(slices) if (row.get("tags") or {}).get(tag) is not None]
        singles = [(tag,) for tag in there]
        pairs = [(one, other) for place, one in enumerate(there) for other in there[place + 1 :]]
        for chosen in [(), *singles, *pairs]:
            name = ("{" + ",".join(f'"{tag}":"{row["tags"][tag]}"' for tag in chosen) + "}") if chosen else ""
            plus(total, (*who, name, "", "rows", 0, None, None), weight)
            plus(total, (*who, name, "", "rows2", 0, None, None), weight * (weight - 1))
            said, first = 0, True
            for label in history.get((row["environment"], row["id"]), ()):
                correct = int(row["prediction"] == label["label"])
                known = label["time"].date()
                for kind, n in (("labelled", int(first)), ("correct", correct - said)):
                    plus(total, (*who, name, "", kind, 0, None, known), n * weight)
                    plus(total, (*who, name, "", kind + "2", 0, None, known), n * weight * (weight - 1))
                said, first = correct, False
            if len(chosen) < 2:
                for feature, kind in features.items():
                    plus(
                        total,
                        (*who, name, feature, *_cell(row["features"][feature], kind, frozen[feature], chosen), None),
                        weight,
                    )
    return dict(total)


def _cell(value, kind, frozen, chosen):
    centre, edges, categories = frozen
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "missing", 0, None
    if kind != "number":
        text = str(value).lower() if kind == "boolean" else value
        return "category", 0, text if text in categories else "\x1fother"
    key = key_of(value, centre)
    return ("coarse", sum(edge <= key for edge in edges), None) if chosen else ("number", key, None)


def frozen_of(bench):
    """Read what was frozen of each feature: (centre, edges, categories)."""
    import json

    with bench.engine.connect() as connection:
        rows = connection.execute(sa.select(c.columns).where(c.columns.c.role == "feature")).all()
    return {
        row.name: (row.centre or 0.0, json.loads(row.edges or "[]"), set(json.loads(row.categories or "[]")))
        for row in rows
    }


def moment(day, second=0.0):
    """Give a naive time of June 2026."""
    return datetime(2026, 6, 1) + timedelta(days=day, seconds=second)


def june(day):
    """Give a day of June 2026."""
    return date(2026, 6, 1) + timedelta(days=day)
