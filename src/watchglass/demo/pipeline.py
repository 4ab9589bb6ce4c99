"""A day's images → cleaned images and a table of features, each step recorded as a run with what it read and wrote.

ingest → clean → features run every day before the first request; train → evaluate → deploy ran once, before the
first day. What the steps hand on to the service lies in a folder: the model, and for each day its feature table
and the settings that the table was made with.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final, cast

import numpy as np

import watchglass as wg
from watchglass.demo import images
from watchglass.demo import model as classifier
from watchglass.demo.features import SETTINGS, Settings, measure
from watchglass.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from watchglass.capture.artifacts import Item

    Numbers = NDArray[np.float64]
    Pixels = NDArray[np.uint8]
    Counts = NDArray[np.int64]

MODEL: Final = "digits"
MODEL_VERSION: Final = "3"
SITE_SCALES: Final = {"airport": 16, "clinic": 16, "depot": 16, "harbour": 10, "office": 16}
"""The artifact that `clean` version 2 reads. Harbour's images reach 16 like the others': 10 is the planted mistake."""

_STARTS: Final = timedelta(hours=2)
_PAPER, _INK = 0.28, 0.80
_DECIMALS: Final = 4


@dataclass(frozen=True, slots=True)
class Versions:
    """Which versions of the two steps that get new ones run on a day."""

    clean: str
    features: str


FIRST: Final = Versions(clean="1", features="3")


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """What the day's runs made: cleaned images (n, 8, 8) from 0 to 1, and their features (n, 10)."""

    day: date
    cleaned: Numbers
    features: Numbers


def clean(raw: Pixels, scale: Numbers) -> Numbers:
    """Divide each image by its scale, then take the paper's grey away and clip at full ink.

    >>> clean(np.array([[[0, 8, 16]]], dtype=np.uint8), np.array([16.0])).tolist()
    [[[0.0, 0.4231, 1.0]]]
    """
    share = raw / scale[:, None, None]
    return np.asarray(np.round(np.clip((share - _PAPER) / (_INK - _PAPER), 0.0, 1.0), _DECIMALS), dtype=np.float64)


def run_day(folder: Path, day: images.Arrivals, versions: Versions) -> Tables:
    """Run ingest, clean and features on a day's images at 02:00, record them, and publish the day to the service."""
    starts = datetime.combine(day.day, time(), UTC) + _STARTS
    about = {"day": day.day.isoformat(), "images": len(day.ids)}
    raw = ("raw_images", day.raw)
    _record(_Step("ingest", "1", starts, 40), about, [f"uploads/{site.name}" for site in images.SITES], [raw])

    scales: list[Item] = [] if versions.clean == "1" else [("site_scales", SITE_SCALES)]
    cleaned = clean(day.raw, _scale(day.site, versions.clean))
    step = _Step("clean", versions.clean, starts + timedelta(minutes=2), 25)
    _record(step, about, [raw, *scales], [("clean_images", cleaned)])

    settings = SETTINGS[versions.features]
    table = measure(cleaned, settings)
    step = _Step("features", versions.features, starts + timedelta(minutes=4), 15)
    reads: list[Item] = [("clean_images", cleaned), ("feature_settings", settings)]
    _record(step, about, reads, [("feature_table", table)])
    publish(folder, day.day, table, settings)
    return Tables(day.day, cleaned, table)


def _scale(site: Counts, version: str) -> Numbers:
    if version == "1":
        return np.full(len(site), float(images.FULL))
    return np.array([float(SITE_SCALES[known.name]) for known in images.SITES])[site]


def release_features(version: str, when: datetime) -> None:
    """Record the run that puts a version of `features` in place: it writes the settings that the version reads."""
    step = _Step("features", version, when, 5)
    _record(step, {"release": version}, [], [("feature_settings", SETTINGS[version])])


def prepare(folder: Path, seed: int, first: date) -> None:
    """Train, evaluate and deploy the model on the reference images, on the day before the first one."""
    starts = datetime.combine(first, time(), UTC) - timedelta(hours=12)
    release_features(FIRST.features, starts - timedelta(hours=1))
    trained, weights, report = _train(seed, starts)
    goes_live = starts + timedelta(hours=2)
    wg.log_model(
        MODEL,
        version=MODEL_VERSION,
        artifact="digits_model",
        task="classification",
        slices=("site", "channel"),
        label_delay=images.LABEL_DELAY,
        run=trained,
    )
    about = {"model": MODEL, "version": MODEL_VERSION}
    _record(_Step("deploy", "1", goes_live, 10), about, [("digits_model", weights), ("evaluation", report)], [])
    wg.deploy(MODEL, version=MODEL_VERSION, time=goes_live)
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "digits_model.npy", weights)


def _train(seed: int, starts: datetime) -> tuple[str, Numbers, dict[str, float]]:
    """Fit on nine tenths of the reference images and evaluate on the rest; gives the run, the weights, the report."""
    raw, digits = images.reference(seed)
    cleaned = clean(raw, np.full(len(raw), float(images.FULL)))
    settings = SETTINGS[FIRST.features]
    table = measure(cleaned, settings)
    held = np.arange(len(digits)) % images.TRAINING >= images.TRAINING * 9 // 10
    weights = classifier.train(cleaned[~held], table[~held], digits[~held])
    truth: list[Item] = [("reference_images", raw), ("reference_digits", digits), ("feature_settings", settings)]
    about: dict[str, object] = {"C": classifier.C, "images": int((~held).sum()), "seed": seed}
    trained = _record(_Step("train", "1", starts, 600), about, truth, [("digits_model", weights)])
    read, _ = classifier.reader(weights).read(cleaned[held], table[held])
    report = {"accuracy": round(float((read == digits[held]).mean()), 4), "images": float(held.sum())}
    step = _Step("evaluate", "1", starts + timedelta(minutes=30), 20)
    _record(step, {}, [("digits_model", weights), *truth], [("evaluation", report)])
    return trained, weights, report


@dataclass(frozen=True, slots=True)
class _Step:
    component: str
    version: str
    started: datetime
    seconds: int


def _record(step: _Step, params: Mapping[str, object], reads: list[Item], writes: list[Item]) -> str:
    ended = step.started + timedelta(seconds=step.seconds)
    return wg.log_run(
        step.component,
        started=step.started,
        ended=ended,
        inputs=reads,
        outputs=writes,
        params=params,
        version=step.version,
    )


def publish(folder: Path, day: date, table: Numbers, settings: Settings) -> None:
    """Put a day's feature table and its settings where the service finds them."""
    here = folder / day.isoformat()
    here.mkdir(parents=True, exist_ok=True)
    np.save(here / "feature_table.npy", table)
    (here / "feature_settings.json").write_text(json.dumps(settings))


def published(folder: Path, day: date) -> tuple[Numbers, Settings]:
    """Read what `publish` put there; raises `BadInput` for a day that has no table."""
    here = folder / day.isoformat()
    if not (here / "feature_table.npy").is_file():
        message = f"there is no feature table for {day} in {str(folder)!r}: run the pipeline of that day first"
        raise BadInput(message)
    settings = cast("Settings", json.loads((here / "feature_settings.json").read_text()))
    return np.load(here / "feature_table.npy"), settings


def trained_model(folder: Path) -> classifier.Reader:
    """Load the model that the service answers with; raises `BadInput` when there is none."""
    if not (folder / "digits_model.npy").is_file():
        message = f"there is no model in {str(folder)!r}: play the demo from its first day"
        raise BadInput(message)
    return classifier.reader(np.load(folder / "digits_model.npy"))
