"""A client of the HTTP benchmark: prepared batches posted over one kept connection → what was acknowledged, as JSON on stdout.

Only the ids of a batch are new in each post, put in by a replacement of bytes, so that the client costs little beside the
server; one digit pattern of 12 characters stands for the number of the post.
"""

from __future__ import annotations

import json
import random
import sys
import time
from http.client import HTTPConnection, HTTPException
from typing import Final

_MARK: Final = "NNNNNNNNNNNN"


def batch(client: int, number: int, events: int) -> bytes:
    """Write a batch of predictions of 25 features; only ids differ between the numbers."""
    return template(client, events).replace(_MARK.encode(), f"{number:012d}".encode())


def template(client: int, events: int) -> bytes:
    """Write a batch with a mark where the number of the post goes."""
    chance = random.Random(client)
    now = time.time_ns() // 1000
    lines = [
        {
            "kind": "prediction",
            "model": "fraud",
            "id": f"{client:02d}-{_MARK}-{place:04d}",
            "time": now + place,
            "version": "3",
            "environment": "live",
            "features": {f"feature_{column:02d}": chance.gauss(0, 1) for column in range(25)},
            "prediction": int(chance.random() < 0.1),
            "score": chance.random(),
            "tags": {"country": chance.choice(("IT", "FR", "DE"))},
        }
        for place in range(events)
    ]
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode()


def post(port: int, path: str, client: int, events: int, seconds: float) -> dict[str, object]:
    """Post until the time is over; a request that is refused for now is sent again with the same key."""
    made, mark = template(client, events), _MARK.encode()
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    latencies: list[float] = []
    number = failed = acknowledged = 0
    begun, used = time.monotonic(), time.process_time()
    while time.monotonic() - begun < seconds:
        body = made.replace(mark, b"%012d" % number)
        headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": f"bench-{client}-{number}"}
        at = time.monotonic()
        try:
            connection.request("POST", path, body, headers)
            answer = connection.getresponse()
            told = answer.read()
        except (OSError, HTTPException):
            connection.close()
            failed += 1
            continue
        if answer.status != 200:
            failed += 1
            time.sleep(float(answer.headers.get("Retry-After", "1")))
            continue
        latencies.append(time.monotonic() - at)
        acknowledged += json.loads(told).get("accepted", events)
        number += 1
    return {
        "acknowledged": acknowledged,
        "seconds": time.monotonic() - begun,
        "latencies": latencies,
        "failed": failed,
        "cpu": time.process_time() - used,
    }


def main() -> None:
    """Run one client: port, path, events a batch, seconds, its number."""
    port, path, events, seconds, client = sys.argv[1:6]
    json.dump(post(int(port), path, int(client), int(events), float(seconds)), sys.stdout)


if __name__ == "__main__":
    main()
