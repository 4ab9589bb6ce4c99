"""Work that no fork may cut in two → done under one lock that every fork of this process waits for, so keep it short."""

from __future__ import annotations

import os
import threading
from typing import Final

whole: Final = threading.RLock()
"""Re-entrant, so that a signal handler that forks in the middle of the work goes on."""

os.register_at_fork(before=whole.acquire, after_in_parent=whole.release, after_in_child=whole.release)
