"""The seam between the recorder and the sender: a URL for a store, small segments, and what is shipped when the process ends."""

from __future__ import annotations

import os

import pytest

import watchglass as wg
from watchglass.capture import recorder, spool
from watchglass.errors import BadInput


@pytest.fixture
def server(listening, tmp_path, monkeypatch):
    """A server to record to, with a spool of this test."""
    monkeypatch.setenv("WATCHGLASS_SPOOL", str(tmp_path / "spool"))
    return listening()


def test_what_is_recorded_reaches_the_server_once(server):
    wg.init(server.url)
    sent = [wg.log_prediction("m", features={"x": number}, prediction=1) for number in range(30)]
    recorder.close()
    assert sorted(server.ids("prediction")) == sorted(sent)
    root = spool.folder_for(server.url)
    assert spool.waiting(root, "rows") == spool.waiting(root, "graph") == []


def test_segments_are_small_and_no_file_of_the_working_folder_is_made(server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    wg.init(server.url)
    here = recorder.current()
    assert here.store == spool.folder_for(server.url)
    assert (here._rows._limits.seconds, here._rows._limits.size) == (2.0, 4_000_000)
    wg.log_label("m", "a", 1)
    assert os.listdir(tmp_path) == ["spool"]  # noqa: PTH208 - the names alone


def test_a_url_that_leads_nowhere_is_told_at_once():
    with pytest.raises(BadInput, match="port"):
        wg.init("http://example:port")


def test_a_disabled_process_makes_no_spool(server, tmp_path, monkeypatch):
    monkeypatch.setenv("WATCHGLASS_DISABLED", "1")
    wg.init(server.url)
    wg.log_label("m", "a", 1)
    recorder.close()
    assert not (tmp_path / "spool").exists()
    assert server.requests == []


def test_a_forked_child_ships_its_own(server, tmp_path, python):
    script = f"""
import os, watchglass as wg
wg.init({server.url!r})
wg.log_label("m", "parent", 1)
if (child := os.fork()) == 0:
    wg.log_label("m", "child", 1)
    from watchglass.capture import recorder
    recorder.close()
    os._exit(0)
os.waitpid(child, 0)
"""
    python(script, WATCHGLASS_DELIVER_SECONDS="20")
    assert sorted(server.ids("label")) == ["child", "parent"]


def test_a_child_of_multiprocessing_ships_before_it_leaves(server, tmp_path, python):
    script = f"""
import multiprocessing, watchglass as wg
wg.init({server.url!r})
def work(): wg.log_label("m", "child", 1)
child = multiprocessing.get_context("fork").Process(target=work); child.start(); child.join()
"""
    python(script, WATCHGLASS_DELIVER_SECONDS="20")
    assert server.ids("label") == ["child"]
