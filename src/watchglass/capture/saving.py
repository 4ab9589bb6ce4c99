"""A thing and a name → its bytes kept in the store, once, in a safe format, and a write of the run around recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from watchglass.capture import recorder
from watchglass.capture.artifacts import given
from watchglass.capture.keeping import keep as put
from watchglass.capture.runs import current_run, run
from watchglass.errors import BadInput

if TYPE_CHECKING:
    from watchglass.capture.runs import Run


def save(thing: object, name: str, *, keep: str = "full", format: str | None = None) -> str:  # noqa: A002 - the settled name
    """Keep a thing under a name and record that the run around wrote it; gives the version of its content.

    Frames, arrays, JSON, texts, bytes, models and folders (as a `Path`) are kept in safe formats, a text that is an
    existing file's path is that file. `format="pickle"` keeps any value, and is loaded only with `allow_pickle=True`.
    `keep="sample"` keeps at most 1,000 rows. Without a run around, a run `save` is recorded. The same content is kept
    once. Raises `BadInput` for what has no safe format or no room (settings artifact_run_bytes, artifact_store_bytes),
    `MissingLibrary`, `OSError`.
    """
    if keep not in ("full", "sample"):
        message = (
            f"keep cannot be {keep!r}: 'full' or 'sample' would do; run.write(thing, name, keep=…) records the rest"
        )
        raise BadInput(message)
    if recorder.current().disabled:
        message = f"nothing is recorded (setting disabled), so {name!r} cannot be saved"
        raise BadInput(message)
    around = current_run()
    if around is not None:
        return _save(around, thing, name, keep, format)
    with run("save") as made:
        return _save(made, thing, name, keep, format)


def _save(made: Run, thing: object, name: str, keep: str, wanted: str | None) -> str:
    artifact = given(thing, name)
    if artifact.version is None:
        message = f"{name!r} cannot be saved: the content of this {type(thing).__name__} cannot be read"
        raise BadInput(message)
    version = made.write(put(artifact, thing, keep, made.around, wanted))
    return version or artifact.version
