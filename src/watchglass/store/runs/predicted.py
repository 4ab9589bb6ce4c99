"""A recorded prediction → the same, predicted again by the kept artifact of its model's version from the recorded features, and what differs.

What is called is the model alone, in this process; code that stood around it when it served is not. An artifact is read from
its safe format; a pickle only where the caller allows it by name.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, Protocol, cast

from watchglass.capture.environment import packages
from watchglass.capture.events import text_of
from watchglass.capture.keeping_formats import library
from watchglass.errors import BadInput, UnknownName
from watchglass.store.artifacts.known import artifact
from watchglass.store.lineage.models import artifact_of
from watchglass.store.runs.origin import Origin, origins

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy.engine import Engine

    from watchglass.store.folder import Folder

CLOSE: Final = 1e-9
"""Relative difference up to which two scores are the same: sums of floats in another order give less."""
_ALWAYS: Final = ("numpy", "scipy")
_NAMED: Final = {"sklearn": "scikit-learn"}


class _Array(Protocol):
    def tolist(self) -> list[object]: ...


class _Predicts(Protocol):
    """What an estimator of scikit-learn, xgboost or lightgbm can."""

    classes_: object

    def predict(self, rows: object, /) -> _Array: ...

    def predict_proba(self, rows: object, /) -> _Array: ...


@dataclass(frozen=True, slots=True)
class Repredicted:
    """What came out when a prediction was made again.

    `version` and `artifact`, `artifact_version` say what was called; `prediction` and `scores` (by class, where the model
    gives such) are what it gave now, None where something was `missing`: then nothing was called. `same` says that prediction
    and score are those that were recorded; `differs` names what is not, and what is another than it was when the model was
    trained.
    """

    of: str
    model: str
    version: str | None
    artifact: str | None
    artifact_version: str | None
    prediction: str | None
    scores: dict[str, float] | None
    same: bool
    missing: tuple[str, ...]
    differs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """What is another this time: values of features, the model's version; and what may be read: pickles, types of estimators."""

    inputs: Mapping[str, object] | None = None
    version: str | None = None
    allow_pickle: bool = False
    trusted: Sequence[str] = ()


def repredict(
    folder: Folder, engine: Engine, prediction: str, model: str | None, environment: str | None, changed: Changed
) -> Repredicted:
    """Predict again; raises `UnknownName` for a prediction or a version, `BadInput` for an input that it did not have."""
    found = origins(folder, engine, prediction, model, environment)
    places = {(one.prediction.model, one.prediction.environment) for one in found}
    if len(places) > 1:
        told = ", ".join(f"{name} ({where})" for name, where in sorted(places))
        message = f"prediction {prediction!r} is not one: name its model or environment. Known: {told}"
        raise BadInput(message)
    origin = found[0]
    before = origin.prediction
    features = {**before.features, **(changed.inputs or {})}
    if unknown := sorted(set(features) - set(before.features)):
        message = f"prediction {prediction!r} has no feature {unknown[0]!r}. It has: {', '.join(sorted(before.features)) or 'none'}"
        raise BadInput(message)
    version = changed.version or before.version
    name = content = None
    try:
        with engine.connect() as connection:
            name, content = artifact_of(connection, before.model, version)
        called = artifact(folder, engine, name, content).load(
            allow_pickle=changed.allow_pickle, trusted=changed.trusted
        )
        value, scores = _called(called, features)
    except (BadInput, UnknownName, OSError, ImportError) as error:
        if isinstance(error, UnknownName) and changed.version is not None and name is None:
            raise
        return Repredicted(before.id, before.model, version, name, content, None, None, False, (str(error),), ())
    output = tuple(_of_output(origin, value, scores))
    differs = (*output, *_of_libraries(origin, called))
    return Repredicted(before.id, before.model, version, name, content, value, scores, not output, (), differs)


def _called(called: object, features: Mapping[str, object]) -> tuple[str, dict[str, float] | None]:
    """Ask an estimator about one row; raises `BadInput` that says why it cannot be asked."""
    if not callable(getattr(called, "predict", None)) or type(called).__name__ == "Booster":
        message = f"the artifact is a {type(called).__name__}, which predicts nothing by itself: keep the estimator that served"
        raise BadInput(message)
    row = _row(called, features)
    try:
        return _answer(cast("_Predicts", called), row)
    except Exception as error:
        message = f"the model could not predict this row: {type(error).__name__}: {error}"
        raise BadInput(message) from error


def _answer(model: _Predicts, row: object) -> tuple[str, dict[str, float] | None]:
    (value,) = model.predict(row).tolist()
    if not callable(getattr(model, "predict_proba", None)):
        return text_of(value), None
    (shares,) = cast("list[list[float]]", model.predict_proba(row).tolist())
    classes = cast("_Array", model.classes_).tolist()
    return text_of(value), {text_of(one): share for one, share in zip(classes, shares, strict=True)}


def _row(called: object, features: Mapping[str, object]) -> object:
    """Put recorded features into the one row that an estimator takes, in the order of its fit; raises `BadInput`."""
    told = getattr(called, "feature_names_in_", None)
    names = [str(one) for one in told] if told is not None else sorted(features)
    lacks = [name for name in names if name not in features]
    if lacks:
        message = f"features {', '.join(lacks[:12])} of the model were not recorded with the prediction: {len(lacks)} of {len(names)}"
        raise BadInput(message)
    if told is None and len(names) != 1:
        message = "the order of its features is not known: the model was fitted on an array, features are recorded by name. Fit on a frame"
        raise BadInput(message)
    values = [features[name] for name in names]
    if told is None:
        return [values]
    engine = next((one for one in ("pandas", "polars") if find_spec(one)), "pandas")
    make = library(engine, "give an estimator its row").DataFrame
    row: object = make({name: [value] for name, value in zip(names, values, strict=True)})
    return row


def _of_output(origin: Origin, value: str, scores: Mapping[str, float] | None) -> Iterator[str]:
    """Name what came out differently."""
    before = origin.prediction
    if before.prediction is not None and value != before.prediction:
        yield f"prediction: {before.prediction!r} → {value!r}"
    if scores is None:
        return
    for one, share in (before.scores or {}).items():
        if not math.isclose(scores.get(one, math.nan), share, rel_tol=CLOSE, abs_tol=CLOSE):
            yield f"score of {one}: {share!r} → {scores.get(one)!r}"
    if before.score is not None and not before.scores and not any(math.isclose(before.score, one, rel_tol=CLOSE, abs_tol=CLOSE) for one in scores.values()):  # fmt: skip
        now = ", ".join(f"{name} {share!r}" for name, share in scores.items())
        yield f"score: {before.score!r} → {now}"


def _of_libraries(origin: Origin, called: object) -> Iterator[str]:
    """Name the libraries of a model that have another version here than where it was trained."""
    then = None if origin.training is None else origin.training.environment
    known = then.get("packages") if isinstance(then, dict) else None
    if not isinstance(known, dict):
        return
    top = type(called).__module__.partition(".")[0]
    here = packages(tuple(sys.path))
    for name in (_NAMED.get(top, top), *_ALWAYS):
        if name in known and known[name] != here.get(name):
            yield f"package {name}: {known[name]} when it was trained, {here.get(name, 'none')} here"
