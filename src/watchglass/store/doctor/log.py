"""The two logs → findings: torn and bad lines, leftovers, columnar segments without their other half, what nobody compacts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import sqlalchemy as sa

from watchglass.store import catalog as c
from watchglass.store import lines
from watchglass.store.compact import compact, engine_room
from watchglass.store.doctor.outlived import settle
from watchglass.store.doctor.visit import Finding
from watchglass.store.frames import BROKEN
from watchglass.store.quarantine import set_aside
from watchglass.store.quoting import literal
from watchglass.store.segments import is_sealed, tells

if TYPE_CHECKING:
    from pathlib import Path

    from watchglass.store.doctor.visit import Visit

OLD = 600.0  # seconds a sealed segment may wait: ten times what a compactor at work lets it


def check_log(visit: Visit) -> None:
    """Look at every file of the log of rows and of the log of the graph."""
    with visit.engine.connect() as connection:
        taken = set(connection.execute(sa.select(c.segments.c.name)).scalars())
    waiting: list[Path] = []
    for path in sorted(visit.folder.row_log.iterdir()):
        waiting += _row_file(visit, path, taken)
    for path in sorted(visit.folder.graph_log.iterdir()):
        if path.suffix == ".jsonl":
            visit.segments += 1
            _graph_lines(visit, path)
        elif path.suffix in (".open", ".tmp"):
            _leftover(visit, path, taken)
        else:
            _foreign(visit, path)
    if waiting:
        oldest = min(path.stat().st_mtime for path in waiting)
        means = (
            f"{len(waiting)} sealed segments wait, the oldest for {int(visit.now.timestamp() - oldest)} s: nobody compacts."
            " Queries answer them, slower than tables"
        )
        mend = "watchglass serve compacts while it runs; or watchglass compact, or --mend, once"
        finding = Finding("warning", "log not compacted", visit.shown(visit.folder.row_log), means, mend)
        visit.found(finding)


def _row_file(visit: Visit, path: Path, taken: set[str]) -> list[Path]:
    """Look at one file; gives it back when it waits for a compaction that is overdue."""
    try:
        if path.suffix in (".open", ".tmp"):
            _leftover(visit, path, taken)
        elif path.name.endswith(".parquet.json"):
            _sidecar(visit, path)
        elif path.suffix in (".jsonl", ".parquet"):
            return _segment(visit, path, taken)
        else:
            _foreign(visit, path)
    except FileNotFoundError:  # compacted while we looked
        pass
    return []


def _segment(visit: Visit, path: Path, taken: set[str]) -> list[Path]:
    visit.segments += 1
    sealed = is_sealed(path)
    if path.name in taken:
        means = (
            "its rows are in the tables; who published them was stopped before it deleted this. It is not read again"
        )
        finding = Finding("note", "segment published already", visit.shown(path), means, "delete it (--mend)")
        visit.found(finding, (lambda: _delete(path)) if sealed else None)
        return []
    sound = _columnar(visit, path) if path.suffix == ".parquet" else _row_lines(visit, path, sealed=sealed)
    late = path.stat().st_mtime < visit.now.timestamp() - OLD if sound else False
    return [path] if sound and sealed and late else []


def _delete(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.with_name(path.name + ".json").unlink(missing_ok=True)


def _row_lines(visit: Visit, path: Path, *, sealed: bool) -> bool:
    """Look at the lines of a segment; says whether it is worth compacting."""
    data = path.read_bytes()
    whole = data[: data.rfind(b"\n") + 1]
    if sealed and not data:
        if not visit.is_young(path):
            means = "it holds nothing and nobody writes to it"
            visit.found(Finding("note", "empty segment", visit.shown(path), means, "delete it (--mend)"), path.unlink)
        return False
    if sealed and len(whole) < len(data):
        _torn(visit, path, len(data) - len(whole))
    good, bad = lines.sift(path.name, whole, lines.latest_time(visit.now.timestamp()))
    visit.rows += len(good)
    if bad:
        means = f"{len(bad)} lines or values cannot be taken; the first: line {bad[0].line}: {bad[0].reason}"
        mend = "nothing need be done: compaction keeps each aside with its reason (watchglass sql 'SELECT * FROM rejected')"
        visit.found(Finding("warning", "bad lines", visit.shown(path), means, mend, rows=len(bad)))
    return bool(data)


def _torn(visit: Visit, path: Path, rest: int) -> None:
    means = f"its last {rest} bytes have no line end: the writer was stopped inside a call that it never came back from"
    mend = "nothing need be done: compaction counts them as rejected"
    visit.found(Finding("note", "torn last line", visit.shown(path), means, mend))


def _columnar(visit: Visit, path: Path) -> bool:
    """Look at a columnar segment and its sidecar; says whether it can be compacted."""
    sidecar = path.with_name(path.name + ".json")
    draft = path.with_name(path.name + ".json.tmp")
    if not sidecar.exists():
        if not path.exists():
            return False
        means = "nothing says what its columns are, so its rows are not answered"
        if draft.exists():
            finding = Finding(
                "error", "segment without sidecar", visit.shown(path), means, "put the sidecar in its place (--mend)"
            )
            return visit.found(finding, lambda: draft.rename(sidecar))
        finding = Finding(
            "error", "segment without sidecar", visit.shown(path), means, "move it to quarantine (--mend)"
        )
        visit.found(finding, lambda: set_aside(visit.folder, path, means, visit.now))
        return False
    fault = _sidecar_fault(sidecar) or _parquet_fault(visit, path)
    if fault is None:
        return True

    def part() -> None:
        set_aside(visit.folder, path, fault, visit.now)
        set_aside(visit.folder, sidecar, fault, visit.now)

    visit.found(
        Finding("error", "unreadable segment", visit.shown(path), fault, "move it to quarantine (--mend)"), part
    )
    return False


def _sidecar_fault(sidecar: Path) -> str | None:
    try:
        about = json.loads(sidecar.read_bytes())
    except ValueError as error:
        return f"its sidecar is not JSON: {error}"
    if not isinstance(about, dict) or about.get("kind") not in ("predictions", "labels"):
        return "its sidecar does not say that it holds predictions or labels"
    if not isinstance(about.get("model"), str) or not isinstance(about.get("columns"), dict):
        return "its sidecar does not name the model and the columns"
    return None if tells(about) else "its sidecar says of a column, or of all rows, what is no text"


def _parquet_fault(visit: Visit, path: Path) -> str | None:
    try:
        with engine_room(visit.folder) as connection:
            source = f"read_parquet({literal(str(path))})"
            if not visit.quick:
                connection.execute(f"SELECT bit_xor(hash(r)) FROM {source} r").fetchone()
            counted = connection.execute(f"SELECT count(*) FROM {source}").fetchone()
    except BROKEN as error:
        return f"it cannot be read as Parquet: {str(error).splitlines()[0]}"
    visit.rows += counted[0] if counted else 0
    return None


def _sidecar(visit: Visit, path: Path) -> None:
    if path.with_suffix("").exists() or path.with_name(path.name.removesuffix(".json") + ".tmp").exists():
        return
    if not visit.is_young(path):
        means = "its segment is compacted, or was never finished"
        visit.found(
            Finding("note", "sidecar without segment", visit.shown(path), means, "delete it (--mend)"), path.unlink
        )


def _leftover(visit: Visit, path: Path, taken: set[str]) -> None:
    """Look at what a writer had not finished: only what is old, for a living writer is quick."""
    if visit.is_young(path) or not is_sealed(path):
        return
    segment = path.with_suffix("")
    if path.suffix == ".open" and path.stat().st_size and segment.name not in taken and not segment.exists():
        means = "it holds events, and a power cut undid its renaming, so they are not answered"
        finding = Finding(
            "error", "events in an unnamed segment", visit.shown(path), means, "give it its name (--mend)"
        )
        visit.found(finding, lambda: path.rename(segment))
        return
    means = "its writer was stopped before it was whole; nothing in it was ever acknowledged"
    visit.found(Finding("note", "leftover", visit.shown(path), means, "delete it (--mend)"), path.unlink)


def _foreign(visit: Visit, path: Path) -> None:
    means = "it is no file of ours; nobody reads it"
    visit.found(Finding("note", "foreign file", visit.shown(path), means, "move it elsewhere"))


def _graph_lines(visit: Visit, path: Path) -> None:
    try:
        data, sealed = path.read_bytes(), is_sealed(path)
    except FileNotFoundError:  # taken in and swept while we looked
        return
    whole = data[: data.rfind(b"\n") + 1]
    if sealed and len(whole) < len(data):
        _torn(visit, path, len(data) - len(whole))
    bad = 0
    for raw in whole.split(b"\n"):
        try:
            bad += bool(raw.strip()) and not isinstance(json.loads(raw), dict)
        except (ValueError, RecursionError):
            bad += 1
    if bad:
        means = f"{bad} lines are no events of the graph"
        mend = "nothing need be done: each is kept aside with its reason when the log is taken in"
        visit.found(Finding("warning", "bad lines", visit.shown(path), means, mend, rows=bad))


def compact_after(visit: Visit) -> None:
    """Move what waits into the tables, as mending does last."""
    compact(visit.folder, visit.engine)
    settle(visit.folder, visit.engine)
