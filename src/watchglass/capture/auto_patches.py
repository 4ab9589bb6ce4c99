"""A library's function or method → the same, each outermost call of which is recorded, until it is put back."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial, wraps
from threading import current_thread
from types import FunctionType
from typing import TYPE_CHECKING, Final, cast

from watchglass.capture import drops, recorder
from watchglass.capture.runs import Run, current_run, surroundings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

OWN_BUDGET: Final = (2.0, 500_000_000)
"""Seconds and bytes that capture may take for a call that is a run of its own."""
_OUTSIDE: Final = object()
_WORKER: Final = "(worker)"
"""How the name of a thread ends that a pool of multiprocessing, and so joblib, has started."""
_within: ContextVar[object] = ContextVar("watchglass_auto", default=_OUTSIDE)
"""The run that a recorded call is in: calls inside it that are in the same run belong to it."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call under way: the run that records it, and what it was given."""

    run: Run
    arguments: tuple[object, ...]
    keywords: Mapping[str, object]
    alone: bool
    """Whether the run is the call's own."""

    def argument(self, place: int, *names: str) -> object:
        """Give an argument by its place or one of its names; None when it was not given."""
        if place < len(self.arguments):
            return self.arguments[place]
        return next((self.keywords[name] for name in names if name in self.keywords), None)


@dataclass(frozen=True, slots=True)
class Recording:
    """What is recorded of a function: before its call, after it, and whether it is a run of its own outside of one."""

    title: Callable[[tuple[object, ...]], str]
    before: Callable[[Call], None]
    after: Callable[[Call, object], None]
    alone: bool = True


class Patches:
    """What was put in place of a library's own, so that it can be put back."""

    def __init__(self) -> None:
        self._made: list[tuple[object, str, object, object]] = []
        self._known: set[tuple[int, str]] = set()
        self._undone: list[Callable[[], None]] = []
        self.on = True
        self._under_way: set[object] = set()

    def put(self, owner: object, name: str, recording: Recording) -> None:
        """Have a function of a module, or a method of a class, recorded; what is not there is passed over."""
        original = vars(owner).get(name)
        if isinstance(original, FunctionType):
            made: object = self._function(original, recording)
        elif hasattr(type(original), "__get__") and not isinstance(
            original, (property, classmethod, staticmethod, type)
        ):
            made = _Described(self, original, recording)
        elif callable(original) and not isinstance(original, type):
            made = self._function(cast("Callable[..., object]", original), recording)
        else:
            return
        setattr(owner, name, made)
        self._made.append((owner, name, original, made))
        self._known.add((id(owner), name))

    def has(self, owner: object, name: str) -> bool:
        """Say whether a function is recorded already."""
        return (id(owner), name) in self._known  # the owners are kept alive here

    def later(self, verb: Callable[[], None]) -> None:
        """Have something done when all is put back."""
        self._undone.append(verb)

    def _function(self, original: Callable[..., object], recording: Recording) -> Callable[..., object]:
        @wraps(original)
        def call(*arguments: object, **keywords: object) -> object:
            return self.called(recording, original, arguments, arguments, keywords)

        return call

    def called(
        self,
        recording: Recording,
        function: Callable[..., object],
        given: tuple[object, ...],
        seen: tuple[object, ...],
        keywords: Mapping[str, object],
    ) -> object:
        """Call a function with what it is given; `seen` are its arguments with the object it is bound to."""
        if not self.on or _within.get() is current_run() or recorder.current().disabled or self._of_another_thread():
            return function(*given, **keywords)
        own = drops.shielded("auto", "a call is not recorded", partial(_own, recording, seen), None)
        run = own if own is not None else current_run()
        token = _within.set(run)
        mark = object()
        self._under_way.add(mark)
        try:
            if run is None:
                return function(*given, **keywords)
            call = Call(run, seen, keywords, own is not None)
            try:
                _recorded(partial(recording.before, call), run)
                result = function(*given, **keywords)
                _recorded(partial(recording.after, call, result), run)
            except BaseException as error:
                _end(own, error)
                raise
            _end(own, None)
            return result
        finally:
            self._under_way.discard(mark)
            _within.reset(token)

    def _of_another_thread(self) -> bool:
        """Say whether a call belongs to one that is under way, which has others do a part of it in a pool of threads."""
        return bool(self._under_way) and current_run() is None and current_thread().name.endswith(_WORKER)

    def undo(self) -> None:
        """Put everything back that is still ours; what was wrapped by others meanwhile only calls through."""
        self.on = False
        for owner, name, original, made in reversed(self._made):
            if vars(owner).get(name) is made:
                setattr(owner, name, original)
        for verb in self._undone:
            verb()


class _Described:
    """In place of a descriptor, such as those of methods that not every object of a class has: what it gives is recorded."""

    def __init__(self, patches: Patches, original: object, recording: Recording) -> None:
        self._patches = patches
        self._original = original
        self._recording = recording
        self.__doc__ = original.__doc__
        self.__wrapped__ = original

    def __get__(self, owner: object, kind: type | None = None) -> object:
        found = cast("Callable[..., object]", self._original.__get__(owner, kind))  # type: ignore[attr-defined]  # looked at in put
        if owner is None:
            return found

        @wraps(found)
        def call(*arguments: object, **keywords: object) -> object:
            return self._patches.called(self._recording, found, arguments, (owner, *arguments), keywords)

        return call


def _own(recording: Recording, seen: tuple[object, ...]) -> Run | None:
    if current_run() is not None or not recording.alone:
        return None
    made = Run(recording.title(seen), None, None, surroundings(OWN_BUDGET))
    made.start()
    return made.activate()


def _end(own: Run | None, error: BaseException | None) -> None:
    if own is not None:
        own.deactivate()
        own.end(error)


def _recorded(verb: Callable[[], None], run: Run) -> None:
    drops.shielded("auto", f"what a call in run {run.component!r} reads and writes is unknown", verb, None)
