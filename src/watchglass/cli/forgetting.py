"""A person, a prediction or a condition → a store without those rows, and the list of all that was ever removed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypedDict, Unpack

import click

import watchglass as wg
from watchglass.cli.printing import json_option, print_json, print_table, progress_bar, store_option
from watchglass.show.words import counted, moment

if TYPE_CHECKING:
    from watchglass.store.life.forget import Forgotten


class What(TypedDict):
    """Whose rows, of which model and environment, and who asks, why."""

    subject: str | None
    prediction: str | None
    where: str | None
    model: str | None
    environment: str | None
    who: str | None
    reason: str | None


@click.command()
@click.option(
    "--subject", default=None, metavar="NAME", help="All of this person, by the columns declared as a subject."
)
@click.option("--prediction", default=None, metavar="ID", help="All of this id.")
@click.option(
    "--where", default=None, metavar="SQL", help="All where this condition on the predictions of --model holds."
)
@click.option("--model", default=None, help="Only of this model.")
@click.option("--environment", default=None, help="Only of this environment.")
@click.option("--who", default=None, help="Who asks; kept in the audit.")
@click.option("--reason", default=None, help="Why; kept in the audit.")
@click.option("--dry-run", "dry", is_flag=True, help="Only count what would go.")
@click.option("--yes", is_flag=True, help="Do not ask again.")
@store_option
@json_option
def forget(path: str | None, *, dry: bool, yes: bool, as_json: bool, **what: Unpack[What]) -> None:
    """Remove rows physically: predictions, labels, feedback, log lines and metric points that speak of them. It cannot be taken back."""
    with wg.open(path) as store:
        if not (dry or yes):
            _confirm(store.forget(**what, dry=True))
        with progress_bar("files written anew") as moved:
            done = store.forget(**what, dry=dry, progress=moved)
    if as_json:
        print_json(done)
        return
    click.echo(_said(done))


def _confirm(found: Forgotten) -> None:
    """Ask whether to go on; raises `Abort` on a no, or where nobody can be asked."""
    click.echo(_said(found), err=True)
    click.confirm("Remove them? It cannot be taken back.", abort=True, err=True)


def _places(told: dict[str, int]) -> str:
    return ", ".join(f"{place} ({counted(rows, 'row')})" for place, rows in sorted(told.items()))


_SHOWN = 20


def _rest(listed: tuple[str, ...]) -> str:
    return f" and {len(listed) - _SHOWN} more (--json)" if len(listed) > _SHOWN else ""


def _said(done: Forgotten) -> str:
    rows = f"{counted(done.predictions, 'prediction')}, {counted(done.labels, 'label')} and {counted(done.feedback, 'event')} of feedback"
    of_them = {"log line": done.logs, "metric point": done.metrics, "rejected line": done.rejected}
    more = [counted(number, what) for what, number in of_them.items() if number]
    said = f"{rows} of {counted(done.ids, 'id')} {'would go' if done.dry else 'are gone'} ({counted(done.files, 'file')}, {counted(done.lines, 'line')} of the log)"
    if more:
        said += f"\nWith them {'would go' if done.dry else 'went'} what speaks of them: {', '.join(more)}"
    if done.wiped:
        said += f"\n(forgotten) {'would stand' if done.dry else 'stands'} in their place in {_places(done.wiped)}"
    if done.left:
        said += f"\nNamed still, as things are found by it or it may mean another: {_places(done.left)}"
    if done.carried:
        said += f"\n{counted(done.carried, 'artifact version')} of it: of them {counted(done.kept, 'file')} of kept bytes {'would go' if done.dry else 'went'}, and previews and profiles"
    if done.outside:
        said += f"\nOutside the store there may be more, which only you can delete: {', '.join(done.outside[:_SHOWN])}{_rest(done.outside)}"
    if done.aggregates is not None:
        said += f"\nRows that went with their age are still counted, in aggregates of at least {counted(done.aggregates, 'row')}"
    if done.unread:
        said += f"\n{counted(done.unread, 'file')} in quarantine cannot be read, and may hold more"
    return (
        said
        if done.dry
        else f"{said}\nNot looked at: {', '.join(done.not_looked_at)}. Audit record {done.audit}: watchglass audit"
    )


@click.command()
@click.option("--action", default=None, help="Only forget, retention, restore, import or retraction.")
@click.option("--limit", default=100, show_default=True, help="At most so many.")
@click.option("--after", type=int, default=None, help="Those older than the one with this id.")
@store_option
@json_option
def audit(path: str | None, action: str | None, limit: int, after: int | None, *, as_json: bool) -> None:
    """List what was removed from the store or brought into it, newest first: when, by whom, how much."""
    with wg.open(path) as store:
        page = store.audits(action, limit=limit, after=after)
    if as_json:
        print_json(page)
        return
    rows = [
        (one.id, moment(one.time), one.action, one.who, json.dumps(one.record, ensure_ascii=False))
        for one in page.audits
    ]
    print_table(("id", "time", "what", "who", "record"), rows, right=(0,))
    if page.next is not None:
        click.echo(f"there are more: --after {page.next}")


COMMANDS = (forget, audit)
