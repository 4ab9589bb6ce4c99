"""A function → the same function, each call of which is recorded as a run: sync, async, generator or async generator."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial, wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast

from watchglass.capture import drops, recorder
from watchglass.capture.events import name as checked
from watchglass.capture.events import optional_name, present
from watchglass.capture.origin import source_version
from watchglass.capture.runs import Run
from watchglass.capture.times import now
from watchglass.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable
    from types import TracebackType

    from watchglass.capture.artifacts import Item

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class _Component:
    """A decorated function: what its runs are called, and which of its values they read and write."""

    name: str
    version: str | None
    function: Callable[..., object]
    signature: inspect.Signature | None
    inputs: tuple[Item, ...]
    outputs: tuple[str, ...]
    event: dict[str, object]

    def begin(self, arguments: tuple[object, ...], keywords: Mapping[str, object]) -> Run:
        """Start a run; what it reads is read now, before the function may change it."""
        here = recorder.current()
        key = ("component", self.name)
        if key not in here.announced and here.graph({**self.event, "time": now()}):
            here.announced[key] = True
        run = Run(self.name, None, self.version, self.function)
        run.start()
        if self.inputs and not here.disabled:
            drops.shielded(
                "read",
                f"what component {self.name!r} reads is unknown",
                partial(self._read, run, arguments, keywords),
                None,
            )
        return run

    def _read(self, run: Run, arguments: tuple[object, ...], keywords: Mapping[str, object]) -> None:
        bound: Mapping[str, object] = {}
        if self.signature is not None:
            found = self.signature.bind(*arguments, **keywords)
            found.apply_defaults()
            bound = found.arguments
        for item in self.inputs:
            if isinstance(item, str) and item in bound:
                run.read(bound[item], item)
            else:
                run.read(item)

    def wrote(self, run: Run, result: object) -> None:
        """Record what a run returned under the names of its outputs."""
        if self.outputs and not recorder.current().disabled:
            drops.shielded(
                "write", f"what component {self.name!r} writes is unknown", partial(self._write, run, result), None
            )

    def _write(self, run: Run, result: object) -> None:
        if result is None:  # it wrote by itself: a name that is a file's path is that file
            for name in self.outputs:
                run.write(name)
        elif len(self.outputs) == 1:
            run.write(result, self.outputs[0])
        else:
            for name, part in zip(self.outputs, self._parts(result), strict=True):
                run.write(part, name)

    def _parts(self, result: object) -> Iterable[object]:
        if isinstance(result, Mapping):
            return [result[name] for name in self.outputs]
        return cast("tuple[object, ...]", result)


def component(  # noqa: PLR0913 - the settled public face
    name: str,
    *,
    version: str | None = None,
    owner: str | None = None,
    description: str | None = None,
    tags: Iterable[str] = (),
    inputs: Iterable[Item] = (),
    outputs: Iterable[str] = (),
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Record each call of the decorated function as a run of a component.

    The version is the one given, else a fingerprint of the function's source. An input that is a parameter's name
    records that argument's value; any other is a path or a name. One output names the value returned, several the
    items of a returned tuple in order or of a dict by key; a function that returns None wrote the outputs itself.
    A function that raises is recorded with its error and still raises. A generator's run lasts until it ends.
    """
    plain = _texts(inputs, "inputs"), _texts(outputs, "outputs"), _texts(tags, "tags")
    title = checked(name, "the name of a component")
    given = optional_name(version, "version")

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        if not callable(cast("object", function)):
            message = f"component {title!r} cannot wrap a {type(function).__name__}: put it under @classmethod or @staticmethod, next to the function"
            raise BadInput(message)
        about = description or (inspect.getdoc(function) or "").partition("\n")[0] or None
        event = present(
            {"kind": "component", "name": title, "description": about, "owner": owner, "tags": list(plain[2])}
        )
        signature = drops.shielded(
            "signature",
            f"the parameters of component {title!r} are unknown",
            partial(inspect.signature, function),
            None,
        )
        made = _Component(
            title, given or source_version(function), function, signature, plain[0], tuple(map(str, plain[1])), event
        )
        return _wrapped(made, function)

    return decorate


def _texts(values: Iterable[R], what: str) -> tuple[R, ...]:
    if isinstance(values, str):
        message = f"{what} of a component cannot be {values!r} alone: a list would do, [{values!r}]"
        raise BadInput(message)
    return tuple(values)


def _wrapped(made: _Component, function: Callable[P, R]) -> Callable[P, R]:
    if inspect.isasyncgenfunction(function):
        return cast("Callable[P, R]", wraps(function)(_async_generator(made)))
    if inspect.isgeneratorfunction(function):
        return cast("Callable[P, R]", wraps(function)(_generator(made)))
    if inspect.iscoroutinefunction(function):
        return cast("Callable[P, R]", wraps(function)(_coroutine(made)))

    @wraps(function)
    def call(*arguments: P.args, **keywords: P.kwargs) -> R:
        with _active(made.begin(arguments, keywords), ends=True) as run:
            result = function(*arguments, **keywords)
            made.wrote(run, result)
        return result

    return call


class _active:  # noqa: N801 - reads as the verb it is
    """Make a run the one that code is in for a while; with `ends`, its end is the end of the run."""

    __slots__ = ("_ends", "_run")

    def __init__(self, run: Run, *, ends: bool = False) -> None:
        self._run = run
        self._ends = ends

    def __enter__(self) -> Run:
        return self._run.activate()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run.deactivate()
        if self._ends:
            self._run.end(error)


def _coroutine(made: _Component) -> Callable[..., Awaitable[object]]:
    function = cast("Callable[..., Awaitable[object]]", made.function)

    async def call(*arguments: object, **keywords: object) -> object:
        with _active(made.begin(arguments, keywords), ends=True) as run:
            result = await function(*arguments, **keywords)
            made.wrote(run, result)
        return result

    return call


def _generator(made: _Component) -> Callable[..., Generator[object, object, object]]:
    """Run each step inside the run and hand each item out outside of it: between steps the caller's code runs."""
    function = cast("Callable[..., Generator[object, object, object]]", made.function)

    def call(*arguments: object, **keywords: object) -> Generator[object, object, object]:
        run = made.begin(arguments, keywords)
        try:
            steps = function(*arguments, **keywords)
            resume: Callable[[], object] = partial(next, steps)
            while True:
                try:
                    with _active(run):
                        item = resume()
                except StopIteration as stop:
                    made.wrote(run, None)
                    return stop.value
                try:
                    sent = yield item
                except GeneratorExit:
                    with _active(run):
                        steps.close()
                    raise
                except BaseException as thrown:  # noqa: BLE001 - whatever the caller throws belongs into the generator
                    resume = partial(steps.throw, thrown)
                else:
                    resume = partial(steps.send, sent)
        except BaseException as error:
            run.end(error)
            raise
        finally:
            run.end()

    return call


def _async_generator(made: _Component) -> Callable[..., AsyncGenerator[object, object]]:
    """As `_generator`, for asynchronous ones."""
    function = cast("Callable[..., AsyncGenerator[object, object]]", made.function)

    async def call(*arguments: object, **keywords: object) -> AsyncGenerator[object, object]:
        run = made.begin(arguments, keywords)
        try:
            steps = function(*arguments, **keywords)
            resume: Callable[[], Awaitable[object]] = partial(anext, steps)
            while True:
                try:
                    with _active(run):
                        item = await resume()
                except StopAsyncIteration:
                    made.wrote(run, None)
                    return
                try:
                    sent = yield item
                except GeneratorExit:
                    with _active(run):
                        await steps.aclose()
                    raise
                except BaseException as thrown:  # noqa: BLE001 - whatever the caller throws belongs into the generator
                    resume = partial(steps.athrow, thrown)
                else:
                    resume = partial(steps.asend, sent)
        except BaseException as error:
            run.end(error)
            raise
        finally:
            run.end()

    return call
