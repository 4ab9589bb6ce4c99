"""Compact, count, merge and sweep a store, over and over until killed, or once: STORE [once] [compact|count|merge]…."""

import sys
import time

import watchglass as wg
from watchglass.store.cells import follow
from watchglass.store.compact import compact
from watchglass.store.leases import LeaseLost
from watchglass.store.merge import merge
from watchglass.store.sweep import sweep

ACTS = {"compact": compact, "count": follow, "merge": merge, "sweep": sweep}
LONGEST = 900.0


def main(folder, *chosen):
    once, begun = "once" in chosen, time.monotonic()
    acts = [ACTS[name] for name in chosen if name in ACTS] or list(ACTS.values())
    with wg.open(folder) as store:
        while time.monotonic() - begun < LONGEST:
            try:
                for act in acts:
                    act(store._folder, store._engine)
            except LeaseLost:
                continue  # another took over while this one was stopped: as it should be
            if once:
                break
            time.sleep(0.05)


if __name__ == "__main__":
    main(*sys.argv[1:])
