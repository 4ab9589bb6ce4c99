"""Words of a command line → what `watchglass` prints and its exit code, without a new process.

A process costs most of a second before it does anything: each file of tests has one or more that start the real one.
"""

from __future__ import annotations

import io
import sys
from subprocess import CompletedProcess

import pytest

from watchglass.capture import recorder
from watchglass.cli.main import main


def called(*words, says="", **environment):
    """Do all that the installed command does: its words, its standard streams, its errors, its exit code."""
    words = [*map(str, words)]
    streams = {name: io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for name in ("stdout", "stderr")}
    with pytest.MonkeyPatch.context() as patch:
        for name, text in environment.items():
            patch.setenv(name, text)
        patch.setattr(sys, "argv", ["watchglass", *words])
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(says.encode()), "utf-8"))
        for name, stream in streams.items():
            patch.setattr(sys, name, stream)
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        finally:
            recorder.close()
            recorder._current = None
    return CompletedProcess(words, code, *(stream.buffer.getvalue().decode() for stream in streams.values()))
