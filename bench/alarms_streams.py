"""Real streams beside the checkout → draws of their windows in random order: no drift, real dependence inside a window.

`../shared/data` holds the files (`WATCHGLASS_BENCH_DATA` names another folder). A window is a day, or a block of rows
where a file has no dates. Rows stay together with their window, so columns and rows depend as they really do.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from watchglass.profile.columns import frame_of
from watchglass.profile.grid import keys_of
from watchglass.profile.histories import CategoryHistory, NumberHistory

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from watchglass.profile.histories import ColumnHistory

DATA = Path(os.environ.get("WATCHGLASS_BENCH_DATA", Path(__file__).parents[2] / "shared" / "data"))
FEWEST = 15  # rows of a window
REFERENCE, MONITORED = 60, 365


@dataclass(frozen=True, slots=True)
class Source:
    """Where a stream lies: its file, the column that says the day (or so many rows a block), its columns."""

    file: str
    window: str | int
    numbers: tuple[str, ...]
    categories: tuple[str, ...]


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


SOURCES: Mapping[str, Source] = {
    "hotel": Source(
        "hotel_bookings",
        "arrival_date",
        _names(
            "lead_time stays_in_week_nights adults adr total_of_special_requests days_in_waiting_list booking_changes"
        ),
        _names(
            "hotel meal country market_segment distribution_channel reserved_room_type deposit_type customer_type is_canceled"
        ),
    ),
    "weather_aus": Source(
        "weather_aus",
        "Date",
        _names(
            "MinTemp MaxTemp Rainfall WindGustSpeed WindSpeed9am Humidity9am Humidity3pm Pressure9am Temp3pm Cloud9am"
        ),
        _names("WindGustDir WindDir9am RainToday RainTomorrow"),
    ),
    "bank": Source(
        "bank_marketing",
        100,
        _names("age duration campaign previous euribor3m"),
        _names("job marital education default housing loan contact poutcome y"),
    ),
    "elec2": Source("elec2", "day_index", _names("nswprice nswdemand vicprice vicdemand transfer"), _names("class")),
    "acs": Source(
        "acs_ma_employment",
        500,
        _names("AGEP SCHL predicted_probability"),
        _names("MAR RELP DIS ESP CIT MIG MIL ANC NATIVITY DEAR DREM SEX RAC1P employed"),
    ),
    "kc": Source(
        "kc_house",
        "date",
        _names("price bedrooms bathrooms sqft_living sqft_lot floors grade yr_built lat long sqft_living15"),
        _names("condition waterfront view"),
    ),
    "pm25": Source("beijing_pm25", "timestamp", _names("pm2.5 DEWP TEMP PRES Iws"), _names("cbwd")),
    "car_loan": Source(
        "nml_synthetic_car_loan",
        500,
        _names("car_value debt_to_income_ratio driver_tenure y_pred_proba"),
        _names("salary_range loan_length repaid_loan_on_prev_car size_of_downpayment repaid"),
    ),
}


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """All rows of a file: values by column (categories as text), and where each window's rows lie."""

    name: str
    numbers: Mapping[str, NDArray[np.float64]]
    categories: Mapping[str, NDArray[np.object_]]
    rows_of: tuple[NDArray[np.int64], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Draw:
    """Some windows of a stream in random order; `window` says of each row in which it lies, the first are the reference."""

    numbers: Mapping[str, NDArray[np.float64]]
    categories: Mapping[str, NDArray[np.object_]]
    window: NDArray[np.int64]
    windows: int

    @property
    def reference(self) -> NDArray[np.bool_]:
        """Say which rows lie in the reference windows."""
        return np.asarray(self.window < REFERENCE)

    def upto(self, windows: int) -> Draw:
        """Keep the first windows."""
        kept = self.window < windows
        return Draw(
            {name: values[kept] for name, values in self.numbers.items()},
            {name: values[kept] for name, values in self.categories.items()},
            self.window[kept],
            windows,
        )

    def with_number(self, name: str, values: NDArray[np.float64]) -> Draw:
        """Put other values in a column of numbers."""
        return replace(self, numbers={**self.numbers, name: values})

    def with_category(self, name: str, values: NDArray[np.object_]) -> Draw:
        """Put other values in a column of text."""
        return replace(self, categories={**self.categories, name: values})


@cache
def stream(name: str) -> Stream:
    """Read a stream; raises `FileNotFoundError` where its file is not there."""
    source = SOURCES[name]
    frame = pd.read_parquet(DATA / f"{source.file}.parquet")
    if name == "weather_aus":
        frame = frame[frame["Date"] >= "2009-01-01"]
    if name == "kc":
        frame["grade"] = frame["grade"].astype(str).str.split().str[0]
    if isinstance(source.window, int):
        codes = np.arange(len(frame)) // source.window
    else:
        told = frame[source.window]
        codes, _ = pd.factorize(told if told.dtype.kind in "iu" else pd.to_datetime(told).dt.floor("D"))
    order = np.argsort(codes, kind="stable")
    rows_of = tuple(rows for rows in np.split(order, np.flatnonzero(np.diff(codes[order])) + 1) if len(rows) >= FEWEST)
    return Stream(
        name,
        {column: frame[column].to_numpy(dtype=np.float64, na_value=np.nan) for column in source.numbers},
        {column: frame[column].astype(object).map(str).to_numpy(dtype=object) for column in source.categories},
        rows_of,
    )


def draw(of: Stream, seed: int) -> Draw:
    """Put a stream's windows in random order and keep a reference and a year."""
    order = np.random.default_rng(seed).permutation(len(of.rows_of))[: REFERENCE + MONITORED]
    rows = np.concatenate([of.rows_of[window] for window in order])
    window = np.repeat(np.arange(len(order)), [len(of.rows_of[window]) for window in order])
    return Draw(
        {name: values[rows] for name, values in of.numbers.items()},
        {name: values[rows] for name, values in of.categories.items()},
        window,
        len(order),
    )


def histories(of: Draw) -> list[ColumnHistory]:
    """Count each column of a draw by window, as the cells do."""
    return [
        *(number_history(name, values, of) for name, values in of.numbers.items()),
        *(category_history(name, values, of) for name, values in of.categories.items()),
    ]


def number_history(name: str, values: NDArray[np.float64], of: Draw) -> NumberHistory:
    """Count numbers on the grid, centred on the reference."""
    frame = frame_of(values[of.reference])
    keys, missing = keys_of(values, frame.centre)
    buckets, index = np.unique(keys[~missing], return_inverse=True)
    flat = np.bincount(of.window[~missing] * len(buckets) + index, minlength=of.windows * len(buckets))
    gone = np.bincount(of.window[missing], minlength=of.windows)
    counts = flat.reshape(of.windows, len(buckets)).astype(np.int64)
    return NumberHistory(name, frame.centre, frame.scale, buckets.astype(np.int64), counts, gone.astype(np.int64))


def category_history(name: str, values: NDArray[np.object_], of: Draw) -> CategoryHistory:
    """Count values; a missing one is the text of it, as the file's reader gave it."""
    index, found = pd.factorize(values, sort=True)
    flat = np.bincount(of.window * len(found) + index, minlength=of.windows * len(found))
    counts = flat.reshape(of.windows, len(found)).astype(np.int64)
    return CategoryHistory(name, tuple(map(str, found)), counts, np.zeros(of.windows, dtype=np.int64))
