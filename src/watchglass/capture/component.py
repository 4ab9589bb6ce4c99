"""A function → the same function, each call of which is recorded as a run: sync, async, generator or async generator."""

from __future__ import annotations

import inspect
from functools import partial, wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast

from watchglass import settings
from watchglass.capture import checks, drops
from watchglass.capture.budget import checked_budget
from watchglass.capture.calls import Component, Flow, Named
from watchglass.capture.events import name as checked
from watchglass.capture.events import optional_name, present
from watchglass.capture.locals import Catch, code_of, frame_of, names_of, renamed, values_of
from watchglass.capture.origin import source
from watchglass.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable, Mapping
    from types import TracebackType

    from watchglass.capture.artifacts import Item
    from watchglass.capture.checks import Given
    from watchglass.capture.queries import Query
    from watchglass.capture.runs import Run

P = ParamSpec("P")
R = TypeVar("R")


def component(  # noqa: PLR0913 - the settled public face
    name: str,
    *,
    version: str | None = None,
    owner: str | None = None,
    description: str | None = None,
    tags: Iterable[str] = (),
    inputs: Iterable[Item | Query] = (),
    outputs: Iterable[str] = (),
    params: Iterable[str] | bool = (),
    input_vars: Mapping[str, str] | Iterable[str] = (),
    output_vars: Mapping[str, str] | Iterable[str] = (),
    before: Iterable[Given] = (),
    after: Iterable[Given] = (),
    budget: tuple[float | None, int | None] | None = None,
    keep: str | None = None,
    subjects: Mapping[str, str | Iterable[str]] | None = None,
    on_retracted: str | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Record each call of the decorated function as a run of a component.

    The version is the one given, else a fingerprint of the function's source. An input that is a parameter's name
    records that argument's value; any other is a path, a URL, a query or a name. One output names the value returned,
    several the items of a returned tuple in order or of a dict by key; a function that returns None wrote the outputs
    itself. A function that raises is recorded with its error and still raises. A generator's run lasts until it ends.

    `params` names arguments that are the run's parameters, True takes all that are a number, a text, a truth value or
    None and no input; `watchglass rerun` gives them again. `input_vars` and `output_vars` name local variables of the function, or say {variable: the name it goes by}: they
    are read as they are when it returns, a parameter as it comes in, without a change to its body. `before` and
    `after` are tests (`wg.check`, any function): before, their parameters are the arguments of the call; after, the
    local variables at return and `result`. `budget`, `keep` and `on_retracted` are as in `wg.run`. `subjects` says of
    whom inputs and outputs are, by their names: {"rows": ["client-17"], "totals": []}; [] is nobody.

    Raises `BadInput`, here and not at a call, for a variable that the function does not have and for a test whose
    parameter nothing has. A call raises `Blocked` when a test of level block fails, or as `on_retracted` says.
    """
    named = Named(tuple(_texts(inputs, "inputs")), tuple(map(str, _texts(outputs, "outputs"))))
    about = present({"description": description, "owner": owner, "tags": list(_texts(tags, "tags"))})
    title, given = checked(name, "the name of a component"), optional_name(version, "version")
    spent = checked_budget(budget)
    policy = None if keep is None else settings.resolve(settings.ARTIFACTS, keep)
    flow = Flow.of(subjects, on_retracted)

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        if not callable(cast("object", function)):
            message = f"component {title!r} cannot wrap a {type(function).__name__}: put it under @classmethod or @staticmethod, next to the function"
            raise BadInput(message)
        code = code_of(function)
        why = f"the parameters of component {title!r} are unknown"
        signature = drops.shielded("signature", why, partial(inspect.signature, function), None)
        seen = Named(
            named.inputs,
            named.outputs,
            renamed(input_vars, "input_vars", code, title),
            renamed(output_vars, "output_vars", code, title),
            _params(params, signature, title),
        )
        first = checks.taken(before, "before", None if signature is None else signature.parameters, title)
        last = checks.taken(after, "after", None if code is None else {*names_of(code), checks.RESULT}, title)
        found = source(function)
        event = _event(function, title, about)
        wanted = code if seen.input_vars or seen.output_vars or last else None
        label = given or found[0]
        made = Component(
            title, label, function, found, event, signature, seen, first, last, spent, wanted, policy, flow
        )
        return _wrapped(made, function)

    return decorate


def _event(function: Callable[..., object], title: str, about: Mapping[str, object]) -> Mapping[str, object]:
    """Write what is said of the component; without a description, the first line of the function's text."""
    line = (inspect.getdoc(function) or "").partition("\n")[0] or None
    return present({"kind": "component", "name": title, "description": line, **about})


def _params(given: Iterable[str] | bool, signature: inspect.Signature | None, title: str) -> tuple[str, ...] | None:  # noqa: FBT001 - True is all
    """Take the names of arguments; None is all. Raises `BadInput` for one that the function does not have."""
    if isinstance(given, bool):
        return None if given else ()
    found = _texts(given, "params")
    known = found if signature is None else tuple(signature.parameters)
    for name in found:
        if name not in known:
            message = f"component {title!r} has no argument {name!r} for params. It has: {', '.join(known) or 'none'}"
            raise BadInput(message)
    return found


def _texts(values: Iterable[R], what: str) -> tuple[R, ...]:
    if isinstance(values, str):
        message = f"{what} of a component cannot be {values!r} alone: a list would do, [{values!r}]"
        raise BadInput(message)
    return tuple(values)


def _wrapped(made: Component, function: Callable[P, R]) -> Callable[P, R]:
    if inspect.isasyncgenfunction(function):
        return cast("Callable[P, R]", wraps(function)(_async_generator(made)))
    if inspect.isgeneratorfunction(function):
        return cast("Callable[P, R]", wraps(function)(_generator(made)))
    if inspect.iscoroutinefunction(function):
        return cast("Callable[P, R]", wraps(function)(_coroutine(made)))

    @wraps(function)
    def call(*arguments: P.args, **keywords: P.kwargs) -> R:
        with _active(made.begin(arguments, keywords), ends=True) as run:
            if made.watched is None:
                result, local = function(*arguments, **keywords), None
            else:
                with Catch(made.watched) as caught:
                    result = function(*arguments, **keywords)
                local = caught.values()
            made.ended(run, result, local)
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


def _coroutine(made: Component) -> Callable[..., Awaitable[object]]:
    function = cast("Callable[..., Awaitable[object]]", made.function)

    async def call(*arguments: object, **keywords: object) -> object:
        with _active(made.begin(arguments, keywords), ends=True) as run:
            steps = function(*arguments, **keywords)
            frame = frame_of(steps, made.watched)
            result = await steps
            made.ended(run, result, values_of(frame))
        return result

    return call


def _generator(made: Component) -> Callable[..., Generator[object, object, object]]:
    """Run each step inside the run and hand each item out outside of it: between steps the caller's code runs."""
    function = cast("Callable[..., Generator[object, object, object]]", made.function)

    def call(*arguments: object, **keywords: object) -> Generator[object, object, object]:
        run = made.begin(arguments, keywords)
        try:
            steps = function(*arguments, **keywords)
            frame = frame_of(steps, made.watched)
            resume: Callable[[], object] = partial(next, steps)
            while True:
                try:
                    with _active(run):
                        item = resume()
                except StopIteration as stop:
                    made.ended(run, None, values_of(frame))
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


def _async_generator(made: Component) -> Callable[..., AsyncGenerator[object, object]]:
    """As `_generator`, for asynchronous ones."""
    function = cast("Callable[..., AsyncGenerator[object, object]]", made.function)

    async def call(*arguments: object, **keywords: object) -> AsyncGenerator[object, object]:
        run = made.begin(arguments, keywords)
        try:
            steps = function(*arguments, **keywords)
            frame = frame_of(steps, made.watched)
            resume: Callable[[], Awaitable[object]] = partial(anext, steps)
            while True:
                try:
                    with _active(run):
                        item = await resume()
                except StopAsyncIteration:
                    made.ended(run, None, values_of(frame))
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
