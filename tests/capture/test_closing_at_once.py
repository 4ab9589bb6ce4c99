"""A process that closes while its background thread still begins: nothing starts after the close, so all that was recorded is shipped."""

from __future__ import annotations

from watchglass.capture import spool

LATE = """
import os, threading, time
from watchglass.capture import beating
begin, closed = beating.start_new_thread, threading.Event()
def held(run, arguments):
    return begin(lambda: closed.wait(20) and run(), arguments)
beating.start_new_thread = held
import watchglass as wg
from watchglass.capture import recorder
store = recorder.current().store
wg.log_label("m", "x", 1)
recorder.close()
threads = threading.active_count()
closed.set()
end = time.monotonic() + 1
while time.monotonic() < end:
    assert threading.active_count() <= threads, "a sender began after the close"
    assert not os.path.exists(store + "/log/drops"), "a file of losses was begun after the close"
"""


def test_what_begins_late_does_not_begin_after_the_close(python, listening, tmp_path):
    server = listening()
    spools = tmp_path / "spools"
    python(LATE, WATCHGLASS_STORE=server.url, WATCHGLASS_SPOOL=str(spools), WATCHGLASS_DELIVER_SECONDS="20")
    assert server.ids("label") == ["x"]
    assert not spool.waiting(str(spools / spool.folder_name(server.url)), "rows")
