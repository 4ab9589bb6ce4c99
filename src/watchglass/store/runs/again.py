"""A recorded run, in a process of its own → its function called again with what it read, recorded as another run.

It is started by rerun.py in the folder from which the function's module can be imported. What is asked comes as JSON on
stdin; the answer goes into the file that it names, as the function may print.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
from collections import deque
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from watchglass.capture import recorder
from watchglass.capture.artifacts import declared
from watchglass.capture.runs import run as recorded
from watchglass.errors import WatchglassError
from watchglass.store import catalog as c
from watchglass.store.artifacts.known import artifact
from watchglass.store.folder import prepare
from watchglass.store.graph import take_in
from watchglass.store.runs.one import RunRecord, Touched, run
from watchglass.store.transactions import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder


def main() -> None:
    """Answer one question."""
    asked = json.load(sys.stdin)
    folder = prepare(asked["store"])
    engine = connect(folder)
    try:
        answer = again(folder, engine, asked)
    finally:
        engine.dispose()
    Path(asked["answer"]).write_text(json.dumps(answer), encoding="utf-8")


def again(folder: Folder, engine: Engine, asked: Mapping[str, object]) -> dict[str, object]:
    """Call the function of a run again; gives the new run, and what is missing where it could not be called."""
    told = run(folder, engine, str(asked["run"]), predictions=False)
    function, lacks = function_of(told)
    if function is None:
        return {"run": None, "missing": lacks}
    versions, values = (dict(part) if isinstance(part := asked[name], dict) else {} for name in ("inputs", "params"))
    arguments, missing = _arguments(folder, engine, told, function, (versions, values))
    if missing:
        return {"run": None, "missing": missing}
    recorder.init(store=folder.root)  # after the import: a module may say where it records
    around = recorded("rerun", params={"of": told.id})
    error: str | None = None
    try:
        with around:
            _exhaust(function(*arguments.args, **arguments.kwargs))
    except Exception as fault:  # noqa: BLE001 - whatever the function raises is its outcome
        error = f"{type(fault).__name__}: {fault}"
    recorder.flush()
    take_in(folder, engine)
    r = c.runs.c
    query = sa.select(r.id).where(r.parent == around.id, r.component == told.component).order_by(r.started).limit(1)
    with engine.connect() as connection:
        made = connection.execute(query).scalar()
    nothing = [f"{told.code['function']} recorded no run: {error or 'is it a component still?'}"]
    return {"run": made, "missing": [] if made else nothing}


def function_of(told: RunRecord) -> tuple[Callable[..., object] | None, list[str]]:
    """Import the function of a run; gives why not, where it cannot be."""
    name = str(told.code.get("function") or "")
    if not name:
        return None, [f"run {told.id} was a block of code, not a function of a component: there is nothing to call"]
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        module = ".".join(parts[:cut])
        if module == "__main__" or "<locals>" in parts:
            break
        try:
            found: object = import_module(module)
        except ModuleNotFoundError as error:
            if error.name is not None and (module == error.name or module.startswith(f"{error.name}.")):
                continue
            return None, [f"module {module}: {error}"]
        except Exception as error:  # noqa: BLE001 - a module may raise anything
            return None, [f"module {module}: {type(error).__name__}: {error}"]
        for part in parts[cut:]:
            found = getattr(found, part, None)
        if callable(found):
            return found, []
        return None, [f"function {name}: {module} has none"]
    where = "it was in a script, a prompt or another function" if parts[0] == "__main__" or "<locals>" in parts else ""
    return None, [f"function {name}: it cannot be imported from {str(Path.cwd())!r}{f', {where}' if where else ''}"]


def _arguments(
    folder: Folder,
    engine: Engine,
    told: RunRecord,
    function: Callable[..., object],
    changed: tuple[Mapping[str, object], Mapping[str, object]],
) -> tuple[inspect.BoundArguments, list[str]]:
    """Put together what the function was called with: what it read, by name; gives what is missing."""
    versions, values = changed
    signature = inspect.signature(function)
    reads = {one.name: one for one in told.reads}
    given: dict[str, object] = {}
    missing: list[str] = []
    for name, parameter in signature.parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if name in values:
            given[name] = values[name]
        elif name in reads:
            try:
                given[name] = _value(folder, engine, reads[name], versions.get(name))
            except (WatchglassError, OSError) as error:
                missing.append(f"input {name!r}: {error}")
        elif name in told.params:
            given[name] = told.params[name]
        elif parameter.default is parameter.empty:
            missing.append(f"argument {name!r}: it was not recorded; name it: --param {name}=VALUE")
    unknown = {*versions, *values} - {*signature.parameters, *reads}
    missing += [f"{name!r}: {told.component} takes no such input or parameter" for name in sorted(unknown)]
    bound = signature.bind_partial()
    bound.arguments.update({name: given[name] for name in signature.parameters if name in given})
    return bound, missing


def _value(folder: Folder, engine: Engine, read: Touched, other: object) -> object:
    """Give what was read again: the kept bytes, else the file, where it is as it was. Raises what says why not."""
    if read.version is None and other is None:
        message = "only its name was recorded, not its content"
        raise OSError(message)
    if other is not None and Path(str(other)).is_file():
        return str(other)
    known = artifact(folder, engine, read.name, str(other) if other is not None else read.version)
    if known.policy == "sample":
        message = f"only a sample of version {known.version} is kept"
        raise OSError(message)
    if known.kept is None and known.path is not None:
        found = declared(Path(known.path)).version if Path(known.path).exists() else None
        if found == known.version:
            return known.path
        message = f"file {known.path!r} is {'gone' if found is None else f'another version, {found}'}; version {known.version} was read"
        raise OSError(message)
    return known.load()


def _exhaust(result: object) -> None:
    """Let a coroutine or a generator go on to its end."""
    if inspect.isgenerator(result):
        deque(result, maxlen=0)
    elif inspect.iscoroutine(result):
        asyncio.run(result)
    elif inspect.isasyncgen(result):
        asyncio.run(_drain(result))


async def _drain(steps: AsyncIterator[object]) -> None:
    async for _ in steps:
        pass


if __name__ == "__main__":
    main()
