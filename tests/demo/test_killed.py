"""One of two service workers is killed again and again in mid-traffic: what a client saw acknowledged is in the log."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from dataclasses import replace

import httpx
import pytest

from tests.demo.test_service import children
from tests.demo.written import events, of, runs
from watchglass.demo import client

KILLS = 12
CLIENTS = 3


class Traffic:
    """Clients that ask without pause, each image under an id of its own, and remember what was acknowledged."""

    def __init__(self, address, questions):
        self.address = address
        self.questions = questions
        self.acknowledged = {}
        self.broken = 0
        self.unexpected = []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.ask, args=(name,)) for name in range(CLIENTS)]

    def ask(self, name):
        count = 0
        while not self.over.is_set():
            question = self.questions[count % len(self.questions)]
            question = replace(question, ids=[f"{name}-{count}-{ident}" for ident in question.ids])
            count += 1
            try:
                # a connection of its own for each question, so that both workers are asked
                with httpx.Client(base_url=self.address, trust_env=False) as http:
                    answer = client.asked(http, question)
            except httpx.TransportError:
                self.broken += 1
                continue
            except BaseException as error:
                self.unexpected.append(error)
                raise
            self.acknowledged.update(zip(answer.ids, answer.digits, strict=True))


@pytest.mark.slow
def test_no_acknowledged_prediction_is_lost_when_workers_are_killed(asked_about, tmp_path):
    system, _, questions = asked_about
    chance, killed, seen = random.Random(8), [], []
    serving = client.start(tmp_path, system, workers=2)
    traffic = Traffic(serving.address, questions)
    try:
        for thread in traffic.threads:
            thread.start()
        while len(killed) < KILLS or (not traffic.broken and len(killed) < 5 * KILLS):
            seen.append(len(traffic.acknowledged))
            until = time.monotonic() + 20
            while len(children(serving.process.pid)) < 2 or len(traffic.acknowledged) < seen[-1] + 100:
                assert time.monotonic() < until, f"no worker came back, or none answers: {traffic.unexpected}"
                time.sleep(0.005)
            time.sleep(chance.uniform(0, 0.2))
            killed.append(chance.choice(children(serving.process.pid)))
            os.kill(killed[-1], signal.SIGKILL)
    finally:
        traffic.over.set()
        for thread in traffic.threads:
            thread.join()
        assert serving.stop() == 0
    assert not traffic.unexpected
    assert traffic.broken, "no worker was killed while it worked"
    rows = {row["id"]: row for row in of("prediction", events(tmp_path, "rows", torn_by=killed))}
    assert len(traffic.acknowledged) > KILLS * 100
    assert traffic.acknowledged.keys() <= rows.keys(), "an acknowledged prediction is lost"
    assert all(rows[ident]["prediction"] == digit for ident, digit in traffic.acknowledged.items())
    known = {run["id"]: run["pid"] for run in runs(tmp_path, "predict")}
    assert {rows[ident]["run"] for ident in traffic.acknowledged} <= known.keys()
    assert len(set(known.values()) & set(killed)) >= KILLS // 2, "the killed workers had answered"
