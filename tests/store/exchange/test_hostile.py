"""A hostile file is refused with a clear error, or its bad rows are counted; never a traceback, never more memory than 1 GB."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from watchglass.errors import BadInput
from watchglass.reading import Store

HEAD = "id,time,prediction,x\n"
ROWS = HEAD + "".join(f"r{n},2026-06-01,1,{n / 7}\n" for n in range(100))
GOOD = {"id": "a", "time": "2026-06-01", "prediction": 1}
LINES = "\n".join(json.dumps({**GOOD, "id": f"r{n}"}) for n in range(9))
TORTURE = bool(os.environ.get("WATCHGLASS_TORTURE"))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with Store(tmp_path_factory.mktemp("hostile") / "store", create=True) as opened:
        yield opened


REFUSED = {
    "utf-16 with a mark.csv": (ROWS.encode("utf-16"), "looks like UTF-16.*iconv"),
    "utf-16 without.csv": (ROWS.encode("utf-16-le"), "looks like UTF-16.*iconv"),
    "utf-16 the other way.jsonl": (LINES.encode("utf-16-be"), "looks like UTF-16.*iconv"),
    "one name twice.csv": (b"id,time,prediction,x,x\na,2026-06-01,1,2,3\n", "'x', 'x'.*one name.*rename"),
    "alike but for case.csv": (b"id;time;prediction;x;X\na;2026-06-01;1;2;3\n", "'x', 'X'.*one name.*rename"),
    "no header.csv": (b"a,2026-06-01,1,2\nb,2026-06-01,1,2\n", "no header.*--time COLUMN"),
    "many names in one line.jsonl": (
        json.dumps({**GOOD, **{f"k{n}": n for n in range(200_000)}}).encode(),
        "more than 5,000 different names.*cut out",
    ),
    "many names behind the first lines.jsonl": (
        b"\n".join([json.dumps(GOOD).encode()] * 21_000 + [b'{"time":"2026-06-01","k%d":1}' % n for n in range(6_000)]),
        "more than 5,000 different names.*cut out",
    ),
    "deep.jsonl": (json.dumps(GOOD)[:-1].encode() + b',"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n", "depth"),
    "noise.csv": (np.random.default_rng(1).bytes(1 << 16), "cannot be taken in|looks like|no column"),
    "noise.jsonl": (np.random.default_rng(1).bytes(1 << 16), "no column of time|no line"),
    "noise.parquet": (np.random.default_rng(1).bytes(1 << 16), "cannot be read"),
    "empty.csv": (b"", "is empty"),
    "packed.csv.gz": (b"\x1f\x8b\x08", "packed.*unpack it first"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_table_is_refused_with_what_would_do(store, tmp_path, name):
    data, why = REFUSED[name]
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(BadInput, match=f"(?s){why}"):
        store.import_(path, model="refused")
    assert store.sql("SELECT count(*) AS n FROM predictions WHERE model = 'refused'").rows() == [{"n": 0}]


TAKEN = {
    "latin-1.csv": (HEAD.encode() + b"r1,2026-06-01,1,caf\xe9\nr2,2026-06-01,1,plain\n", 1, 1),
    "zero bytes.csv": (ROWS.encode() + b"r\0a,2026-06-01,1,2\n", 101, 0),
    "zero bytes.jsonl": (LINES.encode() + b"\n\0\0\n", 9, 1),
    "columns without a name.csv": (b"id,time,prediction,,\na,2026-06-01,1,,\nb,2026-06-01,1,,\n", 2, 0),
    "a header alone.csv": (HEAD.encode(), 0, 0),
    "a word among numbers.csv": (ROWS.encode() * 1 + b"rz,2026-06-01,1,abc\n", 101, 0),
    "half a pair.jsonl": (b'{"id":"\\ud800","time":"2026-06-01"}\n' + LINES.encode(), 9, 1),
    "a key twice.jsonl": (b'{"id":"a","time":"2026-06-01","x":1,"x":2}\n' + LINES.encode(), 9, 1),
    "a key twice inside.jsonl": (b'{"id":"a","time":"2026-06-01","x":{"y":1,"y":2}}\n' + LINES.encode(), 9, 1),
    "latin-1.jsonl": (b'{"id":"caf\xe9","time":"2026-06-01"}\n' + LINES.encode(), 9, 1),
    "a word behind many numbers.jsonl": (
        b'{"id":"a","time":"2026-06-01","x":1}\n' * 21_000 + b'{"id":"b","time":"2026-06-01","x":"abc"}\n',
        21_001,
        1,
    ),
    "a name behind many lines.jsonl": (
        LINES.encode() + b"\n" + (LINES.encode() + b"\n") * 2_400 + b'{"time":"2026-06-01","id":"n","late":1}',
        21_610,
        0,
    ),
    "a time that is none.jsonl": (LINES.encode() + b'\n{"id":"b","time":"yesterday"}\n', 9, 1),
}


@pytest.mark.parametrize("name", TAKEN)
def test_rows_that_cannot_be_taken_are_counted(store, tmp_path, name):
    data, rows, rejected = TAKEN[name]
    path = tmp_path / name
    path.write_bytes(data)
    taken = store.import_(path, model=name)
    assert (taken.rows, taken.rejected) == (rows, rejected)


def test_each_line_without_a_form_is_told_with_its_place_reason_and_text(store, tmp_path):
    path = tmp_path / "told.jsonl"
    broken = [b'{"id":"a","time":"2026-06-01","x":1,"x":2}', b'{"id":"b","ti', b"[1]", b'{"id":"\xe9"}']
    path.write_bytes(LINES.encode() + b"\n" + b"\n".join(broken) + b"\n")
    assert store.import_(path, model="told").rejected == 4
    found = {
        item.line: (item.reason, item.raw) for item in store.rejections().rejections if item.segment == "told.jsonl"
    }
    assert found[10] == ("a key comes twice in the line: 'x'", broken[0].decode())
    assert found[11][0].startswith("the line is not JSON")
    assert found[12] == ("the line is not a JSON object but list", "[1]")
    assert found[13][1] == '{"id":"\\xe9"}'


def test_what_is_beyond_a_thousand_broken_lines_is_counted_by_reason(store, tmp_path):
    path = tmp_path / "many.jsonl"
    path.write_bytes(LINES.encode() + b"\n" + b"[]\n" * 1500 + b'{"a":1,"a":2}\n' * 20)
    assert store.import_(path, model="many").rejected == 1520
    rest = [item for item in store.rejections(limit=1000).rejections if item.segment == "many.jsonl" and item.rows > 1]
    assert {item.reason: item.rows for item in rest} == {
        "the line is not a JSON object but list": 500,
        "a key comes twice in the line": 20,
    }


def test_ids_of_two_types_keep_their_words(store, tmp_path):
    path = tmp_path / "mixed.jsonl"
    path.write_text('{"id":"a","time":"2026-06-01","x":"one"}\n{"id":2,"time":"2026-06-01","x":2.5}\n')
    store.import_(path, model="mixed")
    found = store.sql("SELECT id, features.x AS x FROM predictions ORDER BY id", model="mixed").rows()
    assert found == [{"id": "2", "x": "2.5"}, {"id": "a", "x": "one"}]


MEASURED = """
import sys
from pathlib import Path
from watchglass.cli.main import main

sys.argv[1:] = ["import", sys.argv[1], "--model", "m", "--store", sys.argv[2]]
try:
    main()
finally:
    print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""


def measured(path, root):
    command = [sys.executable, "-c", MEASURED, str(path), str(root)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert int(done.stdout.split()[-1]) < 1000 << 10, done.stdout
    assert "Traceback" not in done.stderr
    return done


@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_a_line_without_an_end_is_refused_before_anything_holds_it(tmp_path, ending):
    path = tmp_path / f"long{ending}"
    begin = (ROWS if ending == ".csv" else LINES + "\n").encode()
    with path.open("wb") as file:
        file.write(begin + b'{"x": "')
        for _ in range(300 if TORTURE else 20):
            file.write(b"9" * (1 << 20))
    done = measured(path, tmp_path / "store")
    assert "has a line of more than 16,777,216 bytes" in done.stderr
    assert f"begins at byte {len(begin):,}" in done.stderr


def test_a_small_parquet_file_that_grows_a_thousand_times_is_taken_in_within_bounds(tmp_path):
    rows = 4_000_000 if TORTURE else 200_000
    none = pa.array(np.zeros(rows, "int32"))
    grown = {
        "id": pa.DictionaryArray.from_arrays(none, pa.array(["a"])),
        "time": pa.array(np.zeros(rows, "int64"), pa.timestamp("us")),
        "prediction": none,
        "x": pa.DictionaryArray.from_arrays(none, pa.array(["x" * 2000])),
    }
    pq.write_table(pa.table(grown), tmp_path / "grows.parquet", compression="zstd", row_group_size=rows)
    assert (tmp_path / "grows.parquet").stat().st_size < 1 << 20
    done = measured(tmp_path / "grows.parquet", tmp_path / "store")
    assert done.returncode == 0, done.stderr
