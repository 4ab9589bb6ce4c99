"""Two runs or two times, or one time → a terminal: what differs, or how the whole system was then."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

import watchglass as wg
from watchglass.capture.times import micros
from watchglass.cli.printing import json_option, print_json, print_table, store_option
from watchglass.cli.runs import DIGITS, after_option, limit_option, say_more
from watchglass.errors import BadInput
from watchglass.show.words import moment, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from watchglass.store.runs.comparing import Change, DataChange, RunDiff
    from watchglass.store.runs.state import State
    from watchglass.store.runs.state_changes import StateDiff


@click.command()
@click.argument("first", metavar="A")
@click.argument("second", metavar="[B]", required=False)
@click.option("--fail", is_flag=True, help="Exit with 1 when code, parameters, environment or inputs differ.")
@limit_option
@after_option
@store_option
@json_option
def diff(  # noqa: PLR0913 - options
    first: str, second: str | None, limit: int, after: str | None, path: str | None, *, fail: bool, as_json: bool
) -> None:
    """Say what differs between two runs, named by id or component (one component: its newest two), or between two times."""
    times = _is_time(first) and (second is None or _is_time(second))
    with wg.open(path) as store:
        if times:
            moved = store.state_diff(first, second, limit=limit, after=after)
        else:
            found = store.diff(first, second)
    if times:
        _show(moved, _tell_moved, as_json=as_json)
    else:
        _show(found, _tell_diff, as_json=as_json)
        if fail and not found.same:
            raise SystemExit(1)


def _show(record: object, tell: object, *, as_json: bool) -> None:
    if as_json:
        print_json(record)
    elif callable(tell):
        tell(record)


def _is_time(word: str) -> bool:
    """Say whether a word is a date or a time.

    >>> _is_time("2026-06-01"), _is_time("train"), _is_time("20260601")
    (True, False, False)
    """
    try:
        micros(word)
    except BadInput:
        return False
    return "-" in word


def _tell_diff(found: RunDiff) -> None:
    one, other = found.first, found.second
    click.echo(f"{one.component} {one.id} ({moment(one.started)})  →  {other.component} {other.id} ({moment(other.started)})")  # fmt: skip
    alike = "code, parameters, environment and inputs are the same" if found.same else "they differ"
    click.echo(alike + (f"; not known: {', '.join(found.unknown)}" if found.unknown else ""))
    for title, changes in (
        ("code", found.code),
        ("parameters", found.params),
        ("environment", found.environment),
        ("metrics", found.metrics),
        ("resources", found.resources),
    ):
        _print_changes(title, changes)
    for title, data in (("input", found.inputs), ("output", found.outputs)):
        _print_data(title, [one for one in data if one.change != "same"])
    if found.source:
        click.echo(found.source)


def _print_changes(title: str, changes: Sequence[Change]) -> None:
    if changes:
        rows = [(one.name, shown(one.before), shown(one.after), None if one.by is None else number(one.by)) for one in changes]  # fmt: skip
        print_table((title, "before", "after", "by"), rows, right=(3,))


def _print_data(title: str, data: Sequence[DataChange]) -> None:
    if data:
        rows = [
            (
                one.name,
                one.change,
                *(None if v is None else v[:DIGITS] for v in (one.before, one.after)),
                "; ".join(f"{d.name} {shown(d.before)} → {shown(d.after)}" for d in one.details[:6]) or None,
            )
            for one in data
        ]
        print_table((title, "is", "before", "after", "what differs"), rows)


def shown(value: object) -> str | None:
    """Write a value of any kind in a cell.

    >>> shown("a"), shown([1, 2]), shown(None)
    ('a', '[1, 2]', None)
    """
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def _tell_moved(found: StateDiff) -> None:
    click.echo(f"from {moment(found.first)} to {moment(found.last)}")
    for title, changes in (
        ("deployed", found.deployed),
        ("code", found.code),
        ("parameters", found.params),
        ("verdicts", found.verdicts),
    ):
        _print_changes(title, changes)
    if found.data:
        rows = [(one.name, *(None if v is None else v[:DIGITS] for v in (one.before, one.after)), one.run, moment(one.time)) for one in found.data]  # fmt: skip
        print_table(("data", "before", "after", "written by", "at"), rows)
    for title, incidents in (("opened", found.opened), ("closed", found.closed)):
        for one in incidents:
            click.echo(f"{title}: incident {one.id} ({one.severity}) {one.title}")
    say_more(found.next)


@click.command()
@click.option("--at", default=None, metavar="TIME", help="Then: ISO 8601, or 7d, 36h, 90m before now; now without it.")
@limit_option
@after_option
@store_option
@json_option
def state(at: str | None, limit: int, after: str | None, path: str | None, *, as_json: bool) -> None:
    """Show the whole system at a time: what was deployed, which code and data were the newest, what was judged and open."""
    with wg.open(path) as store:
        found = store.state(at, limit=limit, after=after)
    _show(found, _tell_state, as_json=as_json)


def _tell_state(found: State) -> None:
    click.echo(f"at {moment(found.at)}")
    deployed = [(one.model, one.environment, one.version, moment(one.since), one.run) for one in found.deployed]
    code = [(one.component, one.version, None if one.commit is None else one.commit[:DIGITS], one.run, moment(one.started), one.status) for one in found.code]  # fmt: skip
    data = [(one.name, None if one.version is None else one.version[:DIGITS], one.run, moment(one.time)) for one in found.data]  # fmt: skip
    verdicts = [(one.model, one.environment, one.kind, one.status, moment(one.window)) for one in found.verdicts]
    incidents = [(one.id, one.severity, one.model, moment(one.raised), one.title) for one in found.incidents]
    for head, rows in (
        (("model", "environment", "version", "since", "made by"), deployed),
        (("component", "version", "commit", "newest run", "started", "status"), code),
        (("data", "version", "written by", "at"), data),
        (("model", "environment", "monitor", "verdict", "window"), verdicts),
        (("incident", "severity", "model", "raised", "title"), incidents),
    ):
        if rows:
            print_table(head, rows)
    say_more(found.next)


COMMANDS = (diff, state)
