"""Log ten thousand predictions a second to a server: URL COUNT NAME; prints each id once it is acknowledged."""

import sys
import time

import watchglass as wg


def main(url, count, name):
    wg.init(url)
    for number in range(count):
        features = {"x": float(number), "y": number % 7}
        given = wg.log_prediction("far", version="1", features=features, prediction=1, score=0.5, id=f"{name}-{number}")
        print(given, flush=number % 50 == 49)
        if number % 50 == 49:
            time.sleep(0.005)
    print("done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
