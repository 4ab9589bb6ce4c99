"""A forgotten subject's tag → the artifact versions that carry it without their bytes, previews and profiles, and without whose they are.

What of them lies outside the store (files, models) is named, so that somebody can act. The tag itself becomes a word that tells
nobody who it was: readers of what carries it are still warned where it was retracted. Which kept bytes go stands in the
audit, so that a forget that was killed after it was published deletes them when it is finished.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from watchglass.capture.keeping_place import place_of
from watchglass.store import catalog as c
from watchglass.store.folder import sync_folder
from watchglass.store.life.forget_log import lines_of, overwrite
from watchglass.store.life.forget_texts import INSTEAD
from watchglass.store.lineage.carriers import closure
from watchglass.store.subjects.following import models_of
from watchglass.store.transactions import next_change

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy.engine import Connection

    from watchglass.records import Json
    from watchglass.store.folder import Folder
    from watchglass.store.life.forget_keys import Sought
    from watchglass.store.segments import Segment

MOST_NAMED: Final = 1000
_AT_ONCE: Final = 1000
_CONTENT: Final = ("preview", "profile", "kept", "policy")
_TAGGED: Final = (c.subject_tags, c.retractions)
_LINES: Final = ("subject_tag", "retraction")


@dataclass(frozen=True, slots=True)
class Carried:
    """What carries a tag: versions by name, the kept bytes of them, what lies outside the store, and how many rows tell content or the tag."""

    versions: frozenset[tuple[str, str]] = frozenset()
    kept: frozenset[str] = frozenset()
    outside: tuple[str, ...] = ()
    places: Counter[str] = field(default_factory=Counter)

    @property
    def found(self) -> bool:
        """Say whether there is anything."""
        return bool(self.versions or self.places)


def carried(connection: Connection, sought: Sought) -> Carried:
    """Find all that carries the tag of a subject that is forgotten; nothing where only one model or environment is meant."""
    if sought.about.by != "subject" or not sought.everywhere:
        return Carried()
    tag = sought.about.text
    found = closure(connection, [tag])
    versions = frozenset((one.name, one.version) for one in found.carried)
    places: Counter[str] = Counter()
    for table in _TAGGED:
        query = sa.select(sa.func.count()).select_from(table).where(table.c.tag == tag)
        places[f"{table.name}.tag"] = int(connection.execute(query).scalar_one())
    kept, outside = set[str](), dict[str, None]()
    t = c.artifacts.c
    known = set[tuple[str, str]]()
    for part in _parts(sorted(versions)):
        query = sa.select(t.name, t.version, t.path, *(t[name] for name in _CONTENT))
        for row in connection.execute(query.where(sa.tuple_(t.name, t.version).in_(part)).order_by(t.name, t.version)):
            known.add((row.name, row.version))
            outside[f"file {row.path}" if row.path else f"artifact {row.name} {row.version}"] = None
            if row.kept:
                kept.add(row.kept)
            for name in ("preview", "profile", "kept"):
                places[f"artifacts.{name}"] += row._mapping[name] not in (None, INSTEAD)  # noqa: SLF001 - SQLAlchemy's public name
    outside |= {f"artifact {name} {version}".rstrip(): None for name, version in sorted(versions - known)}
    outside |= {f"model {model} {version}": None for model, version in models_of(connection, found)}
    return Carried(versions, frozenset(kept), tuple(outside), +places)


def _parts(keys: Sequence[tuple[str, str]]) -> Iterable[Sequence[tuple[str, str]]]:
    return (keys[first : first + _AT_ONCE] for first in range(0, len(keys), _AT_ONCE))


def wipe(transaction: Connection, sought: Sought, found: Carried, plan: str) -> None:
    """Take content off the rows of what carries the tag, a note in its place, and put a word for the tag that tells nothing."""
    if not found.found:
        return
    t = c.artifacts.c
    gone: dict[str, object] = {"kept": None, "policy": None, "changed": next_change(transaction)}
    for part in _parts(sorted(found.versions)):
        same = sa.tuple_(t.name, t.version).in_(part)
        transaction.execute(c.artifacts.update().where(same).values(**gone, profile=None, preview=INSTEAD))
    names = sorted(found.kept)
    for first in range(0, len(names), _AT_ONCE):  # the same bytes under another name
        transaction.execute(c.artifacts.update().where(t.kept.in_(names[first : first + _AT_ONCE])).values(**gone))
    for table in _TAGGED:
        transaction.execute(table.update().where(table.c.tag == sought.about.text).values(tag=f"{INSTEAD} {plan[:8]}"))


def delete_bytes(folder: Folder, connection: Connection, audit: int | None) -> int:
    """Delete the kept bytes that the audit's record names, those that are there; gives how many were."""
    record = connection.execute(sa.select(c.audit.c.record).where(c.audit.c.id == audit)).scalar()
    homes: set[Path] = set()
    gone = 0
    for name in json.loads(record or "{}").get("bytes", ()):
        if connection.execute(sa.select(c.artifacts.c.name).where(c.artifacts.c.kept == name).limit(1)).first():
            continue  # somebody kept the same since
        path = Path(place_of(str(folder.root), str(name)))
        if path.exists():
            path.unlink(missing_ok=True)
            homes.add(path.parent)
            gone += 1
    for home in homes:
        sync_folder(home)
    return gone


def mask(segments: Sequence[Segment], sought: Sought, found: Carried, plan: str, *, dry: bool) -> int:
    """Take the same out of the graph's log, in place; gives from how many lines."""
    if not found.found:
        return 0
    masked = 0
    for segment in segments:
        places = []
        for offset, raw in lines_of(segment):
            after = _without(raw, sought.about.text, found, f"#{plan}")
            if after is not None and len(after) <= len(raw):
                places.append((offset, after.ljust(len(raw))))
        masked += len(places)
        if places and not dry:
            overwrite(segment, places)
    return masked


def _without(raw: bytes, tag: str, found: Carried, instead: str) -> bytes | None:
    """Write a line without the content of what carries the tag, and without the tag; None where it has none of it."""
    if not any(word in raw for word in (b'"subject_tag"', b'"retraction"', b'"preview"', b'"profile"', b'"kept"')):
        return None
    try:
        event: Json = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict):
        return None
    changed = False
    if event.get("kind") in _LINES and event.get("tag") == tag:
        event["tag"], changed = instead[: len(tag)], True
    for edge in _edges(event):
        about = edge.get("artifact")
        if isinstance(about, dict) and (edge.get("name"), edge.get("version") or "") in found.versions:
            for name in _CONTENT:
                changed |= about.pop(name, None) is not None
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode() if changed else None


def _edges(event: dict[str, Json]) -> Iterable[dict[str, Json]]:
    """Give what an event says was read or written, itself where it is one."""
    for name in ("reads", "writes"):
        listed = event.get(name)
        yield from (edge for edge in (listed if isinstance(listed, list) else ()) if isinstance(edge, dict))
    yield event
