"""What other processes dropped is counted by reason, once, whether they live, died or told the log."""

from __future__ import annotations

import fcntl
import json

from tests.store.bench import BEGIN
from watchglass.store.losses import losses, take_over
from watchglass.store.overview import overview


def told(bench, name, reasons, writer="host:1:ab", time=BEGIN):
    home = bench.folder.root / "log" / "drops"
    home.mkdir(exist_ok=True)
    path = home / f"{name}.json"
    path.write_text(json.dumps({"writer": writer, "reasons": reasons, "time": time}).ljust(4095) + "\n")
    return path


def test_of_one_process_the_larger_count_holds_and_processes_add_up(bench):
    told(bench, "a", {"ENOSPC": 5, "encode": 1})
    told(bench, "b", {"ENOSPC": 2}, writer="host:2:cd")
    bench.write("graph", [{"kind": "drops", "writer": "host:1:ab", "reasons": {"ENOSPC": 3}, "time": BEGIN}])
    assert losses(bench.folder, bench.engine) == {"ENOSPC": 7, "encode": 1}
    found = overview(bench.folder, bench.engine)
    assert (found.dropped, found.drops) == (8, (("ENOSPC", 7), ("encode", 1)))


def test_the_counts_of_the_dead_are_taken_over_once_and_their_files_go(bench):
    dead = told(bench, "a", {"ENOSPC": 5})
    living = told(bench, "b", {"ENOSPC": 2}, writer="host:2:cd")
    with living.open() as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        assert take_over(bench.folder, bench.engine) == 1
        assert not dead.exists()
        assert living.exists()
    assert losses(bench.folder, bench.engine) == {"ENOSPC": 7}
    assert bench.ask("SELECT reason, rows FROM drops") == [{"reason": "ENOSPC", "rows": 5}]


def test_a_file_that_says_nothing_is_no_loss(bench):
    path = told(bench, "a", {})
    path.write_bytes(b"\0" * 4096)
    assert losses(bench.folder, bench.engine) == {}
