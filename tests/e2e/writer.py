"""Record as fast as this process can, and count each call that returned: STORE COUNT NAME TALLY.

The tally is two numbers in a file that is mapped into memory: predictions and labels acknowledged so far. What is
written there outlives this process however it ends.
"""

import mmap
import struct
import sys
import time
from pathlib import Path

import watchglass as wg


def main(store, count, name, tally):
    wg.init(store)
    with Path(tally).open("r+b") as file:
        counts = mmap.mmap(file.fileno(), 16)
        for number in range(count):
            wg.log_prediction(
                "torture",
                version="1",
                features={"x": float(number), "y": number % 7},
                prediction=number % 10,
                score=0.5,
                id=f"{name}-{number}",
            )
            struct.pack_into("<q", counts, 0, number + 1)
            if number % 2 == 0:
                wg.log_label("torture", f"{name}-{number}", number % 10)
                struct.pack_into("<q", counts, 8, number // 2 + 1)
            if number % 50 == 49:
                time.sleep(0.01)
        wg.flush(60)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4])
