"""Compact a store over and over until killed: STORE."""

import sys

import watchglass as wg

with wg.open(sys.argv[1]) as store:
    print("compacting", flush=True)
    while True:
        store.compact()
