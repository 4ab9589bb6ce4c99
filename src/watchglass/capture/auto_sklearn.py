"""Fits, predictions and transformations of scikit-learn's estimators, and of all that are made like them → reads and writes of a run."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final, cast

from watchglass.capture.auto_patches import Call, Recording
from watchglass.capture.known import forget, name_of, want

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import ModuleType

    from watchglass.capture.auto_patches import Patches

_FITS: Final = ("fit", "partial_fit", "fit_transform", "fit_predict")
_USES: Final = ("predict", "predict_proba", "predict_log_proba", "decision_function", "score_samples", "transform")
_PLAIN: Final = (bool, int, float, str)


def patch(module: ModuleType, patches: Patches) -> None:
    """Have the methods of every estimator recorded, of those too whose classes are made later."""
    want()
    base = cast("type[object]", module.BaseEstimator)
    for kind in (base, *_below(base)):
        _methods(kind, patches)
    hook = vars(base).get("__init_subclass__")

    def made(cls: type[object], /, **keywords: object) -> None:
        if hook is not None:
            hook.__get__(None, cls)(**keywords)
        else:
            super(base, cls).__init_subclass__(**keywords)  # type: ignore[misc]  # the mixins have one
        if patches.on:
            _methods(cls, patches)

    def undo() -> None:
        forget()
        if hook is not None:
            setattr(base, "__init_subclass__", hook)  # noqa: B010 - mypy knows no other way
        else:
            delattr(base, "__init_subclass__")

    setattr(base, "__init_subclass__", classmethod(made))  # noqa: B010 - likewise
    patches.later(undo)


def _below(kind: type[object]) -> Iterator[type[object]]:
    for one in kind.__subclasses__():
        yield one
        yield from _below(one)


def _methods(kind: type[object], patches: Patches) -> None:
    """Have a class's methods recorded where they are made: in itself, or in what it inherits from."""
    for name in (*_FITS, *_USES):
        for owner in kind.__mro__:
            if name in vars(owner) and not patches.has(owner, name):
                patches.put(owner, name, _recording(name))


def _recording(name: str) -> Recording:
    if name in _FITS:
        return Recording(_title(name), _given, partial(_fitted, name))
    return Recording(_title(name), _used, partial(_gave, name), alone=False)


def _title(method: str) -> Callable[[tuple[object, ...]], str]:
    return lambda seen: f"{type(seen[0]).__name__}.{method}"


def _read(call: Call, thing: object, name: str) -> None:
    """Read a value under the name that it is known by in this process, if it is."""
    artifact = call.run.around.take(thing, name)
    call.run.read(replace(artifact, name=name_of(artifact.version, name)))


def _given(call: Call) -> None:
    """Read what an estimator is fitted on, before it is; its parameters are the run's."""
    estimator = call.arguments[0]
    for place, name in ((1, "X"), (2, "y")):
        value = call.argument(place, name, name.lower())
        if value is not None:
            _read(call, value, name)
    parameters = getattr(estimator, "get_params", None)
    if parameters is None:
        return
    before = "" if call.alone else f"{type(estimator).__name__}."
    for name, value in cast("Mapping[str, object]", parameters(deep=False)).items():
        if value is None or isinstance(value, _PLAIN):
            call.run.param(f"{before}{name}", value)


def _fitted(method: str, call: Call, result: object) -> None:
    estimator = call.arguments[0]
    call.run.write(estimator, type(estimator).__name__)
    if method.startswith("fit_"):
        _gave(method, call, result)


def _used(call: Call) -> None:
    """Read the estimator and what it is asked about."""
    estimator = call.arguments[0]
    _read(call, estimator, type(estimator).__name__)
    value = call.argument(1, "X", "x")
    if value is not None:
        _read(call, value, "X")


def _gave(method: str, call: Call, result: object) -> None:
    call.run.write(result, f"{type(call.arguments[0]).__name__}.{method}")
