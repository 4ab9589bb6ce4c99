"""Charts drawn by another process are the same, and the process is there only while charts are asked for."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.web.served import until
from watchglass.show.render import drawn_here
from watchglass.web.painting import Painter

SPEC = '{"data": {"values": [{"a": 1}, {"a": 2}]}, "mark": "bar", "encoding": {"x": {"field": "a"}}, "width": 40, "height": 30}'


def running(pid):
    return Path(f"/proc/{pid}").exists()


def test_the_other_process_draws_the_same_and_ends_when_nothing_is_asked():
    painter = Painter(idle=0.5)
    try:
        assert painter.draw("svg", SPEC) == drawn_here("svg", SPEC)
        assert painter.draw("png", SPEC)[:8] == b"\x89PNG\r\n\x1a\n"
        pid = painter._process.pid
        until(lambda: not running(pid))
        assert painter.draw("svg", SPEC).startswith(b"<svg")
    finally:
        painter.close()
    assert painter._process is None


def test_what_cannot_be_drawn_is_told_and_the_next_is_drawn():
    painter = Painter()
    try:
        with pytest.raises(ValueError, match="."):
            painter.draw("svg", "{")
        assert painter.draw("svg", SPEC).startswith(b"<svg")
    finally:
        painter.close()


def test_a_killed_process_costs_no_chart():
    painter = Painter()
    try:
        painter.draw("svg", SPEC)
        os.kill(painter._process.pid, signal.SIGKILL)
        assert painter.draw("svg", SPEC).startswith(b"<svg")
    finally:
        painter.close()
