"""A scikit-learn training pipeline, each step recorded: load → clean → split (a shell script) → train → evaluate.

python train.py [FOLDER]      files lie in FOLDER, else here; the store is WATCHGLASS_STORE, else ./watchglass-data
"""

from __future__ import annotations

import csv
import os
import random
import subprocess
import sys
from pathlib import Path

from sklearn.linear_model import LogisticRegression

import watchglass as wg

HERE = Path(__file__).parent


def rows_of(path):
    """Read numbers and the label of a table."""
    with Path(path).open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [[float(row["amount"]), float(row["age"])] for row in rows], [int(row["late"]) for row in rows]


@wg.component("load", owner="ana", outputs=["raw.csv"])
def load(seed=7):
    """Get the table of orders."""
    chosen = random.Random(seed)
    with Path("raw.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["amount", "age", "late"])
        for _ in range(500):
            amount, age = round(chosen.expovariate(0.02), 2), chosen.randrange(18, 90)
            table.writerow([amount if chosen.random() > 0.02 else "", age, int(amount + chosen.gauss(0, 20) > 60)])


@wg.component("clean", owner="ana", inputs=["raw.csv"], outputs=["rows.csv"])
def clean():
    """Leave out the rows without an amount."""
    with Path("raw.csv").open(newline="") as file, Path("rows.csv").open("w", newline="") as out:
        table = csv.writer(out)
        table.writerows(row for row in csv.reader(file) if row[0])


def split():
    """Split the rows with a shell script, recorded as a part of the run around it."""
    words = [
        "watchglass",
        "log",
        "run",
        "split",
        "--input",
        "rows.csv",
        "--output",
        "train.csv",
        "--output",
        "test.csv",
    ]
    script = ["sh", str(HERE / "split.sh"), "rows.csv", "train.csv", "test.csv"]
    subprocess.run([*words, "--", *script], check=True, env={**os.environ, **wg.trace_environment()})


@wg.component("train", owner="bo", inputs=["train.csv"], outputs=["model"])
def train(strength=1.0):
    """Fit the model."""
    features, labels = rows_of("train.csv")
    return LogisticRegression(C=strength).fit(features, labels)


@wg.component("evaluate", owner="bo", inputs=["model", "test.csv"], outputs=["report"])
def evaluate(model):
    """Say how often it is right on rows that it has not seen."""
    features, labels = rows_of("test.csv")
    return {"accuracy": model.score(features, labels), "rows": len(labels)}


def main():
    """Run the pipeline once."""
    if len(sys.argv) > 1:
        os.chdir(sys.argv[1])
    with wg.run("training"):
        load()
        clean()
        split()
        model = train()
        report = evaluate(model)
    wg.flush()
    print(f"{report['accuracy']:.3f} of {report['rows']} rows are right")


if __name__ == "__main__":
    main()
