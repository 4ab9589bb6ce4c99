"""A run that is over, told in one call → its event."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TypeVar, cast

from watchglass.capture import recorder
from watchglass.capture.events import name as checked
from watchglass.capture.events import optional_name, present, text_of
from watchglass.capture.runs import Run, current_run, elsewhere, of_subjects
from watchglass.capture.times import micros
from watchglass.errors import BadInput, Blocked

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from watchglass.capture.artifacts import Artifact, Item
    from watchglass.records import RunId, Time

T = TypeVar("T")
STATUSES = ("running", "ok", "error", "crashed")


def log_run(  # noqa: PLR0913 - the settled public face
    name: str,
    *,
    started: Time,
    ended: Time,
    inputs: Iterable[Item] = (),
    outputs: Iterable[Item] = (),
    status: str = "ok",
    params: Mapping[str, object] | None = None,
    version: str | None = None,
    error: str | None = None,
    parent: Run | str | None = None,
    subjects: Mapping[str, str | Iterable[str]] | None = None,
    upstream: Iterable[Run | str] = (),
    on_retracted: str | None = None,
) -> RunId:
    """Record a run that is over; gives its id.

    `inputs` and `outputs` are paths that exist (the file), other texts (names without content) and pairs
    (name, value). `subjects` says of whom they are, by name: {"rows": ["client-17"], "totals": []}; [] is nobody. `parent`
    defaults to the run around. `upstream` names runs that it depends on though no data between is recorded. Inputs that are
    in quarantine, or carry a retracted tag, are warned of and kept with the run; `on_retracted` is as in `wg.run`: `Blocked`
    is raised once the run is recorded. Raises `BadInput` when it ended before it started, for an unknown status, and for
    a value without a name.
    """
    of_whom = {} if subjects is None else of_subjects().tags_by_name(subjects)
    begun, over = micros(started, "started"), micros(ended, "ended")
    if over < begun:
        message = f"run {name!r} cannot end ({ended}) before it starts ({started}); are the two swapped?"
        raise BadInput(message)
    if status not in STATUSES:
        message = f"status of run {name!r} cannot be {status!r}; known: {', '.join(STATUSES)}"
        raise BadInput(message)
    around = current_run() if parent is None else parent
    before = [one.id if isinstance(one, Run) else checked(one, "upstream") for one in _items(upstream, "upstream")]
    made = Run(checked(name, "the name of a run's component"), params, optional_name(version, "version"))
    made.on_retracted = None if on_retracted is None else of_subjects().checked_reaction(on_retracted)
    stands = made.around
    read = [stands.take(item, None) for item in _items(inputs, "inputs")]
    wrote = [stands.take(item, None) for item in _items(outputs, "outputs")]
    reads, writes = [one.edge(begun) for one in read], [one.edge(over) for one in wrote]
    here = recorder.current()
    retracted = not here.disabled and os.access(f"{here.store}/{of_subjects().FOLDER}", os.F_OK)
    for one in read:
        if one.version is not None and not here.disabled:
            made.warned(here.store, one.name, one.version)
    stopped = _minded(made, "read", read, of_whom, begun) if retracted else None
    event = made.event()
    event |= {
        **_place(made, around),
        "started": begun,
        "ended": over,
        "status": status,
        "error": error if error is None else text_of(error),
        "reads": reads,
        "writes": writes,
        "upstream": before or None,
    }
    here.graph(present(event))
    if of_whom:
        _say_subjects(made.id, [*reads, *writes], of_whom)
    if retracted:
        _minded(made, "write", wrote, of_whom, over)
    if stopped is not None:
        raise stopped
    return made.id


def _minded(
    made: Run, kind: str, artifacts: Iterable[Artifact], of_whom: Mapping[str, tuple[str, ...]], moment: int
) -> Blocked | None:
    """Warn of what it read that carries a retracted tag, or mark what it wrote, as a run under way does; gives what stops its caller."""
    store, stopped = recorder.current().store, None
    for one in artifacts:
        try:
            of_subjects().mind(made, kind, store, one, of_whom.get(one.name, ()), moment)
        except Blocked as error:
            stopped = stopped or error
    return stopped


def _say_subjects(run: str, edges: Iterable[dict[str, object]], of_whom: Mapping[str, tuple[str, ...]]) -> None:
    """Record of whom what it read and wrote is."""
    for edge in edges:
        tags, version = of_whom.get(str(edge["name"]), ()), cast("str | None", edge["version"])
        for said in of_subjects().events(str(edge["name"]), version, tags, run, edge["time"]):
            recorder.current().graph(said)


def _place(made: Run, around: Run | str | None) -> dict[str, object]:
    """Say what run and trace a run is a part of."""
    if isinstance(around, Run):
        return {"parent": around.id, "trace": around.trace}
    if around is not None:
        return {"parent": checked(around, "parent"), "trace": None}
    remote = elsewhere()
    return {"trace": made.trace} if remote is None else {"parent": remote.parent, "trace": remote.trace}


def _items(items: Iterable[T], what: str) -> Iterable[T]:
    if isinstance(items, (str, os.PathLike)):
        message = f"{what} cannot be {items!r} alone: a list would do, [{items!r}]"
        raise BadInput(message)
    return items
