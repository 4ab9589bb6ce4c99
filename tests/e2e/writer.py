"""Log predictions as fast as this process can: STORE COUNT NAME; prints each acknowledged thousand."""

import sys

import watchglass as wg


def main(store, count, name):
    wg.init(store)
    for number in range(count):
        features = {"x": float(number), "y": number % 7}
        wg.log_prediction(
            "torture", version="1", features=features, prediction=number % 10, score=0.5, id=f"{name}-{number}"
        )
        if number % 1000 == 999:
            print(number + 1, flush=True)
    print("done", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
