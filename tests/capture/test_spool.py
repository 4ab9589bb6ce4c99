"""Where events wait for a server, and which of them may be taken from there."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from tests.capture.listening import PROMPT

from watchglass.capture import spool
from watchglass.capture.segment import Log

URL = "https://watch.example:8443/team"


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    return tmp_path / "home"


def test_the_users_state_folder_holds_a_folder_for_each_server_for_this_user_alone(home):
    found = spool.folder_for(URL)
    assert found == f"{home}/.local/state/watchglass/{spool.folder_name(URL)}"
    assert stat.S_IMODE(Path(found).stat().st_mode) == 0o700
    assert stat.S_IMODE((home / ".local/state/watchglass").stat().st_mode) == 0o700
    assert spool.folder_for(URL) == found
    assert spool.folder_for("https://watch.example:8443/other") != found


def test_the_xdg_folder_comes_first_and_a_relative_one_is_ignored(home, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    assert spool.folder_for(URL).startswith(f"{tmp_path}/state/watchglass/watch.example-8443-team-")
    monkeypatch.setenv("XDG_STATE_HOME", "state")
    assert spool.folder_for(URL).startswith(f"{home}/.local/state/watchglass/")


def test_the_setting_comes_first_of_all_and_still_keeps_servers_apart(home, tmp_path, monkeypatch):
    monkeypatch.setenv("WATCHGLASS_SPOOL", "~/events")
    assert spool.folder_for(URL) == f"{home}/events/{spool.folder_name(URL)}"
    assert spool.folder_for("http://other") != spool.folder_for(URL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WATCHGLASS_SPOOL", "here")
    assert spool.folder_for(URL) == f"{tmp_path}/here/{spool.folder_name(URL)}"


def test_without_a_home_the_temporary_folder_holds_one_of_the_users_own(home, tmp_path, monkeypatch):
    home.write_text("not a folder")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    own = tmp_path / f"watchglass-{os.getuid()}"
    assert spool.folder_for(URL) == f"{own}/{spool.folder_name(URL)}"
    assert stat.S_IMODE(own.stat().st_mode) == 0o700


@pytest.mark.parametrize("trap", ["open to all", "a link"])
def test_a_folder_that_another_may_have_laid_there_is_not_used(home, tmp_path, monkeypatch, trap):
    home.write_text("not a folder")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    own = tmp_path / f"watchglass-{os.getuid()}"
    if trap == "a link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        own.symlink_to(tmp_path / "elsewhere")
    else:
        own.mkdir()
        own.chmod(0o777)
    assert spool.folder_for(URL) == f"{home}/.local/state/watchglass/{spool.folder_name(URL)}"
    assert not list(own.iterdir())


@pytest.mark.parametrize(
    "url",
    [
        "http://a/../../etc",
        "http://a/\0",
        "http://[::1]:80/x y",
        "http://" + "h" * 5000,
        "http://é.example/ü",
        "http:///",
    ],
)
def test_any_url_names_one_folder_and_nothing_above_it(url):
    name = spool.folder_name(url)
    assert "/" not in name
    assert "\0" not in name
    assert name not in (".", "..")
    assert len(name) < 100
    assert name.isascii()


def test_urls_that_read_alike_have_folders_of_their_own():
    urls = ["http://a/b", "https://a/b", "http://a-b", "http://a/b/c", "http://a/b-c", "http://a:80/b"]
    assert len({spool.folder_name(url) for url in urls}) == len(urls)
    assert spool.folder_name("http://A/b/") == spool.folder_name("http://a/b")


HOLD = """
import sys
from watchglass.capture import spool
with spool.sealed(sys.argv[1], "rows", sys.argv[2]) as segment:
    print(segment is not None)
"""


def test_one_process_at_a_time_holds_a_sealed_segment(waiting):
    waiting.segment()
    (name,) = waiting.names()

    def other():
        command = [sys.executable, "-c", HOLD, str(waiting.root), name]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    with spool.sealed(str(waiting.root), "rows", name) as segment:
        assert segment.size == (waiting.root / "log" / "rows" / name).stat().st_size
        assert other() == "False"
    assert other() == "True"
    with spool.sealed(str(waiting.root), "rows", name) as segment:
        spool.delete(segment)
    assert other() == "False"
    assert not spool._held


def test_a_segment_that_was_deleted_between_its_opening_and_its_lock_is_gone(waiting):
    waiting.segment()
    (name,) = waiting.names()
    path = waiting.root / "log" / "rows" / name
    handle = os.open(path, os.O_RDONLY)
    path.unlink()
    path.symlink_to(f"/proc/self/fd/{handle}")  # opens the file that has no name any more
    with spool.sealed(str(waiting.root), "rows", name) as segment:
        assert segment is None
    os.close(handle)


def test_what_dead_writers_left_unfinished_is_swept_after_an_hour_and_nothing_else(waiting):
    folder = waiting.root / "log" / "rows"
    folder.mkdir(parents=True)
    old, young = time.time() - 4000, time.time() - 100
    left = ["a.parquet.tmp", "b.jsonl.open", "c.parquet.json", "d.jsonl.parts"]
    kept = ["e.jsonl", "f.parquet", "f.parquet.json", "g.jsonl", "g.jsonl.parts"]
    for name in [*left, *kept]:
        (folder / name).write_bytes(b"x")
        os.utime(folder / name, (old, old))
    (folder / "h.jsonl.tmp").write_bytes(b"x")
    os.utime(folder / "h.jsonl.tmp", (young, young))
    alive = Log(str(waiting.root), "rows", PROMPT)
    alive.append(b"{}\n")
    (name,) = set(waiting.names()) - {*left, *kept, "h.jsonl.tmp"}
    (folder / name).rename(folder / f"{name}.open")
    os.utime(folder / f"{name}.open", (old, old))
    assert spool.sweep(str(waiting.root)) == len(left)
    assert waiting.names() == sorted([*kept, "h.jsonl.tmp", f"{name}.open"])
    alive.close()
    assert spool.sweep(str(waiting.root / "nowhere")) == 0
