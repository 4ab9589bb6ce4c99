"""A lease is held by the living alone: not by the dead, not by a dead one nobody took note of, not by another of the same number."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from watchglass.store import leases
from watchglass.store.leases import hold


def held_by(bench, owner):
    """Make a process the holder of a lease that has not run out."""
    from watchglass.store.transactions import writing

    with writing(bench.engine) as connection:
        connection.execute(leases.leases.insert().values(name="cells", owner=owner, epoch=1, until=time.time() + 60))


def owner(pid):
    return f"{os.uname().nodename}:{pid}:{leases._begun(pid)}:x"


def test_the_living_keep_it(bench):
    held_by(bench, owner(os.getpid()))
    with hold(bench.engine, "cells") as lease:
        assert lease is None


def test_a_dead_process_loses_it_even_before_its_parent_takes_note(bench):
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    who = owner(process.pid)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, and still listed
    held_by(bench, who)
    with hold(bench.engine, "cells") as lease:
        assert lease is not None
    process.communicate()


def test_another_process_of_the_same_number_is_another(bench):
    host, pid, _, rest = owner(os.getpid()).split(":")
    held_by(bench, f"{host}:{pid}:1:{rest}")
    with hold(bench.engine, "cells") as lease:
        assert lease is not None


@pytest.mark.parametrize("pid", [0, 2**22 + 1])
def test_nobody_began_never(pid):
    assert leases._begun(pid) == ""
