"""A recorded run → the same function called again with what it read, or with one input changed, and what came out differently."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from watchglass.errors import StoreError
from watchglass.store.graph import take_in
from watchglass.store.lineage.models import artifact_of
from watchglass.store.runs.comparing import RunDiff, diff
from watchglass.store.runs.listing import required_run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder

TAIL: Final = 2000


@dataclass(frozen=True, slots=True)
class Rerun:
    """What became of a run that was run again.

    `run` is the new one, None where something was `missing`: then nothing was called. `same` says that it
    ended as before and every output has the version it had; `differs` names what has not, and what of code, parameters, environment and inputs is another:
    `diff` has it whole.
    """

    of: str
    run: str | None
    same: bool
    missing: tuple[str, ...]
    differs: tuple[str, ...]
    diff: RunDiff | None


def rerun(
    folder: Folder,
    engine: Engine,
    ident: str,
    inputs: Mapping[str, str] | None = None,
    params: Mapping[str, object] | None = None,
    models: Mapping[str, str] | None = None,
) -> Rerun:
    """Call the function of a run again, in a process of its own that starts in this folder.

    `inputs` puts another version of an artifact, or a file, in the place of one that was read, `params` another value in
    the place of an argument, `models` the artifact of another version of a model. Raises `UnknownName`, `BadInput`.
    """
    take_in(folder, engine)
    with engine.connect() as connection:
        required_run(connection, ident)
        others = dict(inputs or {})
        others |= dict(artifact_of(connection, model, version) for model, version in (models or {}).items())
    answer = _called(folder, {"run": ident, "inputs": others, "params": dict(params or {})})
    missing = tuple(str(one) for one in answer["missing"]) if isinstance(answer["missing"], list) else ()
    made = answer["run"]
    if not isinstance(made, str):
        return Rerun(ident, None, False, missing, (), None)
    found = diff(folder, engine, ident, made)
    differs = _differs(found)
    same = all(one.change == "same" for one in found.outputs) and found.second.status == found.first.status
    return Rerun(ident, made, same, missing, differs, found)


def _differs(found: RunDiff) -> tuple[str, ...]:
    told = [f"output {one.name!r} is {one.change}" for one in found.outputs if one.change != "same"]
    told += [f"input {one.name!r} is {one.change}" for one in found.inputs if one.change != "same"]
    for what, changes in (("code", found.code), ("parameter", found.params), ("environment", found.environment)):
        told += [f"{what} {one.name}: {one.before!r:.80} → {one.after!r:.80}" for one in changes]
    if found.first.status != found.second.status:
        told.append(f"it ended {found.second.status}, not {found.first.status}: {found.second.error}")
    return tuple(told)


def _called(folder: Folder, asked: Mapping[str, object]) -> dict[str, object]:
    """Start the process that calls the function and wait for its answer; raises `StoreError` when it ended without one."""
    with tempfile.TemporaryDirectory(prefix="watchglass-rerun-") as room:
        answer = Path(room) / "answer.json"
        told = {**asked, "store": str(folder.root.resolve()), "answer": str(answer)}
        done = subprocess.run(
            [sys.executable, "-m", "watchglass.store.runs.again"],
            input=json.dumps(told),
            text=True,
            capture_output=True,
            check=False,
            env={**os.environ, "WATCHGLASS_STORE": str(folder.root.resolve())},
        )
        if not answer.exists():
            said = (done.stderr or done.stdout).strip()[-TAIL:]
            message = f"the process that ran {asked['run']!r} again ended with {done.returncode} and no answer: {said}"
            raise StoreError(message)
        found: dict[str, object] = json.loads(answer.read_text(encoding="utf-8"))
        return found
