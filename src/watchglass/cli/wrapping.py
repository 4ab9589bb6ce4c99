"""A command, run by `watchglass log run` → a run with its start, end, status, inputs and outputs; its exit code passes through."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

import click

from watchglass import settings
from watchglass.capture.around import BEAT_SECONDS, beat
from watchglass.capture.artifacts import declared, given
from watchglass.capture.code import PATIENCE, here
from watchglass.capture.environment import digested, surroundings
from watchglass.capture.ids import new_id
from watchglass.capture.origin import host
from watchglass.capture.resources import measured, used
from watchglass.capture.times import now
from watchglass.capture.traceparent import around, headers
from watchglass.cli.delivering import Delivery
from watchglass.cli.logging import Pair, log, recording, where_option
from watchglass.cli.printing import json_option
from watchglass.cli.whose import said, whose
from watchglass.errors import BadInput, WatchglassError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import FrameType

NOT_FOUND: Final = 127
NOT_ALLOWED: Final = 126
_BY_SIGNAL: Final = 128


@log.command()
@click.argument("component")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@click.option("--input", "inputs", multiple=True, help="What it reads: a file, a name, or NAME=FILE; may be repeated.")
@click.option("--output", "outputs", multiple=True, help="What it writes; may be repeated.")
@click.option("--param", "params", type=Pair(), multiple=True, help="A parameter; may be repeated.")
@click.option("--version", default=None, help="The component's version.")
@click.option("--parent", default=None, help="The id of the run that this is a part of.")
@click.option("--upstream", multiple=True, metavar="RUN", help="A run that it depends on with no data between; may be repeated.")  # fmt: skip
@click.option("--subject", "subjects", multiple=True, metavar="NAME=TAG", help="Of whom an input or output is, NAME= of nobody; may be repeated.")  # fmt: skip
@click.option("--started", default=None, help="When it started; without COMMAND.")
@click.option("--ended", default=None, help="When it ended; without COMMAND.")
@click.option("--error", default=None, help="What went wrong; without COMMAND.")
@where_option
@json_option
def run(  # noqa: PLR0913, PLR0917 - options
    component: str,
    command: Sequence[str],
    inputs: Sequence[str],
    outputs: Sequence[str],
    params: Sequence[tuple[str, object]],
    version: str | None,
    parent: str | None,
    upstream: Sequence[str],
    subjects: Sequence[str],
    started: str | None,
    ended: str | None,
    error: str | None,
    store: str | None,
    *,
    as_json: bool,
) -> None:
    """Record a run: of COMMAND after --, or one that is over.

    watchglass log run load --input raw.csv --output rows.parquet -- python load.py
    """
    event: dict[str, object] = {"kind": "run", "id": new_id(), "component": component, "params": dict(params)}
    event |= {name: value for name, value in (("version", version), ("parent", parent)) if value is not None}
    event |= {"upstream": list(upstream)} if upstream else {}
    event |= {"host": host(), "pid": os.getpid()}
    of_whom = whose(subjects, (*inputs, *outputs))
    if command:
        if started or ended or error:
            message = "--started, --ended and --error are for a run that is over; COMMAND says them itself"
            raise BadInput(message)
        raise SystemExit(_wrapped(event, command, (inputs, outputs, of_whom), store))
    moment = now()
    over = {"started": started or ended or moment, "ended": ended or moment, "error": error}
    edges = {"reads": _edges(inputs, None), "writes": _edges(outputs, None)}
    event |= edges
    event |= {name: value for name, value in over.items() if value is not None}
    with recording(), Delivery(store) as delivery:
        for one in (event, *said(event, of_whom, moment)):
            delivery.event(one)
        click.echo(json.dumps({**delivery.answer(), "ids": [event["id"]]}) if as_json else event["id"])


def _edges(items: Sequence[str], moment: int | None) -> list[dict[str, object]]:
    """Write reads or writes; a file that is there is known by its content."""
    edges = []
    for item in items:
        name, sign, path = item.partition("=")
        found = given(path, name) if sign and name and os.path.isfile(path) else declared(item)  # noqa: PTH113 - text paths here
        edges.append({key: value for key, value in found.edge(moment or 0).items() if moment or key != "time"})
    return edges


def _wrapped(
    event: dict[str, object],
    command: Sequence[str],
    edges: tuple[Sequence[str], Sequence[str], Mapping[str, tuple[str, ...]]],
    store: str | None,
) -> int:
    """Run a command and record it; what cannot be recorded is told and hinders nothing.

    The command finds the run in its environment, as TRACEPARENT and TRACESTATE: what it records is a part of it.
    """
    begun, before = now(), measured()
    about, remote = here(), around()
    ident = str(event["id"])
    trace = remote.trace if remote is not None else ident.replace("-", "")
    links = {"writer": f"{host()}:{os.getpid()}:", **({"traceparent": remote.text} if remote is not None else {})}
    digest, record = digested(surroundings())
    event |= {"started": begun, "status": "running", "reads": _edges(edges[0], begun), "trace": trace, "links": links}
    event |= {"environment": digest, "code": about.about()}
    served = "://" in settings.resolve(settings.STORE, store)
    if served:
        event["resources"] = beat(0)
    if remote is not None and remote.parent is not None:
        event.setdefault("parent", remote.parent)
    _recorded(({"kind": "environment", "id": digest, "record": record, "time": begun}, event), store)
    sent = {name.upper(): text for name, text in headers(ident, trace, remote).items()}
    told = None
    if served:
        short = {name: event[name] for name in ("kind", "id", "component", "started", "status", "resources")}
        told = partial(_recorded, (short,), store)
    code, error = _executed(command, {**os.environ, **sent}, told, BEAT_SECONDS)
    over = now()
    event |= {"ended": over, "status": "ok" if code == 0 else "error", "writes": _edges(edges[1], over)}
    lacking = about.lacks(PATIENCE)
    event |= {
        "code": about.about(),
        "resources": used(before, measured()),
        **({"left_out": [lacking]} if lacking else {}),
    }
    if error:
        event["error"] = error
    _recorded((event, *said(event, edges[2], over)), store)
    return code


def _recorded(events: Sequence[dict[str, object]], store: str | None) -> None:
    try:
        with Delivery(store) as delivery:
            for event in events:
                delivery.event(event)
    except (WatchglassError, OSError) as error:
        click.echo(f"watchglass: the run is not recorded: {error}", err=True)


def _executed(
    command: Sequence[str], environment: Mapping[str, str], told: Callable[[], None] | None = None, every: float = 30.0
) -> tuple[int, str | None]:
    """Run a command to its end; gives its exit code as a shell would, and what went wrong in a word.

    While it runs, `told` is called every so many seconds.
    """
    try:
        process = subprocess.Popen(list(command), env=environment)  # noqa: S603 - the user's own command
    except FileNotFoundError:
        click.echo(f"watchglass: {command[0]!r} is not found", err=True)
        return NOT_FOUND, f"{command[0]!r} is not found"
    except OSError as error:
        click.echo(f"watchglass: {command[0]!r} cannot be run: {error.strerror}", err=True)
        return NOT_ALLOWED, f"{command[0]!r} cannot be run: {error.strerror}"
    with _passed_on(process):
        code = process.wait() if told is None else _waited(process, told, every)
    if code < 0:
        return _BY_SIGNAL - code, f"ended by {signal.Signals(-code).name}"
    return code, f"exit code {code}" if code else None


def _waited(process: subprocess.Popen[bytes], told: Callable[[], None], every: float) -> int:
    while True:
        try:
            return process.wait(every)
        except subprocess.TimeoutExpired:
            told()


@contextmanager
def _passed_on(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """Leave Ctrl-C, which the terminal sends to the command as well, to the command; pass on what is sent to us alone."""

    def pass_on(number: int, frame: FrameType | None) -> None:
        del frame
        if process.poll() is None:
            process.send_signal(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGTERM, signal.SIGHUP)}
    before[signal.SIGINT] = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


COMMANDS = (log,)
