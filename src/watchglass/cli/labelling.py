"""A data set of labels on a command line → the log of a folder or a server; how many predictions have labels, and how late → a terminal."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Final

import click

import watchglass as wg
from watchglass import settings
from watchglass.capture.datasets import ending, text_rows
from watchglass.capture.encode import line, plain
from watchglass.cli.delivering import Delivery
from watchglass.cli.logging import environment_option, log, recording, time_option, where_option
from watchglass.cli.printing import json_option, print_json, print_table, progress_bar, store_option
from watchglass.cli.served_rows import served_rows
from watchglass.errors import BadInput, StoreError
from watchglass.show.words import moment, number
from watchglass.store.labels.files import ARROW, PARQUET, rows_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from watchglass.store.labels.coverage import Coverage, DayCoverage
    from watchglass.store.labels.waiting import Waiting

AT_ONCE: Final = 20_000


@log.command("labels")
@click.argument("model")
@click.argument("file", required=False, type=click.Path())
@click.option("--query", default=None, help="Instead of a file: one SELECT that the store answers with the labels.")
@click.option("--id", "ident", default="id", show_default=True, help="The column of the predictions' ids.")
@click.option("--label", "label", default="label", show_default=True, help="The column of the labels.")
@click.option("--time", default=None, help="The column of when each became known; now without it.")
@click.option("--retract-missing", is_flag=True, help="A row without a label takes back what was said of its id.")
@environment_option
@where_option
@json_option
def log_labels(  # noqa: PLR0913, PLR0917 - options
    model: str,
    file: str | None,
    query: str | None,
    ident: str,
    label: str,
    time: str | None,
    environment: str,
    store: str | None,
    *,
    retract_missing: bool,
    as_json: bool,
) -> None:
    """Record a whole data set of labels: watchglass log labels fraud labels.csv --id tx --label y --time ts.

    FILE is Parquet, CSV, TSV, JSON lines or Arrow. A row without a label says nothing yet and is left out. The same
    labels may be recorded again: of each id the latest counts.
    """
    if (file is None) == (query is None):
        message = "name a FILE, or ask the store: --query 'SELECT id, label, time FROM …'"
        raise click.UsageError(message)
    names = {"id": ident, "label": label, **({"time": time} if time is not None else {})}
    made = _Labels({"kind": "label", "model": model, "environment": environment}, names, retract=retract_missing)
    with (
        recording(),
        _rows(store, file, query, names) as rows,
        Delivery(store) as delivery,
        progress_bar("labels") as moved,
    ):
        for data in made.pieces(rows):
            try:
                delivery.lines(data, made.before)
            except (BadInput, StoreError) as error:
                message = f"{error} Before it, {delivery.told.accepted} labels are recorded."
                raise type(error)(message) from error
            moved(made.read, made.read)
    told = delivery.told
    if as_json:
        click.echo(json.dumps({**delivery.answer(), "missing": made.missing}, ensure_ascii=False))
    else:
        click.echo(f"{told.accepted} labels recorded, {made.missing} rows without one, {told.rejected_count} refused")
    for place, why in told.rejected[:10]:
        click.echo(f"label {place}: {why}", err=True)
    if told.rejected_count:
        sys.exit(1)


@log.command()
@click.argument("model")
@click.argument("ident", metavar="ID")
@environment_option
@time_option
@where_option
@json_option
def retract(model: str, ident: str, environment: str, time: str | None, store: str | None, *, as_json: bool) -> None:
    """Take back the label of a prediction by its id: watchglass log retract fraud tx-1."""
    event = {"kind": "label", "model": model, "id": ident, "environment": environment, "label": None}
    _one(store, event, time, as_json=as_json)


@log.command()
@click.argument("model")
@click.argument("ident", metavar="ID")
@click.argument("event")
@environment_option
@time_option
@where_option
@json_option
def feedback(  # noqa: PLR0913 - options
    model: str, ident: str, event: str, environment: str, time: str | None, store: str | None, *, as_json: bool
) -> None:
    """Record what a user did about a prediction by its id: watchglass log feedback ads ad-1 click."""
    told = {"kind": "feedback", "model": model, "id": ident, "environment": environment, "event": event}
    _one(store, told, time, as_json=as_json)


def _one(store: str | None, event: Mapping[str, object], time: str | None, *, as_json: bool) -> None:
    with recording(), Delivery(store) as delivery:
        delivery.event(dict(event) if time is None else {**event, "time": time})
        if as_json:
            click.echo(json.dumps(delivery.answer(), ensure_ascii=False))


class _Labels:
    """Rows on their way to events: how many were read, how many had no label, how many were delivered before."""

    def __init__(self, shared: Mapping[str, object], names: Mapping[str, str], *, retract: bool) -> None:
        self._shared, self._names, self._retract = shared, names, retract
        self.read = self.missing = self.before = self._made = 0

    def pieces(self, rows: Iterable[Mapping[str, object]]) -> Iterator[bytes]:
        """Write some thousand events at a time as lines."""
        rest = iter(rows)
        while part := list(islice(rest, AT_ONCE)):
            lines = [line(event) for row in part if (event := self._event(row)) is not None]
            self.before, self._made = self._made, self._made + len(lines)
            if lines:
                yield b"".join(lines)

    def _event(self, row: Mapping[str, object]) -> dict[str, object] | None:
        self.read += 1
        lacking = [name for name in self._names.values() if name not in row]
        if lacking:
            message = f"row {self.read} has no {lacking[0]!r}. It has: {', '.join(row)}"
            raise BadInput(message)
        values = {role: plain(row[name]) for role, name in self._names.items()}
        for role in ("id", "time"):
            if role in values and values[role] in (None, ""):
                message = f"row {self.read} has nothing in {self._names[role]!r}: each label needs its {role}"
                raise BadInput(message)
        if values["label"] is None:
            self.missing += 1
            if not self._retract:
                return None
        return {**self._shared, **values}


def _have(columns: Sequence[str], names: Mapping[str, str]) -> None:
    lacking = [name for name in names.values() if name not in columns]
    if lacking:
        message = (
            f"the answer has no column {lacking[0]!r}. It has: {', '.join(columns)}. Name them: --id, --label, --time"
        )
        raise BadInput(message)


@contextmanager
def _rows(
    store: str | None, file: str | None, query: str | None, names: Mapping[str, str]
) -> Iterator[Iterable[Mapping[str, object]]]:
    """Open a file, or ask the store."""
    if query is not None:
        place = settings.resolve(settings.STORE, store)
        if "://" in place:  # all of it first: what is recorded meanwhile might change the answer
            columns, answer = served_rows(place, query)
            _have(columns, names)
            yield answer
            return
        with wg.open(store) as opened:
            table = opened.sql(query)
            _have(table.columns, names)
            yield table
        return
    path = str(file)
    yield rows_of(path, [*names.values()]) if ending(path) in (*PARQUET, *ARROW) else text_rows(path)


@click.command()
@click.argument("model")
@click.option("--environment", default="live", show_default=True, help="In this environment.")
@click.option("--at", default=None, help="As known at the end of this day (UTC), such as 2026-03-01; all without it.")
@click.option("--limit", type=click.IntRange(min=1), default=30, show_default=True, help="At most so many days.")
@click.option("--before", default=None, help="Days before this one only.")
@click.option("--waiting", is_flag=True, help="Which labels wait for their prediction instead, the oldest first.")
@click.option("--after", default=None, help="With --waiting: labels after this one, `next` of the page before.")
@store_option
@json_option
def labels(  # noqa: PLR0913, PLR0917 - options
    model: str,
    environment: str,
    at: str | None,
    limit: int,
    before: str | None,
    after: str | None,
    path: str | None,
    *,
    waiting: bool,
    as_json: bool,
) -> None:
    """Say how many of a model's predictions have labels, by day, how late they came, how many came too late, or which wait."""
    if waiting:
        with wg.open(path) as store:
            _tell_waiting(store.waiting_labels(model, environment, limit=limit, after=after), as_json=as_json)
        return
    if after is not None:
        message = f"--after {after} goes with --waiting; days before one: --before DAY"
        raise click.UsageError(message)
    with wg.open(path) as store:
        found = store.label_coverage(model, environment, at, limit=limit, before=before)
    if as_json:
        print_json(found)
        return
    rows = [_row("all", found), *(_row(one.day.isoformat(), one) for one in found.days)]
    head = ("day", "predictions", "labelled", "share", "half after (days)", "90 %", "99 %")
    print_table(head, rows, right=range(1, 7))
    if found.too_late:
        click.echo(f"{found.too_late} labels came after their prediction was let go: they count for nothing")
    if found.next is not None:
        click.echo(f"older days: --before {found.next.isoformat()}")


def _tell_waiting(found: Waiting, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    print_table(
        ("id", "label", "told", "waits"),
        [(one.id, one.label, moment(one.time), "maybe" if one.unclear else "yes") for one in found.labels],
    )
    since = "" if found.oldest is None else f", the oldest since {moment(found.oldest)}"
    click.echo(f"{found.waiting} labels wait for their prediction{since}")
    if found.unclear:
        click.echo(f"{found.unclear} may wait, or their prediction was let go by retention")
    if found.expired:
        click.echo(f"{found.expired} were let go by retention while they waited")
    if found.next is not None:
        click.echo(f"more: --after '{found.next}'")


def _row(what: str, found: Coverage | DayCoverage) -> tuple[object, ...]:
    figures = (found.predictions, found.labelled, number(found.share))
    return (what, *figures, found.lag_p50, found.lag_p90, found.lag_p99)


COMMANDS = (labels,)
