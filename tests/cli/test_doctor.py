"""`watchglass doctor` as a user calls it: what it prints, its exit code, its JSON."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

import watchglass as wg
from tests.cli.calling import called
from watchglass.capture import recorder


@pytest.fixture
def folder(tmp_path):
    wg.init(tmp_path / "store")
    for number in range(5):
        wg.log_prediction("m", features={"x": number}, prediction=number, id=f"p{number}")
    recorder.close()
    with wg.open(tmp_path / "store") as store:
        store.compact()
    return tmp_path / "store"


def doctor(folder, *words):
    return called("doctor", "--store", folder, *words)


def process(folder, *words):
    command = [sys.executable, "-c", "from watchglass.cli.main import main; main()", "doctor", "--store", str(folder)]
    return subprocess.run([*command, *words], capture_output=True, text=True, timeout=120, check=False)


def test_a_sound_store_is_said_to_be_sound_with_exit_code_0(folder):
    done = doctor(folder)
    assert (done.returncode, done.stderr) == (0, "")
    assert ": sound (" in done.stdout


def test_damage_gives_exit_code_1_and_says_what_to_do_and_mending_gives_0(folder):
    next(folder.glob("tables/predictions/*.parquet")).unlink()
    done = doctor(folder)
    assert done.returncode == 1
    assert "damaged: 1 errors are left" in done.stdout
    assert "missing file" in done.stdout
    told = json.loads(doctor(folder, "--json", "--quick").stdout)
    assert (told["sound"], told["quick"], told["findings"][0]["rows"]) == (False, True, 5)
    mended = doctor(folder, "--mend", "--json")
    assert mended.returncode == 0
    assert [item["mended"] for item in json.loads(mended.stdout)["findings"] if item["severity"] == "error"] == [True]
    assert doctor(folder).returncode == 0


def test_a_catalog_that_is_gone_is_named_and_made_anew(folder):
    for path in folder.glob("catalog.db*"):
        path.unlink()
    done = doctor(folder)
    assert done.returncode == 1
    assert "broken catalog" in done.stdout
    assert process(folder, "--mend").returncode == 0
    with wg.open(folder) as store:
        assert len(store.sql("SELECT id FROM predictions").rows()) == 5


def test_no_store_is_wrong_use_with_exit_code_2(tmp_path):
    done = doctor(tmp_path / "nowhere")
    assert done.returncode == 2
    assert "there is no store at" in done.stderr


@pytest.mark.catalog_file
def test_a_catalog_that_is_none_is_one_sentence_for_who_asks(folder):
    (folder / "catalog.db").write_bytes(b"no catalog at all" * 1000)
    for left in ("-wal", "-shm"):
        (folder / f"catalog.db{left}").unlink(missing_ok=True)
    with pytest.raises(wg.WatchglassError, match=r"catalog.*is damaged.*watchglass doctor --mend"):
        wg.open(folder).status()
    assert (folder / "catalog.db").read_bytes().startswith(b"no catalog")
    assert process(folder, "--mend").returncode == 0
    with wg.open(folder) as store:
        assert store.status().predictions == 5
