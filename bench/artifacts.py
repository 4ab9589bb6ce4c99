"""A gigabyte of each kind of content → what its version costs beside a bare hash of the same bytes, and what keeping it costs.

`python -m bench.artifacts [--megabytes 256]`: CPU seconds for each GB (1e9 bytes), the best of three. Frames hold doubles,
or texts of 24 characters; a forest and a booster are counted by the bytes of their pickles. The bare hash is BLAKE2b of
128 bits over the very buffer; a bare SHA-256 stands beside it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import pickle
import tempfile
import time
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl
import scipy.sparse as sp
from sklearn.ensemble import RandomForestClassifier

import watchglass as wg
from bench.record import Row, note, say
from watchglass.capture import keeping
from watchglass.capture.fingerprint import content_of, file_content

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

GB: Final = 1_000_000_000
COLUMNS: Final = 16
TRIES: Final = 3
BAR: Final = 1.5


def best(verb: Callable[[], object]) -> float:
    """Give the least CPU seconds of a few tries."""
    found = []
    for _ in range(TRIES):
        begun = time.process_time()
        verb()
        found.append(time.process_time() - begun)
    return min(found)


def frames(size: int) -> Mapping[str, tuple[object, int, bool]]:
    """Make what is versioned in memory: the value, its bytes, whether the bar holds for it."""
    rng = np.random.default_rng(0)
    rows = size // (8 * COLUMNS)
    numbers = pl.DataFrame({f"c{place}": rng.normal(size=rows) for place in range(COLUMNS)})
    texts = pl.DataFrame({"t": [f"{value:024d}" for value in rng.integers(0, 10**18, size // 24)]})
    array = rng.normal(size=(rows, COLUMNS))
    sparse = sp.csr_array(np.where(rng.random((rows // 8, COLUMNS * 10)) < 0.2, 1.5, 0.0))  # one in five
    bytes_of = sparse.data.nbytes + sparse.indices.nbytes * 2 + sparse.indptr.nbytes * 2
    whole = rows * 8 * COLUMNS
    lists = pl.DataFrame({"a": array.reshape(-1, 64)}, schema={"a": pl.Array(pl.Float64, 64)})
    return {
        "a polars frame of doubles": (numbers, whole, True),
        "a pandas frame of doubles": (numbers.to_pandas(), whole, True),
        "an Arrow table of doubles": (numbers.to_arrow(), whole, True),
        "an array of doubles": (array, whole, True),
        "the same array in Fortran's order": (np.asfortranarray(array), whole, False),
        "a sparse matrix (csr)": (sparse, bytes_of, False),
        "a polars frame of embeddings (64 doubles a cell)": (lists, whole, False),
        "a pandas frame of embeddings (64 doubles a cell)": (lists.to_pandas(), whole, False),
        "a polars frame of texts": (texts, len(texts) * 24, False),
        "a pandas frame of texts": (texts.to_pandas(), len(texts) * 24, False),
    }


def models() -> Mapping[str, tuple[object, int, bool]]:
    """Fit what is versioned by its state."""
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(20_000, 20)), rng.integers(0, 2, 20_000)
    found: dict[str, object] = {"a forest of 50 trees": RandomForestClassifier(50, n_jobs=1).fit(features, labels)}
    if find_spec("xgboost"):
        from xgboost import XGBClassifier  # noqa: PLC0415 - where it is

        found["a booster of xgboost, 300 trees"] = XGBClassifier(n_estimators=300, n_jobs=1).fit(features, labels)
    return {name: (model, len(pickle.dumps(model)), False) for name, model in found.items()}


def versions(size: int) -> list[Row]:
    """Measure versions beside the bare hash."""
    block = os.urandom(size)
    blake = best(lambda: hashlib.blake2b(block, digest_size=16)) / size * GB
    sha = best(lambda: hashlib.sha256(block)) / size * GB
    rows = [Row("bare SHA-256", "s/GB", sha, limit=blake, against="bare BLAKE2b", ok=None)]
    for name, (value, held, barred) in {**frames(size), **models()}.items():
        note(f"{name}: {held / 1e6:.0f} MB")
        cost = best(partial(content_of, value)) / held * GB
        bar = f"≤ {BAR:g} × the limit" if barred else ""
        ok = cost <= BAR * blake if barred else None
        detail = f"{held / 1e6:.0f} MB"
        rows.append(
            Row(
                f"version of {name}",
                "s/GB",
                cost,
                bar,
                limit=blake,
                against="bare BLAKE2b of as many bytes",
                ok=ok,
                detail=detail,
            )
        )
    with tempfile.TemporaryDirectory() as home:
        path = Path(home) / "file"
        path.write_bytes(block)
        cost = best(lambda: file_content(str(path))) / size * GB
    rows.append(
        Row(
            "version of a file",
            "s/GB",
            cost,
            f"≤ {BAR:g} × the limit",
            limit=blake,
            against="bare BLAKE2b of as many bytes",
            ok=cost <= BAR * blake,
            detail="in the page cache",
        )
    )
    return rows


def kept(size: int) -> list[Row]:
    """Measure keeping 100 MB, at first and again, beside numpy's own file and a sync."""
    array = np.random.default_rng(0).normal(size=size // 8)
    with tempfile.TemporaryDirectory() as home:
        bare = _timed(lambda: _bare(array, Path(home) / "bare.npy"))
        wg.init(Path(home) / "store")
        with wg.run("keep") as run:
            first = _timed(lambda: run.write(array, "array", keep="full"))
            again = _timed(lambda: run.write(array, "array", keep="full"))
            keeping._full_before.clear()  # noqa: SLF001 - as another process begins
            other = _timed(lambda: run.write(array, "array", keep="full"))
            hashed = _timed(lambda: run.write(array, "array", keep="hash"))
            lying = sum(path.stat().st_size for path in (Path(home) / "store" / "artifacts").glob("*/*"))
    against, detail = "numpy.save and fsync", f"{size / 1e6:.0f} MB, wall clock"
    return [
        Row(
            "keep an array, its version and profile with it",
            "s",
            first,
            limit=bare,
            against=against,
            ok=None,
            detail=detail,
        ),
        Row("keep it again, same process", "s", again, limit=hashed, against="keep='hash'", ok=None, detail=detail),
        Row("keep it again, another process", "s", other, limit=bare, against=against, ok=None, detail=detail),
        Row(
            "bytes kept after four times",
            "MB",
            lying / 1e6,
            "≤ 1.01 × the limit",
            limit=size / 1e6,
            against="once",
            ok=lying <= 1.01 * size,
        ),
    ]


def _bare(array: np.ndarray[tuple[int], np.dtype[np.float64]], path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, array)
        file.flush()
        os.fsync(file.fileno())


def _timed(verb: Callable[[], object]) -> float:
    begun = time.perf_counter()
    verb()
    return time.perf_counter() - begun


def main() -> None:
    """Measure and say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=256)
    size = parser.parse_args().megabytes * 1_000_000
    say("artifacts", [*versions(size), *kept(100_000_000)])


if __name__ == "__main__":
    main()
