"""Any Python object → a digest of its state, found by walking it as pickle would, but never by hashing a pickle.

Dicts and sets are taken in sorted order, arrays by dtype, shape and bytes, functions by their code, objects of a few
libraries by their content (contents.py), everything else by what `__reduce_ex__` says it is made of. An object seen again counts as its content; a cycle as the way back.
"""

from __future__ import annotations

import copyreg
import json
from collections import OrderedDict
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Final, cast

from watchglass.capture import columns, contents, tables
from watchglass.capture.columns import is_array
from watchglass.capture.contents import Unwalkable
from watchglass.capture.digests import Hash, hasher, put, put_array, put_digests, put_masked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from watchglass.capture.digests import Array

_PROTOCOL: Final = 4


def json_text(value: object) -> str | None:
    """Write a value that is JSON through and through as canonical text; None for any other.

    >>> json_text({"b": 1, "a": [True, None]}), json_text({1: "a"})
    ('{"a":[true,null],"b":1}', None)
    """
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True) if _is_json(value) else None
    except (ValueError, RecursionError):  # an integer of thousands of digits; too deep, or holding itself
        return None


def _is_json(value: object) -> bool:
    kind = type(value)
    if kind is dict:
        return all(type(key) is str and _is_json(entry) for key, entry in cast("dict[object, object]", value).items())
    if kind is list or kind is tuple:
        return all(_is_json(entry) for entry in cast("list[object]", value))
    return value is None or kind in (bool, int, float, str)


def state_digest(value: object) -> bytes:
    """Walk a value; raises `Unwalkable`, or what the value's own methods raise."""
    return _Walk().digest(value)


class _Walk:
    """One walk: the objects under way (for cycles) and those done (kept alive, since their addresses are the keys)."""

    def __init__(self) -> None:
        self._under_way: dict[int, int] = {}
        self._done: dict[int, tuple[object, bytes]] = {}

    def digest(self, value: object) -> bytes:
        """Give the digest of a value and of all that it is made of."""
        leaf = _LEAVES.get(type(value))
        into = hasher("state")
        if leaf is not None:
            put(into, type(value).__name__, leaf(value))
            return into.digest()
        address = id(value)
        if address in self._done:
            return self._done[address][1]
        if address in self._under_way:
            put(into, "back", str(self._under_way[address]))
            return into.digest()
        self._under_way[address] = len(self._under_way)
        try:
            self._put(into, value)
        finally:
            del self._under_way[address]
        found = into.digest()
        self._done[address] = (value, found)
        return found

    def _put(self, into: Hash, value: object) -> None:
        kind = type(value)
        known = _CONTAINERS.get(kind)
        if known is not None:
            known(self, into, value)
        elif isinstance(value, type):
            put(into, "type", value.__module__, value.__qualname__)
        elif is_array(value):
            self._put_array(into, cast("Array", value))
        elif kind.__module__ == "numpy" and hasattr(value, "dtype") and hasattr(value, "tobytes"):
            put(into, "scalar", cast("Array", value).dtype.str, cast("Array", value).tobytes())
        elif tables.library(value) == "numpy" and kind.__name__ == "ufunc":
            put(into, "ufunc", str(getattr(value, "__name__", value)))
        elif not self._put_frame(into, value) and not self._put_parts(into, value):
            self._put_object(into, value)

    def _put_array(self, into: Hash, array: Array) -> None:
        kind = type(array).__name__
        put(into, "array", "ndarray" if kind == "memmap" else kind)  # where it lies is no content
        if kind == "MaskedArray":
            put_masked(into, array, self.digest)
        else:
            put_array(into, array, self.digest)

    def _put_frame(self, into: Hash, value: object) -> bool:
        """Take in a data frame inside an object by its content; says whether it was one."""
        frame = tables.taken(value)
        if frame is None:
            return False
        put(into, "frame", columns.frame_digest(frame, self.digest))
        return True

    def _put_parts(self, into: Hash, value: object) -> bool:
        """Take in what is content in an object that keeps more; says whether it was one."""
        found = contents.parts(value)
        if found is None:
            return False
        put(into, "parts")
        put_digests(into, map(self.digest, found))
        return True

    def put_sequence(self, into: Hash, value: object) -> None:
        """Take in a list or a tuple, in order."""
        put(into, type(value).__name__)
        put_digests(into, map(self.digest, cast("Iterable[object]", value)))

    def put_set(self, into: Hash, value: object) -> None:
        """Take in a set, sorted."""
        put(into, type(value).__name__)
        put_digests(into, sorted(map(self.digest, cast("Iterable[object]", value))))

    def put_dict(self, into: Hash, value: object) -> None:
        """Take in a dict, sorted."""
        put(into, "dict")
        self._put_pairs(into, cast("dict[object, object]", value).items(), ordered=False)

    def _put_pairs(self, into: Hash, pairs: Iterable[tuple[object, object]], *, ordered: bool) -> None:
        found: Iterable[bytes] = (self.digest(key) + self.digest(entry) for key, entry in pairs)
        put_digests(into, found if ordered else sorted(found))

    def put_function(self, into: Hash, value: object) -> None:
        """Take in a function: its name, code, defaults and what it closes over."""
        function = cast("FunctionType", value)
        put(into, "function", function.__module__ or "", function.__qualname__)
        cells = [cell.cell_contents for cell in function.__closure__ or ()]
        put_digests(into, map(self.digest, (function.__code__, function.__defaults__, function.__kwdefaults__, cells)))

    def put_code(self, into: Hash, value: object) -> None:
        """Take in bytecode, its constants and the names it uses."""
        code = cast("CodeType", value)
        put(into, "code", code.co_code, *code.co_names)
        put_digests(into, map(self.digest, code.co_consts))

    def put_builtin(self, into: Hash, value: object) -> None:
        """Take in a function of a library by its name, and what it is bound to."""
        function = cast("BuiltinFunctionType", value)
        owner = function.__self__
        put(into, "builtin", function.__module__ or "", function.__qualname__)
        if owner is not None and not isinstance(owner, ModuleType):
            put_digests(into, [self.digest(owner)])

    def _put_object(self, into: Hash, value: object) -> None:
        kind = type(value)
        if kind.__name__ == "LazyFrame":  # its state is the plan, not the rows
            message = f"a {kind.__name__} has no content until it is collected"
            raise Unwalkable(message)
        reduce = cast("Callable[[object], object] | None", copyreg.dispatch_table.get(kind))
        made = reduce(value) if reduce is not None else value.__reduce_ex__(_PROTOCOL)
        put(into, "object", str(kind.__module__), kind.__qualname__)
        if isinstance(made, str):
            put(into, "global", made)
            return
        function, arguments, *rest = cast("tuple[object, ...]", made)
        state, items, pairs, setter = (*rest, None, None, None, None)[:4]
        put_digests(into, map(self.digest, (function, arguments, state, setter)))
        put_digests(into, map(self.digest, cast("Iterator[object]", items or ())))
        self._put_pairs(into, cast("Iterator[tuple[object, object]]", pairs or ()), ordered=kind is OrderedDict)

    def put_module(self, into: Hash, value: object) -> None:
        """Take in a module by its name."""
        put(into, "module", cast("ModuleType", value).__name__)


def _integer(value: object) -> bytes:
    number = cast("int", value)
    return number.to_bytes((number.bit_length() + 8) // 8, "little", signed=True)


_LEAVES: Final[dict[type, Callable[[object], bytes | str]]] = {
    type(None): lambda _: b"",
    type(...): lambda _: b"",
    type(NotImplemented): lambda _: b"",
    bool: lambda value: b"1" if value else b"0",
    int: _integer,
    float: lambda value: cast("float", value).hex(),
    complex: repr,
    str: lambda value: cast("str", value),
    bytes: lambda value: cast("bytes", value),
    bytearray: lambda value: bytes(cast("bytearray", value)),
}
_CONTAINERS: Final[dict[type, Callable[[_Walk, Hash, object], None]]] = {
    list: _Walk.put_sequence,
    tuple: _Walk.put_sequence,
    set: _Walk.put_set,
    frozenset: _Walk.put_set,
    dict: _Walk.put_dict,
    FunctionType: _Walk.put_function,
    CodeType: _Walk.put_code,
    BuiltinFunctionType: _Walk.put_builtin,
    ModuleType: _Walk.put_module,
}
