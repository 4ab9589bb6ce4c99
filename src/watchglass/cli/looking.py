"""The state of a store, its models and its incidents → a terminal."""

from __future__ import annotations

import click

import watchglass as wg
from watchglass.cli.printing import json_option, print_json, print_table, progress_bar, store_option
from watchglass.show.story import story
from watchglass.show.words import day, moment, number

STATES = ("open", "acknowledged", "muted", "resolved")


@click.command()
@store_option
@json_option
def status(path: str | None, *, as_json: bool) -> None:
    """Say what is in the store: rows, runs, files, what waits in the log, what was rejected."""
    with wg.open(path) as store:
        found = store.status()
    if as_json:
        print_json(found)
        return
    rows = [(name.replace("_", " "), getattr(found, name)) for name in found.__dataclass_fields__ if name != "drops"]
    rows += [(f"dropped: {reason}", lost) for reason, lost in found.drops]
    print_table(
        ("", found.path),
        [(name, moment(value) if name in ("first", "last") and value else value) for name, value in rows[1:]],
    )


@click.command()
@store_option
@json_option
def models(path: str | None, *, as_json: bool) -> None:
    """List the models, worst first: health, why, performance now."""
    with wg.open(path) as store:
        found = store.models()
    if as_json:
        print_json(list(found))
        return
    rows = [
        (
            m.name,
            m.health,
            m.sentence,
            number(m.performance.value if m.performance else None),
            number(m.predictions_a_day),
        )
        for m in found
    ]
    print_table(("model", "health", "what we know", "performance", "a day"), rows, right=(3, 4))


@click.command()
@click.option("--model", default=None, help="Of this model only.")
@click.option("--state", type=click.Choice(STATES), default=None, help="In this state only.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many.")
@click.option("--offset", type=click.IntRange(min=0), default=0, help="Leave out the newest so many.")
@store_option
@json_option
def incidents(
    model: str | None, state: str | None, limit: int, offset: int, path: str | None, *, as_json: bool
) -> None:
    """List the incidents, newest first; notices among them."""
    with wg.open(path) as store:
        store.known_model(model)
        found = store.incidents(model, state)
    page = list(found)[offset : offset + limit]
    if as_json:
        print_json(page)
        return
    rows = [(i.id, i.severity, i.state, i.model, day(i.onset), moment(i.raised), i.title) for i in page]
    print_table(("id", "severity", "state", "model", "onset", "raised", "title"), rows)
    if len(found) > offset + limit:
        click.echo(f"{len(found) - offset - limit} more: --offset {offset + limit}")


@click.command()
@click.argument("incident", type=int)
@store_option
@json_option
def explain(incident: int, path: str | None, *, as_json: bool) -> None:
    """Tell an incident: what, since when, how sure, how bad, why, what was ruled out, what next."""
    with wg.open(path) as store:
        found = store.explain(incident)
    if as_json:
        print_json(found)
    else:
        click.echo(story(found))


@click.command()
@store_option
@json_option
@click.option(
    "--fail-on",
    type=click.Choice(("notice", "warning", "page")),
    default=None,
    help="Exit with 1 when an incident this grave is open.",
)
def check(path: str | None, fail_on: str | None, *, as_json: bool) -> None:
    """Compact, count and judge every window that is due; raise, escalate and close incidents."""
    grades = ("notice", "warning", "page")
    with wg.open(path) as store:
        with progress_bar("windows") as moved:
            found = store.check(progress=moved)
        unsolved = [i for i in store.incidents() if i.state in ("open", "acknowledged")]
    if as_json:
        print_json(found)
    else:
        click.echo(f"{found.windows} windows judged, {len(found.incidents)} incidents changed, {len(unsolved)} open")
    if fail_on and any(grades.index(i.severity) >= grades.index(fail_on) for i in unsolved):
        raise SystemExit(1)


COMMANDS = (status, models, incidents, explain, check)
