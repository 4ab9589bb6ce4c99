"""A value → kept bytes → the value again: equal, by its library's own safe format, and nothing in the bytes is run."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from watchglass.capture import keeping_read
from watchglass.capture.fingerprint import content_of, file_content
from watchglass.capture.keeping_formats import form, pack_folder
from watchglass.capture.keeping_place import FOLDER, TooMuch, checked, form_of, held, place_of, put
from watchglass.errors import BadInput, StoreError


def kept(root, value, wanted=None):
    found = form(value, wanted)
    return put(str(root), found.write, found.name, found.ending)


def again(root, value):
    name = kept(root, value).name
    return keeping_read.read(checked(place_of(str(root), name), name), form_of(name))


CELLS = {"i": [1, 2, -3], "f": [0.5, None, 2.0], "t": ["a", None, "é"], "l": [[1], [], None]}
POLARS = pl.DataFrame(CELLS)
TIMES = pd.DataFrame({"a": pd.to_datetime(["2026-01-01", None]).tz_localize("Europe/Berlin")})
VALUES = {
    "pandas": (POLARS.select("i", "f", "t").to_pandas(), "pandas.parquet"),
    "pandas with labels of rows": (TIMES.set_axis(["x", "y"]), "pandas.parquet"),
    "pandas with categories": (pd.DataFrame({"a": pd.Categorical(["b", "a"])}), "pandas.parquet"),
    "a series of pandas": (pd.Series([1.5, None], name="s"), "pandas.series.parquet"),
    "polars": (POLARS, "polars.parquet"),
    "polars without rows": (POLARS[:0], "polars.parquet"),
    "a series of polars": (pl.Series("s", ["a", None]), "polars.series.parquet"),
    "an Arrow table": (POLARS.to_arrow(), "arrow.parquet"),
    "a batch of Arrow": (POLARS.to_arrow().to_batches()[0], "arrow.parquet"),
    "an Arrow array": (pa.array([1, None]), "arrow.series.parquet"),
    "an array": (np.arange(6.0).reshape(2, 3), "npy"),
    "an array in Fortran's order": (np.asfortranarray(np.eye(3)), "npy"),
    "an array of records": (np.array([(1, 2.0)], "i4, f8"), "npy"),
    "an array of nothing": (np.zeros((0, 3)), "npy"),
    "an array of texts": (np.array(["a", "bb"]), "npy"),
    "a sparse matrix": (sp.csr_array(np.eye(3)), "sparse.npz"),
    "a sparse matrix by diagonals": (sp.dia_array(np.eye(3)), "sparse.npz"),
    "a text": ("é\n\ud800", "txt"),
    "bytes": (b"\x00\xff", "bin"),
    "JSON": ({"b": [1, 2.5, None, True], "a": {"é": "x"}, "n": float("inf")}, "json"),
    "a number": (2**80, "json"),
}


@pytest.mark.parametrize("name", VALUES)
def test_what_is_kept_comes_back_as_the_same_version(tmp_path, name):
    value, expected = VALUES[name]
    assert form(value).name == expected
    back = again(tmp_path, value)
    assert content_of(back).version == content_of(value).version
    wanted = (
        pa.Table
        if isinstance(value, pa.RecordBatch)
        else pa.ChunkedArray
        if isinstance(value, pa.Array)
        else type(value)
    )
    assert isinstance(back, wanted)


X, Y = np.random.default_rng(0).normal(size=(80, 3)), np.arange(80) % 2


def test_an_estimator_of_scikit_learn_comes_back(tmp_path):
    pytest.importorskip("skops", reason="skops is not installed")
    fitted = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, Y)
    assert content_of(again(tmp_path, fitted)).version == content_of(fitted).version


class Own(StandardScaler):
    """A type that skops cannot know as harmless."""


def test_an_estimator_of_a_strange_type_is_not_made_unless_it_is_trusted(tmp_path):
    pytest.importorskip("skops", reason="skops is not installed")
    name = kept(tmp_path, Own().fit(X)).name
    path = place_of(str(tmp_path), name)
    with pytest.raises(BadInput, match=r"holds types that skops does not know.*Own.*trusted="):
        keeping_read.read(path, "skops")
    strange = f"{Own.__module__}.Own"
    assert isinstance(keeping_read.read(path, "skops", trusted=[strange]), Own)


def test_models_of_xgboost_come_back_as_their_class(tmp_path):
    xgboost = pytest.importorskip("xgboost", reason="xgboost is not installed")
    fitted = xgboost.XGBClassifier(n_estimators=3, n_jobs=1).fit(X, Y)
    assert form(fitted).name == "xgboost.XGBClassifier.json"
    back = again(tmp_path, fitted)
    assert type(back) is xgboost.XGBClassifier
    assert (back.predict_proba(X) == fitted.predict_proba(X)).all()
    booster = again(tmp_path, fitted.get_booster())
    assert (booster.inplace_predict(X) == fitted.get_booster().inplace_predict(X)).all()


def test_no_other_name_of_xgboost_is_called(tmp_path):
    pytest.importorskip("xgboost", reason="xgboost is not installed")
    (tmp_path / "a").write_text("{}")
    with pytest.raises(StoreError, match="xgboost has no model 'DMatrix'"):
        keeping_read.read(str(tmp_path / "a"), "xgboost.DMatrix.json")


def test_models_of_lightgbm_come_back_as_boosters(tmp_path):
    lightgbm = pytest.importorskip("lightgbm", reason="lightgbm is not installed")
    fitted = lightgbm.LGBMClassifier(n_estimators=3, n_jobs=1, verbose=-1).fit(X, Y)
    assert form(fitted).name == "lightgbm.txt"
    assert np.allclose(again(tmp_path, fitted).predict(X), fitted.predict_proba(X)[:, 1])


def test_a_frame_of_a_library_that_is_not_here_is_read_by_another(tmp_path, monkeypatch):
    name = kept(tmp_path, POLARS).name
    monkeypatch.setattr(keeping_read, "find_spec", lambda library: None if library == "polars" else library)
    back = keeping_read.read(place_of(str(tmp_path), name), form_of(name))
    assert isinstance(back, pd.DataFrame)


UNSAFE = [
    (np.array([{1}, 2], dtype=object), "holds Python objects"),
    (np.ma.array([1, 2], mask=[0, 1]), r"keep array\.filled\(\) and array\.mask"),
    ({"a": {1, 2}}, r"a builtins\.dict has no safe format.*format='pickle'"),
    (pd.DataFrame({"a": [1, "x"]}), "cannot be written as Parquet"),
    (pl.DataFrame({"a": pl.Series([{1}], dtype=pl.Object)}), "cannot be written as Parquet"),
    (object(), r"a builtins\.object has no safe format"),
]


@pytest.mark.parametrize(("value", "said"), UNSAFE, ids=lambda value: type(value).__name__)
def test_what_only_a_pickle_could_hold_is_refused_and_leaves_nothing(tmp_path, value, said):
    with pytest.raises(BadInput, match=said):
        kept(tmp_path, value)
    assert held(str(tmp_path)) == 0
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_a_pickle_is_made_and_read_only_when_called_for_by_name(tmp_path):
    name = kept(tmp_path, Bomb(str(tmp_path / "harm")), "pickle").name
    path = place_of(str(tmp_path), name)
    with pytest.raises(BadInput, match="runs whatever its writer put into it"):
        keeping_read.read(path, "pickle")
    assert not (tmp_path / "harm").exists()
    keeping_read.read(path, "pickle", allow_pickle=True).close()
    assert (tmp_path / "harm").exists()
    with pytest.raises(BadInput, match="format cannot be 'joblib'"):
        form([1], "joblib")


def test_an_array_file_that_holds_a_pickle_is_not_read(tmp_path):
    np.save(tmp_path / "a.npy", np.array([Bomb(str(tmp_path / "harm"))], dtype=object), allow_pickle=True)
    with pytest.raises(StoreError, match="cannot be read as npy"):
        keeping_read.read(str(tmp_path / "a.npy"), "npy")
    assert not (tmp_path / "harm").exists()


def folder(root):
    (root / "inner" / "empty").mkdir(parents=True)
    (root / "a").write_bytes(b"x" * 100_000)
    (root / "inner" / "b").write_text("y")
    return root


def test_a_folder_comes_back_as_the_same_version(tmp_path):
    source = folder(tmp_path / "one")
    first = put(str(tmp_path), lambda path: pack_folder(str(source), path), "tar")
    os.utime(source / "a", (1, 1))
    assert put(str(tmp_path), lambda path: pack_folder(str(source), path), "tar") == type(first)(
        first.name, first.size, new=False
    )
    path = place_of(str(tmp_path), first.name)
    with pytest.raises(BadInput, match="a folder is read into a folder"):
        keeping_read.read(path, "tar")
    back = keeping_read.read(path, "tar", to=str(tmp_path / "back"))
    assert file_content(back) == file_content(str(source))
    assert (tmp_path / "back" / "inner" / "empty").is_dir()
    with pytest.raises(BadInput, match="holds something"):
        keeping_read.read(path, "tar", to=str(tmp_path / "back"))


def test_a_folder_with_a_link_is_not_kept(tmp_path):
    (folder(tmp_path / "one") / "link").symlink_to("/etc/passwd")
    with pytest.raises(BadInput, match=r"cannot hold '.*link', which is a link"):
        pack_folder(str(tmp_path / "one"), str(tmp_path / "tar"))


@pytest.mark.parametrize(
    ("name", "kind"),
    [("../out", tarfile.REGTYPE), ("/tmp/out", tarfile.REGTYPE), ("a", tarfile.SYMTYPE), ("a", tarfile.FIFOTYPE)],
)
def test_an_archive_writes_nothing_outside_its_folder(tmp_path, name, kind):
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname, entry.size = kind, "/etc/passwd", 1 if kind == tarfile.REGTYPE else 0
    with tarfile.open(tmp_path / "tar", "w") as archive:
        archive.addfile(entry, io.BytesIO(b"x") if kind == tarfile.REGTYPE else None)
    with pytest.raises(StoreError, match="is no file below its folder"):
        keeping_read.read(str(tmp_path / "tar"), "tar", to=str(tmp_path / "in" / "it"))
    assert not (tmp_path / "in" / "out").exists()
    assert not list((tmp_path / "in" / "it").iterdir())


def test_bytes_are_kept_once_and_read_only(tmp_path):
    first, second = kept(tmp_path, "one"), kept(tmp_path, "one")
    assert (first.new, second.new) == (True, False)
    assert first.name == second.name
    path = place_of(str(tmp_path), first.name)
    assert (Path(path).stat().st_mode & 0o777, held(str(tmp_path))) == (0o444, 3)
    assert [entry.name for entry in (tmp_path / FOLDER).iterdir()] == [first.name[:2]]


def test_bytes_that_are_there_cost_nothing_of_what_may_still_be_kept(tmp_path):
    kept(tmp_path, "x" * 100)
    found = form("x" * 100)
    assert not put(str(tmp_path), found.write, found.name, most=0).new
    other = form("y" * 100)
    with pytest.raises(TooMuch, match="100 bytes are more than the 99"):
        put(str(tmp_path), other.write, other.name, most=99)
    assert held(str(tmp_path)) == 100


def test_damaged_bytes_are_not_read(tmp_path):
    name = kept(tmp_path, "one").name
    path = Path(place_of(str(tmp_path), name))
    path.chmod(0o644)
    path.write_text("two")
    with pytest.raises(StoreError, match=r"are damaged.*watchglass doctor"):
        checked(str(path), name)
    path.unlink()
    with pytest.raises(StoreError, match="were removed, or they have not come"):
        checked(str(path), name)


def test_bytes_cut_short_are_kept_anew(tmp_path):
    name = kept(tmp_path, "one").name
    Path(place_of(str(tmp_path), name)).chmod(0o644)
    os.truncate(place_of(str(tmp_path), name), 1)
    assert kept(tmp_path, "one").new
    assert checked(place_of(str(tmp_path), name), name)
