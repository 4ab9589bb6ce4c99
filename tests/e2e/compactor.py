"""Compact a store over and over until killed: STORE."""

import sys

import watchglass as wg


def main(folder):
    with wg.open(folder) as store:
        while True:
            store.compact()


if __name__ == "__main__":
    main(sys.argv[1])
