"""Functions that look at a component's values before it works or after → results on its run, and what follows of a failure.

Parameters are matched by name: before, to the arguments of the call; after, to the local variables at return and to
`result`, what the function returned. A test fails when it raises or returns False.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from functools import partial
from types import MethodType
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast

from watchglass.capture import drops
from watchglass.capture.encode import shown
from watchglass.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Level = Literal["warn", "block", "quarantine"]
When = Literal["before", "after"]
LEVELS: Final = ("warn", "block", "quarantine")
RESULT: Final = "result"
_LONGEST: Final = 500
_NAMED: Final = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True, slots=True)
class Check:
    """A test of a component's values: its name, what a failure leads to, and the function."""

    name: str
    level: Level
    function: Callable[..., object]
    parameters: tuple[tuple[str, bool], ...]
    """The names of its parameters, and whether each must be given."""

    def __call__(self, *arguments: object, **keywords: object) -> object:
        """Call the function, as its own tests do."""
        return self.function(*arguments, **keywords)


Given: TypeAlias = "Check | Callable[..., object] | type"


def check(
    function: Callable[..., object] | None = None, level: Level = "warn", name: str | None = None
) -> Check | Callable[[Callable[..., object]], Check]:
    """Say what a failed test leads to: `after=[wg.check(no_nulls, "block")]`, or `@wg.check(level="block")` above it.

    "warn" records and warns; "block" raises `watchglass.errors.Blocked`, before the component's work or instead of
    handing on its result; "quarantine" marks what the run writes, of which every reader is warned.
    """
    if level not in LEVELS:
        message = f"level of a test cannot be {level!r}: {', '.join(LEVELS)} would do"
        raise BadInput(message)
    if function is None:
        return lambda made: cast("Check", check(made, level, name))
    if isinstance(function, Check):
        return replace(function, level=level, name=name or function.name)
    if not callable(function) or inspect.iscoroutinefunction(function):
        message = f"a test cannot be {shown(function):.80}: a function that is not async would do"
        raise BadInput(message)
    title = name or getattr(function, "__qualname__", repr(function)).rpartition("<locals>.")[2]
    return Check(title, level, function, _parameters(function))


def _parameters(function: Callable[..., object]) -> tuple[tuple[str, bool], ...]:
    try:
        found = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as error:
        message = f"a test cannot be {shown(function):.80}: {error}; a function of Python would do"
        raise BadInput(message) from None
    return tuple((one.name, one.default is one.empty) for one in found if one.kind in _NAMED)


def taken(given: Iterable[Given], when: When, known: Iterable[str] | None, title: str) -> tuple[Check, ...]:
    """Take what `before` and `after` of a component are given; of a class, or an object that is none, its methods named test….

    `known` are the names that values have then, None where that cannot be told. Raises `BadInput` for a parameter of
    a test that has no value, so that a test that could never run is told at once.
    """
    if callable(given) or not hasattr(given, "__iter__"):
        message = f"{when} of component {title!r} cannot be {given!r:.80}: a list of functions would do"
        raise BadInput(message)
    found = tuple(one for entry in given for one in _expanded(entry))
    names = None if known is None else frozenset(known)
    for one in found:
        for name, needed in one.parameters:
            if needed and names is not None and name not in names:
                shown_names = ", ".join(sorted(names)) or "none"
                message = (
                    f"test {one.name!r} {when} component {title!r} asks for {name!r}, which has no value then. "
                    f"There are: {shown_names}"
                )
                raise BadInput(message)
    return found


def _expanded(entry: Given) -> Iterable[Check]:
    if isinstance(entry, Check):
        return (entry,)
    kind = entry if isinstance(entry, type) else type(entry)
    names = [name for above in reversed(kind.__mro__) for name in vars(above) if name.startswith("test")]
    if names and not inspect.isroutine(entry):
        owner = entry() if isinstance(entry, type) else entry
        return tuple(_method(owner, name) for name in dict.fromkeys(names))
    return (cast("Check", check(cast("Callable[..., object]", entry))),)


def _method(owner: object, name: str) -> Check:
    """Take a method of a class of tests, which may say its level by `@wg.check`."""
    found = getattr(owner, name)
    level: Level = "warn"
    if isinstance(found, Check):
        level, found = found.level, MethodType(found.function, owner)
    return cast("Check", check(found, level, f"{type(owner).__name__}.{name}"))


def ran(checks: Iterable[Check], when: When, values: Mapping[str, object]) -> list[dict[str, object]]:
    """Run tests on values; gives name, when, level, ok and message of each, and warns of those that failed."""
    return [_result(one, when, values) for one in checks]


def _result(one: Check, when: When, values: Mapping[str, object]) -> dict[str, object]:
    told: dict[str, object] = {"name": one.name, "when": when, "level": one.level}
    lacking = [name for name, needed in one.parameters if needed and name not in values]
    if lacking:
        message: str | None = f"{lacking[0]!r} has no value here"
    else:
        message = _failure(
            partial(one.function, **{name: values[name] for name, _ in one.parameters if name in values})
        )
    if message is None:
        return {**told, "ok": True}
    drops.warn(f"test {one.name}", f"test {one.name!r} {when} a component failed: {message}")
    return {**told, "ok": False, "message": message}


def _failure(verb: Callable[[], object]) -> str | None:
    """Call a test; gives what went wrong, or None."""
    try:
        answer = verb()
    except AssertionError as error:
        return str(error)[:_LONGEST] or "an assertion failed"
    except Exception as error:  # noqa: BLE001 - whatever the user's own test raises is its failure, not the component's
        return f"{type(error).__name__}: {error}"[:_LONGEST]
    return "it returned False" if type(answer).__name__ in ("bool", "bool_") and not answer else None
