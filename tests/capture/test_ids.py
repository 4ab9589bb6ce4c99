from __future__ import annotations

import threading
import time
import uuid

from hypothesis import given, settings
from hypothesis import strategies as st

from watchglass.capture import ids


def test_each_is_a_uuid_of_version_7_and_says_when():
    made = uuid.UUID(ids.new_id())
    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert abs((made.int >> 80) - time.time() * 1000) < 5_000


@settings(deadline=None)
@given(st.integers(2, 300))
def test_they_only_grow(count):
    made = [ids.new_hex() for _ in range(count)]
    assert made == sorted(set(made))


def test_no_two_threads_get_one():
    found: list[list[str]] = [[] for _ in range(4)]
    threads = [
        threading.Thread(target=lambda mine=mine: mine.extend(ids.new_id() for _ in range(3000))) for mine in found
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({one for mine in found for one in mine}) == 12_000
    assert all(mine == sorted(mine) for mine in found)


def test_a_forked_child_does_not_count_on_from_its_parent(python):
    script = """
import os
from watchglass.capture.ids import new_id
new_id()
read, write = os.pipe()
if os.fork() == 0:
    os.write(write, "\\n".join(new_id() for _ in range(500)).encode()); os._exit(0)
mine = {new_id() for _ in range(500)}
os.wait()
theirs = set(os.read(read, 1 << 20).decode().split())
print(len(theirs), len(mine & theirs))
"""
    assert python(script).stdout.split() == ["500", "0"]
