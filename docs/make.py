#!/usr/bin/env python3
"""The code → docs/reference/*.md: settings, commands, Python names, views, HTTP routes. `python docs/make.py` writes them anew."""

from __future__ import annotations

import inspect
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

import watchglass as wg
from watchglass.capture.runs import Run
from watchglass.cli.main import commands
from watchglass.reading import Store, create_store
from watchglass.settings import SETTINGS
from watchglass.store.asking.joins import JOINS
from watchglass.store.asking.views import DOCUMENTED
from watchglass.store.questions.answering import QUESTIONS
from watchglass.web.app import create_app
from watchglass.web.ingest import Ingest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from watchglass.store.questions.question import Parameter

REFERENCE: Final = Path(__file__).parent / "reference"
WIDTH: Final = 100
_RULED: Final = re.compile(r"^=+ [= ]+$(?:\n.+)+", re.MULTILINE)
_MADE: Final = "<!-- made by docs/make.py from the code: change it there -->\n"


def settings() -> str:
    """Write the table of settings."""
    lines = [
        "# Settings",
        "",
        "An argument of `wg.init` wins over the environment, that over the default. `watchglass config` shows what holds and why.",
        "",
        "| setting | environment | default | |",
        "|---|---|---|---|",
    ]
    for setting in SETTINGS:
        default = f"`{setting.default}`" if setting.default not in ("", None) else "–"
        lines.append(f"| {setting.name} | `{setting.env}` | {default} | {_cell(setting.sentence)} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _helps(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    context = click.Context(command, info_name=" ".join(words), max_content_width=WIDTH, terminal_width=WIDTH)
    context.help_option_names = ["-h", "--help"]
    yield words, command.get_help(context)
    if isinstance(command, click.Group):
        for name in sorted(command.commands):
            if not command.commands[name].hidden:
                yield from _helps(command.commands[name], (*words, name))


def command_page() -> str:
    """Write every command's help."""
    parts = ["# Commands\n\nExit codes: 0 fine, 1 a check failed, 2 wrong use. Where a command takes `--json`, the keys are the records' field names.\n"]  # fmt: skip
    parts += [f"## {' '.join(words)}\n\n```text\n{text}\n```\n" for words, text in _helps(commands, ("watchglass",))]
    return "\n".join(parts)


def _documented(name: str, thing: Callable[..., object], level: str = "##") -> str:
    text = inspect.cleandoc(inspect.getdoc(thing) or "")
    sentences = _RULED.sub(r"```text\n\g<0>\n```", text.split("\n>>>", maxsplit=1)[0].strip())
    return f"{level} {name}\n\n```text\n{_signature(name, thing)}\n```\n\n{sentences}\n"


def _signature(name: str, thing: Callable[..., object]) -> str:
    if isinstance(thing, type) and issubclass(thing, BaseException):
        return name
    signature = inspect.signature(thing)
    returned = "" if signature.return_annotation is inspect.Signature.empty else f" -> {signature.return_annotation}"
    parts = list(_parameters(signature))
    shown = f"{name}({', '.join(parts)}){returned}"
    if len(shown) <= WIDTH:
        return shown
    inner = "".join(f"    {part},\n" for part in parts)
    return f"{name}(\n{inner}){returned}"


def _parameters(signature: inspect.Signature) -> Iterator[str]:
    starred = False
    for item in signature.parameters.values():
        if item.name == "self":
            continue
        if item.kind is inspect.Parameter.KEYWORD_ONLY and not starred:
            starred = True
            yield "*"
        prefix = "*" if item.kind is inspect.Parameter.VAR_POSITIONAL else ""
        starred = starred or prefix == "*"
        typed = "" if item.annotation is inspect.Parameter.empty else f": {item.annotation}"
        default = "" if item.default is inspect.Parameter.empty else f" = {item.default!r}"
        yield f"{prefix}{item.name}{typed}{default}"


def _methods(kind: type) -> Iterator[str]:
    found = {name: member for base in reversed(kind.__mro__[:-1]) for name, member in vars(base).items()}
    for name, member in found.items():
        if not name.startswith("_") and inspect.isfunction(member):
            yield _documented(f"{kind.__name__}.{name}", member, "###")


def python() -> str:
    """Write every public name with its signature, and the methods of what `wg.run` and `wg.open` give."""
    parts = ["# Python\n\n`import watchglass as wg`. What is not listed here is not public.\n"]
    for name in wg.__all__:
        thing = getattr(wg, name)
        if callable(thing):
            parts.append(_documented(f"wg.{name}", thing))
    for kind, sentence in ((Run, "What `wg.run` gives."), (Store, "What `wg.open` gives.")):
        parts += [f"## {kind.__name__}\n\n{sentence}\n", *_methods(kind)]
    return "\n".join(parts)


def views() -> str:
    """Write every view that a question may use, with its columns, and what joins them."""
    parts = [
        (
            "# Views\n\nWhat `watchglass sql` and `store.sql` may ask: exactly one SELECT, DuckDB's SQL. Times are UTC. "
            "Names, types and order of the columns stay; new ones come last. [How to ask](../how-to/ask-in-sql.md).\n"
        )
    ]
    for view in DOCUMENTED.values():
        table = "\n".join(f"| {column.name} | {column.type} | {_cell(column.sentence)} |" for column in view.columns)
        parts.append(f"## {view.name}\n\n{view.sentence}\n\n| column | type | |\n|---|---|---|\n{table}\n")
    parts.append("## Joins\n\nFrom a prediction to the data and the source it came from:\n")
    parts += [f"{join.sentence}\n\n```sql\n{join.sql}\n```\n" for join in JOINS]
    return "\n".join(parts)


def questions() -> str:
    """Write the twenty questions: what each tells, with which parameters, in which columns."""
    opening = (
        "# Questions\n\n`store.ask(name, …)`, `watchglass ask NAME --parameter value`, `GET /api/v1/questions/NAME?parameter=value`: one call each,"
        " a table each. A time is a datetime, ISO 8601 text, epoch seconds, or a length before now: `7d`, `36h`, `90m`. Rows are everything"
        " recorded, the log among it; cells are what was compacted and counted, in whole days; the graph is runs, artifacts and"
        " deployments. Rows have one order; a page begins after the last row of the one before it, whatever came meanwhile:"
        " its `next` (`table.next`, `--json`, HTTP) is the `after` of the page that follows. A question of your own is saved by"
        " `store.save_question` and asked like these; with `limit` it comes by pages too, in the order that it gives itself.\n"
    )
    parts = [opening]
    parts.append(
        "| question | |\n|---|---|\n"
        + "".join(f"| [{q.name}](#{q.name}) | {_cell(q.sentence)} |\n" for q in QUESTIONS.values())
    )
    for question in QUESTIONS.values():
        given = [f"| `{p.name}` | {p.kind} | {_default(p)} | {_cell(p.sentence)} |\n" for p in question.parameters]
        columns = [f"| {name} | {_cell(sentence)} |\n" for name, sentence in question.columns]
        parts.append(
            f"## {question.name}\n\n{question.sentence} From {question.source}.\n\n| parameter | kind | default | |\n|---|---|---|---|\n{''.join(given)}"
            f"\n| column | |\n|---|---|\n{''.join(columns)}"
        )
    return "\n".join(parts)


def _default(parameter: Parameter) -> str:
    if parameter.default is not None:
        return f"`{parameter.default}`"
    return "needed" if parameter.needed else "–"


def http() -> str:
    """Write every route of the server's API, from its own OpenAPI."""
    with tempfile.TemporaryDirectory() as folder, create_store(folder) as store:
        ingest = Ingest(folder)
        try:
            described = create_app(store, ingest).openapi()
        finally:
            ingest.close()
    parts = ["# HTTP\n\nThe server's own description is at `/api/v1/openapi.json`. [How to send events](../how-to/send-from-any-language.md).\n"]  # fmt: skip
    for path, operations in sorted(described["paths"].items()):
        for method, about in operations.items():
            parts.append(_route(path, method, about))
    return "\n".join(parts)


def _route(path: str, method: str, about: Mapping[str, object]) -> str:
    text = str(about.get("description") or about.get("summary") or "").strip()
    lines = [f"## {method.upper()} {path}", "", text, ""]
    parameters = about.get("parameters")
    if isinstance(parameters, list) and parameters:
        lines += ["| parameter | in | |", "|---|---|---|"]
        lines += [
            f"| `{item['name']}` | {item['in']} | {_cell(str(item.get('description') or ('needed' if item.get('required') else '')))} |"
            for item in parameters
        ]
        lines.append("")
    answers = about.get("responses")
    if isinstance(answers, dict):
        lines += ["| answer | |", "|---|---|"]
        lines += [f"| {code} | {_cell(str(item.get('description', '')))} |" for code, item in answers.items()]
        lines.append("")
    return "\n".join(lines)


PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "settings.md": settings,
    "commands.md": command_page,
    "python.md": python,
    "views.md": views,
    "questions.md": questions,
    "http.md": http,
}


def made() -> dict[str, str]:
    """Give every page of the reference as the code says it is now."""
    return {name: _MADE + re.sub(r"\n{3,}", "\n\n", page()) for name, page in PAGES.items()}


def main() -> None:
    """Write the pages."""
    REFERENCE.mkdir(exist_ok=True)
    for name, text in made().items():
        (REFERENCE / name).write_text(text)


if __name__ == "__main__":
    main()
