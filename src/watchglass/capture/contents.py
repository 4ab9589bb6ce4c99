"""An object of a library that keeps more than its content (a cache, a hook, an order that means nothing) → the parts that are content.

scipy's sparse matrices note in themselves whether somebody asked if they are sorted, scikit-learn's vectorizers where in
memory their stop words lie, torch's modules carry hooks and gradients, a copied booster of LightGBM lacks what its
training noted. No library is imported for a look at its objects.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import scipy.sparse as sp

    from watchglass.capture.digests import Array

Parts = tuple[object, ...]
_COMPRESSED: Final = ("csr", "csc", "bsr")
_PASSING: Final = ("_stop_words_id", "_sklearn_version")


class Unwalkable(TypeError):
    """The state of an object cannot be read, so its version is unknown."""


def derived(value: object, library: str, name: str) -> bool:
    """Say whether a value is of a class of a library, or of one made from it, without importing the library.

    >>> derived(True, "builtins", "int")
    True
    """
    return any(  # a class may have a member of the name, then its module is no text
        kind.__name__ == name and str(kind.__module__).partition(".")[0] == library for kind in type(value).__mro__[:-1]
    )


def parts(value: object) -> Parts | None:
    """Give what is content in an object, to be walked; None for one whose whole state is. Raises `Unwalkable`."""
    for library, name, take in _KNOWN:
        if derived(value, library, name):
            return take(value)
    return None


def is_state(value: object) -> bool:
    """Say whether a value is the state of a torch module: a dict of tensors by name."""
    return (
        isinstance(value, dict)
        and len(value) > 0
        and all(type(name) is str and derived(entry, "torch", "Tensor") for name, entry in value.items())
    )


def _sparse(value: object) -> Parts:
    """Sort entries and add up those of one place, in a copy: neither is content. Places are told as 64-bit numbers."""
    matrix = cast("sp.csr_array", value)
    form, kind, shape = str(matrix.format), type(value).__name__, tuple(map(int, matrix.shape))
    if form in _COMPRESSED:
        made = type(matrix)((matrix.data, matrix.indices, matrix.indptr), shape=matrix.shape, copy=False)
        if not made.has_canonical_format:
            made = made.copy()
            made.sum_duplicates()
        return (kind, shape, made.data, _places(made.indices), _places(made.indptr))
    if form == "coo":
        made = matrix.copy()
        made.sum_duplicates()
        return (kind, shape, made.data, tuple(map(_places, cast("sp.coo_array", made).coords)))
    if form == "dia":
        diagonals = cast("sp.dia_array", value)
        return (kind, shape, diagonals.data, _places(diagonals.offsets))
    if form == "dok":
        return (kind, shape, str(matrix.dtype), dict(cast("Mapping[object, object]", value).items()))
    rows = cast("sp.lil_array", value)
    return (kind, shape, str(matrix.dtype), rows.rows, rows.data)


def _places(values: object) -> Array:
    return cast("Array", values).astype("<i8")


def _estimator(value: object) -> Parts | None:
    """Take the state without the address of a list, and without the version of the library that looks at it now."""
    state = value.__getstate__()
    if not isinstance(state, dict):
        return None
    kind = type(value)
    held = {name: entry for name, entry in state.items() if name not in _PASSING}
    return ("estimator", kind.__module__, kind.__qualname__, held)


def _tensor(value: object) -> Parts:
    """Take the values as numpy sees them, or their bytes where numpy has no such type; where they lie is no content."""
    torch = sys.modules["torch"]
    tensor = torch.Tensor.detach(value)
    if tensor.layout is torch.sparse_coo:
        whole = tensor.coalesce()
        return ("sparse tensor", tuple(tensor.shape), whole.indices(), whole.values())
    if tensor.layout is not torch.strided or tensor.device.type == "meta" or tensor.is_quantized:
        message = f"a tensor ({tensor.layout}, on {tensor.device}) has no values that can be read one by one"
        raise Unwalkable(message)
    held = tensor.resolve_conj().resolve_neg().cpu().contiguous()
    try:
        array = held.numpy()
    except TypeError:  # bfloat16 and the floats of 8 bits
        array = held.flatten().view(torch.uint8).numpy()
    return ("tensor", str(tensor.dtype), tuple(tensor.shape), array)


def _module(value: object) -> Parts:
    """Take parameters, buffers, inner modules and settings; not hooks, nor whether it is training just now."""
    kind = type(value)
    held = {
        name: entry
        for name, entry in vars(value).items()
        if name != "training" and not (name.startswith("_") and "hook" in name) and name != "_compiled_call_impl"
    }
    return ("module", kind.__module__, kind.__qualname__, held)


def _booster(value: object) -> Parts:
    """Take a booster of LightGBM as the text that it writes of itself."""
    text = cast("Callable[..., str]", value.model_to_string)(num_iteration=-1)  # type: ignore[attr-defined]  # recognised by name
    best = getattr(value, "best_iteration", 0)
    return ("booster", text, max(best, 0))  # 0 or below: all are used


_KNOWN: Final[tuple[tuple[str, str, Callable[[object], Parts | None]], ...]] = (
    ("sklearn", "BaseEstimator", _estimator),
    ("scipy", "_spbase", _sparse),
    ("torch", "Tensor", _tensor),
    ("torch", "Module", _module),
    ("lightgbm", "Booster", _booster),
)
