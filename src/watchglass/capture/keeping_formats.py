"""A value → the safe format it is kept in, and how its library writes that: what is read back runs nothing that its writer chose.

====================== =========================== ===========================================================
what                   format                      read back as
====================== =========================== ===========================================================
frame, series          pandas.parquet, …           a frame of the library that wrote it, else of one that is there
numpy array            npy                         an array
scipy sparse matrix    sparse.npz                  the same
text, bytes            txt, bin                    the same
JSON                   json                        the same; tuples as lists
file                   file                        its path
folder                 tar                         a folder
torch state, tensor    safetensors (else torch)    the state: a dict of tensors; of a module its state_dict
xgboost                xgboost.<class>.json        the same class
lightgbm               lightgbm.txt                a booster
scikit-learn           skops                       the estimator
anything, by name      pickle                      only with `allow_pickle=True`
====================== =========================== ===========================================================

No library is imported that the value did not bring, but for those that only write (pyarrow, skops, safetensors).
"""

from __future__ import annotations

import json
import os
import sys
import tarfile
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, cast

from watchglass.capture import tables
from watchglass.capture.columns import is_array
from watchglass.capture.contents import derived, is_state
from watchglass.capture.digests import hasher
from watchglass.capture.keeping_place import BLOCK
from watchglass.capture.states import json_text
from watchglass.errors import BadInput, MissingLibrary

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    import pandas as pd
    import polars as pl

    from watchglass.capture.digests import Array

WOULD_DO: Final = (
    "frames, arrays, JSON, texts, bytes, files, folders, torch states and models of scikit-learn, xgboost and lightgbm are kept safely; "
    "wg.save(…, format='pickle') keeps any value, to be loaded with allow_pickle=True"
)
_PACKAGES: Final = {"sklearn": "scikit-learn"}
_TENSOR: Final = "tensor"
"""The name of a tensor that is kept alone."""


@dataclass(frozen=True, slots=True)
class Form:
    """A format by name, what writes a value to a path, and the ending that the library wants of it."""

    name: str
    write: Callable[[str], object]
    ending: str = ""


def library(name: str, to: str) -> ModuleType:
    """Import a library that a format needs; raises `MissingLibrary` with the line that installs it."""
    top = name.partition(".")[0]
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        package = _PACKAGES.get(top, top)
        message = f"to {to}, install {package}:  pip install {package}"
        raise MissingLibrary(message, name=name) from error


def form(value: object, wanted: str | None = None) -> Form:
    """Say how a value in memory is kept; raises `BadInput` where no safe format has room for it, `MissingLibrary`."""
    if wanted == "pickle":
        return Form("pickle", lambda path: _pickle(value, path))
    if wanted is not None:
        message = f"format cannot be {wanted!r}: what a value is says its format, 'pickle' alone is chosen by name"
        raise BadInput(message)
    for find in (_frame, _array, _plain, _torch, _boosted, _estimator):
        found = find(value)
        if found is not None:
            return found
    message = f"a {type(value).__module__}.{type(value).__name__} has no safe format: {WOULD_DO}"
    raise BadInput(message)


def _frame(value: object) -> Form | None:
    found = tables.taken(value)
    if found is None:
        return None
    value = tables.native(value)
    name = tables.library(value)
    series = ".series" if found.series else ""
    form = {"pandas": "pandas", "polars": "polars"}.get(name, "arrow") + series + ".parquet"
    return Form(form, lambda path: _WRITE[name](value, path, series=bool(series)), ".parquet")


def _pandas(value: object, path: str, *, series: bool) -> None:
    frame = cast("pd.Series", value).to_frame() if series else cast("pd.DataFrame", value)
    library("pyarrow", "keep a frame of pandas")
    try:
        frame.to_parquet(path, engine="pyarrow")
    except (TypeError, ValueError, sys.modules["pyarrow"].ArrowException) as error:
        message = f"this frame of pandas cannot be written as Parquet: {str(error).splitlines()[0]}"
        raise BadInput(message) from error


def _polars(value: object, path: str, *, series: bool) -> None:
    frame = cast("pl.Series", value).to_frame() if series else cast("pl.DataFrame", value)
    try:
        frame.write_parquet(path)
    except sys.modules["polars"].exceptions.PolarsError as error:
        message = f"this frame of polars cannot be written as Parquet: {str(error).splitlines()[0]}"
        raise BadInput(message) from error


def _arrow(value: object, path: str, *, series: bool) -> None:
    pa = sys.modules["pyarrow"]
    if series:
        value = pa.table({"": value})
    table = value if isinstance(value, pa.Table) else pa.Table.from_batches([value])
    try:
        library("pyarrow.parquet", "keep an Arrow table").write_table(table, path)
    except pa.ArrowException as error:
        message = f"this Arrow table cannot be written as Parquet: {str(error).splitlines()[0]}"
        raise BadInput(message) from error


_WRITE: Final = {"pandas": _pandas, "polars": _polars, "pyarrow": _arrow}


def _array(value: object) -> Form | None:
    if is_array(value):
        array, kind = cast("Array", value), type(value).__name__
        if kind == "MaskedArray":
            message = "a masked array has no safe format that keeps its mask: keep array.filled() and array.mask"
            raise BadInput(message)
        return Form("npy", lambda path: _npy(array, path))
    if derived(value, "scipy", "_spbase"):
        return Form("sparse.npz", lambda path: _npz(value, path))
    return None


def _npy(array: Array, path: str) -> None:
    with open(path, "wb") as file:  # noqa: PTH123 - text paths here
        try:
            sys.modules["numpy"].lib.format.write_array(file, array, allow_pickle=False)
        except ValueError as error:  # Python objects, which only a pickle could hold
            message = f"an array of {array.dtype.str} holds Python objects, which are kept in no safe format: a frame, or a list of JSON would do"
            raise BadInput(message) from error


def _npz(value: object, path: str) -> None:
    if getattr(value, "format", "") in ("lil", "dok"):
        value = value.tocsr()  # type: ignore[attr-defined]  # recognised by name
    with open(path, "wb") as file:  # noqa: PTH123 - text paths here
        sys.modules["scipy.sparse"].save_npz(file, value)


def _plain(value: object) -> Form | None:
    if isinstance(value, str):
        return Form("txt", lambda path: _bytes(value.encode("utf-8", "surrogatepass"), path))
    if isinstance(value, (bytes, bytearray)):
        return Form("bin", lambda path: _bytes(bytes(value), path))
    if json_text(value) is not None:
        return Form("json", lambda path: _bytes(json.dumps(value, ensure_ascii=True).encode(), path))
    return None


def _bytes(data: bytes, path: str) -> None:
    with open(path, "wb") as file:  # noqa: PTH123 - text paths here
        file.write(data)


def _torch(value: object) -> Form | None:
    if is_state(value):
        state = dict(cast("dict[str, object]", value))
    elif derived(value, "torch", "Module"):
        state = dict(value.state_dict())  # type: ignore[attr-defined]  # recognised by name
    elif derived(value, "torch", "Tensor"):
        state = {_TENSOR: value.detach()}  # type: ignore[attr-defined]  # likewise
    else:
        return None
    if find_spec("safetensors") is None:
        return Form("torch", lambda path: sys.modules["torch"].save(state, path))
    whole = {name: tensor.contiguous().clone() for name, tensor in state.items()}  # type: ignore[attr-defined]  # two that share memory are refused
    return Form("safetensors", lambda path: import_module("safetensors.torch").save_file(whole, path))


def _boosted(value: object) -> Form | None:
    for name in ("Booster", "XGBModel"):
        if derived(value, "xgboost", name):
            form = f"xgboost.{type(value).__name__}.json"
            return Form(form, cast("Callable[[str], object]", value.save_model), ".json")  # type: ignore[attr-defined]  # recognised by name
    if derived(value, "lightgbm", "LGBMModel"):
        value = value.booster_  # type: ignore[attr-defined]  # likewise
    if derived(value, "lightgbm", "Booster"):
        return Form("lightgbm.txt", cast("Callable[[str], object]", value.save_model))  # type: ignore[attr-defined]  # likewise
    return None


def _estimator(value: object) -> Form | None:
    if not derived(value, "sklearn", "BaseEstimator"):
        return None
    skops = library("skops.io", "keep an estimator of scikit-learn (or keep it with format='pickle')")
    return Form("skops", lambda path: skops.dump(value, path))


def _pickle(value: object, path: str) -> None:
    import pickle  # noqa: PLC0415 - only where the user calls for it by name

    with open(path, "wb") as file:  # noqa: PTH123 - text paths here
        pickle.dump(value, file, protocol=5)


def copy_file(source: str, target: str) -> str:
    """Copy a file; gives the version of what was copied, as `file_content` would: it may have changed since that looked."""
    into = hasher("file")
    with open(source, "rb", buffering=0) as file, open(target, "wb") as copy:  # noqa: PTH123 - text paths here
        while block := file.read(BLOCK):
            into.update(block)
            copy.write(block)
    return into.hexdigest()


def pack_folder(source: str, target: str) -> None:
    """Write a folder as an archive that is equal wherever its content is: sorted, without owners and times.

    Raises `BadInput` for a folder that holds a link or anything that is neither file nor folder.
    """
    with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as archive:
        for folder, inner, names in os.walk(source):
            inner.sort()
            for name in sorted([*inner, *names]):
                full = os.path.join(folder, name)  # noqa: PTH118 - text paths here
                _pack(archive, full, os.path.relpath(full, source))


def _pack(archive: tarfile.TarFile, full: str, name: str) -> None:
    is_folder = os.path.isdir(full)  # noqa: PTH112 - text paths here
    if os.path.islink(full) or not (is_folder or os.path.isfile(full)):  # noqa: PTH113, PTH114 - likewise
        message = f"a folder that is kept cannot hold {full!r}, which is a link or no file: keep what it points to"
        raise BadInput(message)
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = (tarfile.DIRTYPE, 0o755) if is_folder else (tarfile.REGTYPE, 0o644)
    if is_folder:
        archive.addfile(entry)
        return
    with open(full, "rb") as file:  # noqa: PTH123 - likewise
        entry.size = os.fstat(file.fileno()).st_size
        archive.addfile(entry, file)
