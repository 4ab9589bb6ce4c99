from __future__ import annotations

import copy
import json
import math
import pickle
import threading
import time
from collections import OrderedDict, defaultdict, deque, namedtuple
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from watchglass.capture.fingerprint import content_of, file_content
from watchglass.capture.states import Unwalkable, state_digest


def version(value):
    found = content_of(value).version
    assert found is not None
    assert len(found) == 32
    int(found, 16)
    return found


DATA = {
    "i": [1, 2, -3],
    "f": [0.5, None, 2.0],
    "b": [True, False, True],
    "t": ["a", None, "é"],
    "d": [datetime(2026, 3, 1, 12, 0, 0, 5), None, datetime(1969, 1, 1)],
    "z": [datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC), None],
}
FRAME = pl.DataFrame(DATA, schema_overrides={"z": pl.Datetime("us", "UTC")})


def same_table():
    arrow = FRAME.to_arrow()
    chunked = pa.concat_tables([FRAME[:1].to_arrow(), FRAME[1:].to_arrow()])
    return {
        "polars": FRAME,
        "polars in chunks": pl.concat([FRAME[:2], FRAME[2:]], rechunk=False),
        "polars, categories": FRAME.with_columns(pl.col("t").cast(pl.Categorical)),
        "polars, nanoseconds": FRAME.with_columns(pl.col("d").cast(pl.Datetime("ns"))),
        "pyarrow": arrow,
        "pyarrow in chunks": chunked,
        "pyarrow, a slice": pa.concat_tables([arrow, arrow]).slice(3),
        "pyarrow, dictionary": arrow.set_column(3, "t", arrow.column("t").cast(pa.string()).dictionary_encode()),
        "pyarrow, a batch": arrow.combine_chunks().to_batches()[0],
        "pandas": FRAME.to_pandas(),
        "pandas, nanoseconds": FRAME.to_pandas().astype({"d": "datetime64[ns]", "z": "datetime64[ns, UTC]"}),
        "pandas, objects": FRAME.to_pandas().astype({"t": object}),
        "pandas, categories": FRAME.to_pandas().astype({"t": "category"}),
        "pandas, masked": FRAME.to_pandas().astype({"i": "Int64", "f": "Float64", "b": "boolean", "t": "string"}),
        "pandas on pyarrow": FRAME.to_pandas(use_pyarrow_extension_array=True),
        "pandas, other row numbers": FRAME.to_pandas().set_axis([7, 5, 3]),
        "narwhals": nw.from_native(FRAME),
    }


@pytest.mark.parametrize("held", same_table())
def test_equal_frames_are_one_version_whatever_holds_them(held):
    frame = same_table()[held]
    assert version(frame) == version(FRAME)
    about = content_of(frame)
    assert (about.kind, about.rows, about.columns) == ("frame", 3, tuple(DATA))


@pytest.mark.parametrize("column", DATA)
@pytest.mark.parametrize(
    "to", [lambda frame: frame, pl.DataFrame.to_pandas, pl.DataFrame.to_arrow], ids=["polars", "pandas", "pyarrow"]
)
def test_one_other_cell_is_another_version(column, to):
    values = list(DATA[column])
    change = {
        "i": 4,
        "f": 2.0000001,
        "b": False,
        "t": "e",
        "d": datetime(1969, 1, 1, 0, 0, 0, 1),
        "z": datetime(2026, 3, 1, 0, 0, 1, tzinfo=UTC),
    }
    other = FRAME.with_columns(pl.Series(column, [*values[:2], change[column]], dtype=FRAME.schema[column]))
    assert version(to(other)) != version(to(FRAME))
    swapped = FRAME.with_columns(pl.Series(column, [values[1], values[0], values[2]], dtype=FRAME.schema[column]))
    assert version(to(swapped)) != version(to(FRAME))


def test_names_types_order_and_labels_count():
    base = version(FRAME)
    assert version(FRAME.rename({"i": "j"})) != base
    assert version(FRAME.with_columns(pl.col("i").cast(pl.Int32))) != base
    assert version(FRAME.with_columns(pl.col("d").dt.replace_time_zone("UTC"))) != base
    assert version(FRAME.select(*reversed(DATA))) != base
    assert version(FRAME[:2]) != base
    pandas = FRAME.to_pandas()
    assert version(pandas.set_axis(["x", "y", "z"])) != base
    assert version(pandas.rename_axis("row")) != base
    assert version(pandas.set_axis(pd.MultiIndex.from_tuples([(0, 1), (1, 1), (2, 1)]))) != base


def test_moving_a_border_between_texts_is_another_version():
    assert version(pl.DataFrame({"a": ["ab", "c"]})) != version(pl.DataFrame({"a": ["a", "bc"]}))
    assert version(pl.DataFrame({"a": ["", None]})) != version(pl.DataFrame({"a": [None, ""]}))
    assert version(pl.DataFrame({"a": ["x"], "b": ["y"]})) != version(pl.DataFrame({"a": ["xb"], "": ["y"]}))


def test_missing_is_one_thing_but_a_zero_is_none():
    null, nan, zero = ({"a": [1.0, value]} for value in (None, float("nan"), 0.0))
    assert (
        version(pl.DataFrame(null))
        == version(pl.DataFrame(nan))
        == version(pd.DataFrame(nan))
        == version(pa.table(null))
    )
    assert version(pl.DataFrame(zero)) != version(pl.DataFrame(null))
    whole = {"a": [1, None]}
    assert version(pl.DataFrame(whole)) == version(pa.table(whole)) == version(pd.DataFrame(whole, dtype="Int64"))
    assert version(pl.DataFrame(whole)) != version(pl.DataFrame({"a": [1, 0]}))


ODD = {
    "dates": pl.Series([date(2026, 3, 1), None]),
    "spans": pl.Series([timedelta(seconds=1), None]),
    "times": pl.Series([datetime(2026, 1, 1, 12).time(), None]),
    "lists": pl.Series([[1, 2], None]),
    "structs": pl.Series([{"a": 1}, {"a": 2}]),
    "decimals": pl.Series([Decimal("1.5"), None]),
    "bytes": pl.Series([b"a", None]),
    "nothing": pl.Series([None, None]),
    "empty": pl.Series([], dtype=pl.String),
}


@pytest.mark.parametrize("name", ODD)
def test_other_columns_too(name):
    frame = ODD[name].to_frame("a")
    assert version(frame) == version(frame.to_arrow()) == version(frame.clone())
    if len(frame):
        assert version(frame) != version(frame[:1])
    if name in ("spans", "nothing", "empty"):
        assert version(frame.to_pandas()) == version(frame)


def test_odd_pandas_columns():
    assert version(pd.DataFrame({"a": [date(2026, 3, 1), None]}, dtype=object)) == version(ODD["dates"].to_frame("a"))
    assert version(pd.DataFrame({"a": [None, None]}, dtype="str")) == version(
        pl.DataFrame({"a": [None, None]}, schema={"a": pl.String})
    )
    for series in (
        pd.Series(pd.period_range("2026-01", periods=2, freq="M")),
        pd.Series(pd.arrays.SparseArray([0, 1])),
        pd.Series([1, "a"], dtype=object),
        pd.Series([1, 2], dtype="category"),
        pd.Series([1, None], dtype="category"),
        pd.Series([1j, 2]),
    ):
        frame = series.to_frame("a")
        assert version(frame) == version(frame.copy())
        assert version(frame) != version(frame[::-1].reset_index(drop=True))
    assert version(pd.DataFrame({"a": [1, 2]}, dtype="category")) == version(pd.DataFrame({"a": [1, 2]}))
    assert version(pd.DataFrame({"a": [True, None]}, dtype=object)) == version(pl.DataFrame({"a": [True, None]}))


def test_series_are_arrays_with_a_name_and_no_frames():
    series = pl.Series("a", [1, 2])
    assert version(series) == version(series.to_pandas())
    assert version(series) != version(series.to_frame())
    assert content_of(series).kind == "array"
    assert (
        version(pa.array([1, 2]))
        == version(pa.chunked_array([[1], [2]]))
        == version(pl.Series([1, 2]))
        != version(series)
    )


def test_a_lazy_frame_has_no_version():
    assert content_of(FRAME.lazy()).version is None


numbers = st.lists(st.none() | st.floats(allow_nan=True), min_size=1, max_size=20)
texts = st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=4), min_size=1, max_size=20)


@settings(deadline=None)  # the machine may be busy
@given(numbers, numbers)
def test_a_column_of_numbers_is_its_values(one, other):
    def made(values):
        return pl.DataFrame({"a": values}, schema={"a": pl.Float64})

    def seen(values):
        return [None if value is None or math.isnan(value) else (value, math.copysign(1, value)) for value in values]

    assert version(made(one)) == version(made(one).to_pandas()) == version(made(one).to_arrow())
    assert (version(made(one)) == version(made(other))) == (seen(one) == seen(other))


@settings(deadline=None)
@given(texts, texts)
def test_a_column_of_texts_is_its_values(one, other):
    def made(values):
        return pl.DataFrame({"a": values}, schema={"a": pl.String})

    assert (
        version(made(one))
        == version(made(one).to_arrow())
        == version(made(one).to_arrow().cast(pa.schema([("a", pa.string())])))
    )
    assert (version(made(one)) == version(made(other))) == (one == other)
    if set(one) != {None}:
        assert version(made(one)) == version(made(one).to_pandas())


def test_arrays_by_dtype_shape_and_bytes():
    array = np.arange(12.0).reshape(3, 4)
    base = version(array)
    assert (
        version(np.asfortranarray(array)) == version(array.copy()) == version(np.hstack([array, array])[:, :4]) == base
    )
    assert version(array.reshape(4, 3)) != base
    assert version(array.astype("f4")) != base
    changed = array.copy()
    changed[1, 2] = np.nextafter(changed[1, 2], 9)
    assert version(changed) != base
    assert content_of(array).rows == 3
    assert content_of(array).size == 96
    big, other = np.zeros(5000), np.zeros(5000)
    other[2500] = 1
    assert version(big) != version(other)


@pytest.mark.parametrize(
    "array",
    [
        np.array([]),
        np.zeros((0, 3)),
        np.array(5),
        np.array(["a", "bb"]),
        np.array(["a", "bb"], dtype=np.dtypes.StringDType()),
        np.array([b"a"]),
        np.array([True, False]),
        np.array([1 + 2j]),
        np.array(["2026-03-01", "NaT"], dtype="datetime64[s]"),
        np.array([{"a": 1}, None, "x"], dtype=object),
        np.array([(1, 2.0, "a")], dtype=[("i", "i1"), ("f", "f8"), ("o", object)]),
        np.ma.masked_array([1.0, 2.0], mask=[True, False]),
        np.arange(4).view(np.ndarray)[::2],
    ],
    ids=lambda array: f"{type(array).__name__} {array.dtype} {array.shape}",
)
def test_all_sorts_of_arrays(array):
    assert version(array) == version(array.copy()) == version(pickle.loads(pickle.dumps(array)))
    assert version(array) != version(np.append(np.asarray(array, dtype=object).ravel(), "more"))


def test_the_padding_of_a_structured_array_is_not_content():
    kind = np.dtype([("a", "i1"), ("b", "f8")], align=True)
    one, other = np.frombuffer(b"\x01" * 16, dtype=kind), np.frombuffer(b"\x01" + b"\x02" * 7 + b"\x01" * 8, dtype=kind)
    assert one.tobytes() != other.tobytes()
    assert version(one) == version(other)


def test_kinds_never_coincide(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"[1,2]")
    values = [
        "[1,2]",
        b"[1,2]",
        [1, 2],
        np.array([1, 2]),
        pl.Series([1, 2]),
        pl.DataFrame({"a": [1, 2]}),
        {"a": [1, 2]},
        {1, 2},
        deque([1, 2]),
        True,
        1,
        1.0,
        "1",
        None,
        "",
        b"",
        [],
        {},
        {1: 2},
        {"1": 2},
        path.exists,
    ]
    found = [*map(version, values), file_content(str(path)).version, file_content(str(tmp_path)).version]
    assert len(set(found)) == len(found)


def test_json_is_canonical():
    assert version({"a": 1, "b": [1, (2, None)]}) == version({"b": [1, [2, None]], "a": 1})
    assert version({"a": 0.1}) != version({"a": 0.1 + 1e-17 + 1e-16})
    assert content_of({"a": 1}).kind == content_of(3).kind == content_of([np.int64(1)]).kind == "json"
    assert version([float("nan")]) != version([None])


def test_files_and_folders_by_their_bytes(tmp_path):
    for folder in ("one", "two"):
        (tmp_path / folder / "inner").mkdir(parents=True)
        (tmp_path / folder / "a").write_bytes(b"x" * 3_000_000)
        (tmp_path / folder / "inner" / "b").write_bytes(b"y")
    one, two = (file_content(str(tmp_path / folder)) for folder in ("one", "two"))
    assert one == two
    assert one.size == 3_000_001
    (tmp_path / "two" / "inner" / "b").rename(tmp_path / "two" / "inner" / "c")
    assert file_content(str(tmp_path / "two")).version != one.version
    assert file_content(str(tmp_path / "one" / "a")).version == file_content(str(tmp_path / "two" / "a")).version
    assert file_content("/dev/null").version is None, "what is no file is not waited for"


Point = namedtuple("Point", "x y")  # noqa: PYI024 - as met in the wild


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self, a, b):
        self.a, self.b = a, b


class Loop:
    def __init__(self, tail):
        self.me, self.tail = self, tail


class Liar:
    """Has no state that can be read."""

    def __reduce_ex__(self, protocol):
        raise RuntimeError


def plus(number):
    return lambda x: x + number


X, Y = np.random.default_rng(1).normal(size=(60, 4)), np.arange(60) % 2
ESTIMATORS = [
    LogisticRegression(),
    make_pipeline(StandardScaler(), LogisticRegression(C=2)),
    RandomForestClassifier(n_estimators=3, random_state=0),
    GradientBoostingClassifier(n_estimators=3, random_state=np.random.RandomState(0)),
    HistGradientBoostingClassifier(max_iter=3),
    KNeighborsClassifier(algorithm="kd_tree"),
    make_pipeline(FunctionTransformer(np.log1p), LogisticRegression()),
]


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda estimator: type(estimator).__name__)
def test_a_fitted_estimator_is_its_state(estimator):
    fitted = copy.deepcopy(estimator).fit(abs(X), Y)
    base = version(fitted)
    assert version(copy.deepcopy(fitted)) == base
    assert version(pickle.loads(pickle.dumps(fitted))) == base
    assert version(pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(fitted))))) == base
    changed = abs(X)
    changed[3] *= 3
    assert version(copy.deepcopy(estimator).fit(changed, 1 - Y)) != base
    assert version(estimator) != base
    assert content_of(fitted).kind == "estimator"


def test_one_other_coefficient_is_another_version():
    fitted = LogisticRegression().fit(X, Y)
    other = copy.deepcopy(fitted)
    other.coef_[0, 2] = np.nextafter(other.coef_[0, 2], 9)
    assert version(fitted) != version(other)


def test_a_vectorizer_is_its_vocabulary():
    one, other = TfidfVectorizer().fit(["a dog", "the cat"]), TfidfVectorizer().fit(["a dog", "the cow"])
    assert version(one) == version(pickle.loads(pickle.dumps(one))) != version(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({1, "a", (2,)}, {1, "a", (3,)}),
        (frozenset("ab"), frozenset("ac")),
        ({1: [2], "b": {3}}, {1: [2], "b": {4}}),
        (OrderedDict(a=1, b=2), OrderedDict(b=2, a=1)),
        (defaultdict(list, a=[1]), defaultdict(list, a=[2])),
        (deque([1, 2], 3), deque([1, 2], 4)),
        (Point(1, {2}), Point(1, {3})),
        (Slotted(1, 2), Slotted(2, 1)),
        (Loop(1), Loop(2)),
        (plus(1), plus(2)),
        (len, max),
        ([1].append, [2].append),
        (np.log, np.exp),
        (np.dtype("f8"), np.dtype("f4")),
        (np.float64(1), np.float64(2)),
        (int, float),
        (json, math),
        (complex(1, 2), complex(1, 3)),
        (bytearray(b"a"), bytearray(b"b")),
        (range(3), range(4)),
        (2**20000, 2**20000 + 1),
        ({"frame": pl.DataFrame({"a": [1]})}, {"frame": pl.DataFrame({"a": [2]})}),
        ("\ud800", "\ud801"),
        (time.struct_time(range(9)), time.struct_time(range(1, 10))),
        (datetime(2026, 1, 1), datetime(2026, 1, 2)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_any_object_is_its_state(one, other):
    assert version(one) == version(one) != version(other)


def test_two_that_share_a_part_are_as_two_that_do_not():
    part = [1, {2}]
    assert state_digest([part, part]) == state_digest([[1, {2}], [1, {2}]])
    assert version(Loop(part)) == version(Loop([1, {2}]))


@pytest.mark.parametrize(
    "value",
    [threading.Lock(), Liar(), [Liar()], {"a": threading.Lock()}, (n for n in "a")],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_walked_has_no_version(value, lost):
    assert content_of(value).version is None
    assert lost() == {"fingerprint": 1}


def test_too_deep_to_walk_has_no_version():
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert content_of(deep).version is None
    with pytest.raises(Unwalkable):
        state_digest(FRAME.lazy())


ACROSS = """
import numpy as np, polars as pl
from datetime import datetime
from sklearn.linear_model import LogisticRegression
from watchglass.capture.fingerprint import content_of
values = [
    {"b": {1, "x", (2, "y"), None}, "a": frozenset("watchglass")},
    pl.DataFrame({"a": [1, None], "t": ["x", None], "d": [datetime(2026, 1, 1), None]}),
    np.array([{"a", "b"}, 2], dtype=object),
    LogisticRegression().fit(np.arange(8.0).reshape(4, 2), [0, 1, 0, 1]),
    (lambda x: x in {"p", "q", "r"}),
    {"json": [1, 2.5, None]},
]
print(*(content_of(value).version for value in values))
"""


def test_equal_in_every_process(python):
    found = {python(ACROSS, PYTHONHASHSEED=seed).stdout for seed in ("1", "77")}
    assert len(found) == 1
    assert "None" not in found.pop()


def test_a_large_frame_is_hashed_at_the_speed_of_memory():
    frame = pl.DataFrame({f"c{n}": np.random.default_rng(n).normal(size=1_000_000) for n in range(5)})
    began = time.process_time()
    version(frame)
    assert time.process_time() - began < 1.0, "40 MB; per cell in Python it would be many seconds"
