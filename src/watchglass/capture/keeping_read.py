"""Kept bytes and their format → the value again, by the library whose format it is; nothing in the bytes is run."""

from __future__ import annotations

import json
import os
import shutil
import tarfile
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, cast

from watchglass.capture.keeping_formats import library
from watchglass.errors import BadInput, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

SAMPLE: Final = "sample."
_ENGINES: Final = {"pandas": "pandas", "polars": "polars", "arrow": "pyarrow"}


def read(
    path: str,
    form: str,
    *,
    to: str | None = None,
    allow_pickle: bool = False,
    trusted: Sequence[str] = (),
) -> object:
    """Read kept bytes. A file or folder goes to `to`; without it a file is given as the path where it lies, not to be changed.

    Raises `BadInput` for a pickle that was not called for, for a folder without `to`, for an estimator with types that
    neither skops nor `trusted` knows; `MissingLibrary`; `StoreError` for bytes that are not what their format says.
    """
    form = form.removeprefix(SAMPLE)
    kind = form.rpartition(".")[2]
    if kind == "pickle":
        return _pickle(path, allowed=allow_pickle)
    if kind in ("file", "tar"):
        return _file(path, to) if kind == "file" else _folder(path, to)
    if form == "skops":
        return _skops(path, trusted)
    reader = _xgboost(form) if form.startswith("xgboost.") else _READERS.get(form if kind == "txt" else kind)
    if reader is None:
        message = f"the format {form!r} of {path!r} is not known here: a newer watchglass may have written it"
        raise StoreError(message)
    try:
        return _frame(path, form) if kind == "parquet" else reader(path)
    except (ValueError, OSError) as error:
        message = f"{path!r} cannot be read as {form}: {type(error).__name__}: {error}"
        raise StoreError(message) from error


def _frame(path: str, form: str) -> object:
    """Read with the library that wrote it, else with one that is here."""
    wrote = _ENGINES.get(form.partition(".")[0], "pyarrow")
    order = sorted(("pandas", "polars", "pyarrow"), key=lambda name: name != wrote)
    name = next((name for name in order if find_spec(name)), wrote)
    engine = library(name, "read a frame")
    if name == "pyarrow":
        table = library("pyarrow.parquet", "read a frame").ParquetFile(path).read()
        return table.column(0) if ".series." in form else table
    if name == "pandas":
        frame = engine.read_parquet(path, engine="pyarrow")
        return frame.iloc[:, 0] if ".series." in form else frame
    frame = engine.read_parquet(path)
    return frame.to_series() if ".series." in form else frame


def _text(path: str) -> str:
    return _bytes(path).decode("utf-8", "surrogatepass")


def _bytes(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123 - text paths here
        return file.read()


def _tensors(path: str, load: Callable[[str], Mapping[str, object]]) -> object:
    state = load(path)
    return state["tensor"] if list(state) == ["tensor"] else state


def _safetensors(path: str) -> object:
    library("safetensors", "read tensors")
    return _tensors(path, library("safetensors.torch", "read tensors").load_file)


def _torch(path: str) -> object:
    torch = library("torch", "read tensors")
    return _tensors(path, lambda place: cast("Mapping[str, object]", torch.load(place, weights_only=True)))


_READERS: Final[Mapping[str, Callable[[str], object]]] = {
    "parquet": lambda path: _frame(path, ""),
    "npy": lambda path: library("numpy", "read an array").load(path, allow_pickle=False),
    "npz": lambda path: library("scipy.sparse", "read a sparse matrix").load_npz(path),
    "txt": _text,
    "bin": _bytes,
    "json": lambda path: json.loads(_bytes(path)),
    "safetensors": _safetensors,
    "torch": _torch,
    "lightgbm.txt": lambda path: library("lightgbm", "read a booster").Booster(model_file=path),
}


def _xgboost(form: str) -> Callable[[str], object]:
    """Make an empty model of the class that was written, of xgboost's own alone, and have it read."""
    xgboost = library("xgboost", "read a booster")
    kind = getattr(xgboost, form.split(".")[1], None)
    if not (isinstance(kind, type) and issubclass(kind, (xgboost.Booster, xgboost.XGBModel))):
        message = f"xgboost has no model {form.split('.')[1]!r} (of format {form!r})"
        raise StoreError(message)

    def load(path: str) -> object:
        made = kind()
        with open(path, "rb") as file:  # noqa: PTH123 - text paths here
            made.load_model(bytearray(file.read()))
        return made

    return load


def _skops(path: str, trusted: Sequence[str]) -> object:
    skops = library("skops.io", "read an estimator of scikit-learn")
    strange = sorted(set(skops.get_untrusted_types(file=path)) - set(trusted))
    if strange:
        message = f"the estimator in {path!r} holds types that skops does not know as harmless: {', '.join(strange)}. If you trust them: trusted={strange!r}"
        raise BadInput(message)
    return skops.load(path, trusted=list(trusted))


def _pickle(path: str, *, allowed: bool) -> object:
    if not allowed:
        message = (
            f"{path!r} is a pickle, which runs whatever its writer put into it. If you trust who wrote it: "
            "allow_pickle=True (or format='pickle')"
        )
        raise BadInput(message)
    import pickle  # noqa: PLC0415 - only where the user calls for it by name

    with open(path, "rb") as file:  # noqa: PTH123 - text paths here
        return pickle.load(file)  # noqa: S301 - likewise


def _file(path: str, to: str | None) -> str:
    if to is None:
        return path
    shutil.copyfile(path, to)
    return to


def _folder(path: str, to: str | None) -> str:
    """Unpack into a folder that is empty or not there; raises `BadInput` for another, `StoreError` for what is no file below it."""
    if to is None:
        message = "a folder is read into a folder: to='some/folder', empty or not there yet, would do"
        raise BadInput(message)
    if os.path.exists(to) and (not os.path.isdir(to) or os.listdir(to)):  # noqa: PTH110, PTH112, PTH208 - text paths here
        message = f"{to!r} holds something: name a folder that is empty or not there yet"
        raise BadInput(message)
    os.makedirs(to, exist_ok=True)  # noqa: PTH103 - text paths here
    with tarfile.open(path, "r:") as archive:
        for entry in archive:
            parts = entry.name.split("/")
            if not (entry.isreg() or entry.isdir()) or entry.name.startswith("/") or ".." in parts:
                message = (
                    f"{path!r} holds {entry.name[:80]!r}, which is no file below its folder: nothing more was unpacked"
                )
                raise StoreError(message)
            target = os.path.join(to, *parts)  # noqa: PTH118 - text paths here
            if entry.isdir():
                os.makedirs(target, exist_ok=True)  # noqa: PTH103 - likewise
                continue
            source = archive.extractfile(entry)
            if source is not None:
                with source, open(target, "wb") as file:  # noqa: PTH123 - likewise
                    shutil.copyfileobj(source, file)
    return to
