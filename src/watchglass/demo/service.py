"""A request with images → the digits on them, once their predictions are in the log: a FastAPI app, and its process.

`answer` is the whole service; `app` puts it behind HTTP; `python -m watchglass.demo.service` serves it and prints
its address.
"""

from __future__ import annotations

import argparse
import os
import socket
import sys
import threading
from dataclasses import dataclass
from datetime import (
    date,
    datetime,
    timedelta,
)
from functools import lru_cache
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Final

import numpy as np
import uvicorn
from fastapi import FastAPI, HTTPException

import watchglass as wg
from watchglass.demo.features import Settings  # noqa: TC001 - a field's type
from watchglass.demo.images import SIDE
from watchglass.demo.model import Reader  # noqa: TC001 - likewise
from watchglass.demo.pipeline import MODEL, MODEL_VERSION, published, trained_model
from watchglass.demo.workers import supervise
from watchglass.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

SERVICE_VERSION: Final = "1"


@dataclass(frozen=True, slots=True)
class Question:
    """Images of one site and channel, cleaned (64 pixels each, 0 to 1), and their rows in a day's feature table."""

    time: datetime
    site: str
    channel: str
    table: date
    rows: list[int]
    ids: list[str]
    images: list[list[float]]


@dataclass(frozen=True, slots=True)
class Answer:
    """The digit on each image, how sure that is (0 to 1), and the run that its prediction was recorded under."""

    ids: list[str]
    digits: list[int]
    scores: list[float]
    run: str


@dataclass(frozen=True, slots=True)
class Health:
    """What is served."""

    model: str
    version: str


class Service:
    """A loaded model, and the feature tables of the last days that were asked about."""

    def __init__(self, folder: Path) -> None:
        self._reader: Reader = trained_model(folder)
        self._table: Callable[[date], tuple[NDArray[np.float64], Settings]] = lru_cache(maxsize=4)(
            lambda day: published(folder, day)
        )

    def answer(self, question: Question) -> Answer:
        """Read the digits, record the run and the predictions, then answer; raises `BadInput` for what does not fit."""
        begun = perf_counter()
        table, settings = self._table(question.table)
        images = _images(question, len(table))
        features = table[question.rows]
        digits, scores = self._reader.read(images, features)
        spent = perf_counter() - begun
        run = wg.log_run(
            "predict",
            started=question.time,
            ended=question.time + timedelta(seconds=spent),
            inputs=[
                ("digits_model", self._reader.weights),
                ("feature_settings", settings),
                ("feature_table", table),
            ],
            params={"site": question.site, "channel": question.channel, "images": len(images)},
            version=SERVICE_VERSION,
        )
        answer = Answer(question.ids, digits.tolist(), np.round(scores, 6).tolist(), run)
        _record(question, answer, [dict(zip(settings["names"], row, strict=True)) for row in features.tolist()], spent)
        return answer


def _images(question: Question, rows: int) -> NDArray[np.float64]:
    """Take the pixels as an array, when they, the ids and the rows are as many, and the rows lie in the table."""
    count = len(question.ids)
    if not count or len(question.images) != count or len(question.rows) != count:
        message = f"{len(question.images)} images, {len(question.rows)} rows and {count} ids do not fit: as many of each, at least one"
        raise BadInput(message)
    if not 0 <= min(question.rows) <= max(question.rows) < rows:
        message = f"rows {min(question.rows)} to {max(question.rows)} are not all in the table of {question.table}, which has {rows}"
        raise BadInput(message)
    if wrong := {len(image) for image in question.images} - {SIDE * SIDE}:
        message = f"an image of {min(wrong)} pixels cannot be read: {SIDE * SIDE} would do"
        raise BadInput(message)
    return np.asarray(question.images, dtype=np.float64).reshape(-1, SIDE, SIDE)


def _record(question: Question, answer: Answer, features: list[dict[str, float]], latency: float) -> None:
    tags = {"site": question.site, "channel": question.channel}
    for place, (ident, digit, score) in enumerate(zip(answer.ids, answer.digits, answer.scores, strict=True)):
        wg.log_prediction(
            MODEL,
            version=MODEL_VERSION,
            features=features[place],
            prediction=digit,
            score=score,
            id=ident,
            time=question.time,
            tags=tags,
            latency=latency,
            run=answer.run,
        )


def app(folder: Path) -> FastAPI:
    """Put the service behind POST /predict and GET /health."""
    service = Service(folder)
    made = FastAPI(title="digits", version=MODEL_VERSION, docs_url=None, redoc_url=None)

    @made.post("/predict")
    def predict(question: Question) -> Answer:
        """Answer 200 when all predictions are in the log, not before."""
        try:
            return service.answer(question)
        except BadInput as error:
            raise HTTPException(422, str(error)) from error

    @made.get("/health")
    def health() -> Health:
        """Say what is served."""
        return Health(MODEL, MODEL_VERSION)

    return made


def serve(served: FastAPI, listening: socket.socket, ends: int | None) -> None:
    """Answer on a listening socket until a signal comes, or until the descriptor `ends` does."""
    config = uvicorn.Config(served, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)

    def stop_in_time() -> None:
        while ends is not None and os.read(ends, 4096):
            pass
        server.should_exit = True

    if ends is not None:
        threading.Thread(target=stop_in_time, name="stop-in-time", daemon=True).start()
    server.run(sockets=[listening])


def main(arguments: list[str] | None = None) -> None:
    """Serve until a signal comes; the first line printed is the address."""
    parser = argparse.ArgumentParser(prog="python -m watchglass.demo.service", description="Serve the demo's model.")
    parser.add_argument("--store", required=True, help="the folder to record into")
    parser.add_argument("--system", required=True, type=Path, help="the folder of the model and the feature tables")
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--workers", type=int, default=1, help="processes that answer; a dead one is replaced")
    parser.add_argument("--with-parent", action="store_true", help="also stop when standard input ends")
    given = parser.parse_args(arguments)
    wg.init(given.store)
    served = app(given.system)
    until = sys.stdin.fileno() if given.with_parent else None
    # asyncio turns Nagle's algorithm off only where the protocol is named; with it each answer waits 40 ms for an ACK
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", given.port))
        listening.listen()
        host, port = listening.getsockname()
        sys.stdout.write(f"http://{host}:{port}\n")
        sys.stdout.flush()
        if given.workers > 1:
            until = supervise(given.workers, until=until)
            if until is None:  # the workers are gone, and this process served nothing
                return
        serve(served, listening, until)
    wg.flush()


if __name__ == "__main__":
    main()
