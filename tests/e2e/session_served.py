"""Send requests to a server of one's own, telling what was acknowledged, then kill it: STORE TOLD REQUESTS."""

import http.client
import json
import os
import subprocess
import sys
import time

TIME = 1_780_272_000_000_000


def lines(number):
    for n in range(6):
        ident = f"q{number}-{n}"
        row = {"kind": "prediction", "model": "served", "id": ident, "time": TIME + n, "features": {"x": n / 2}}
        yield ident, {**row, "prediction": n % 3}
    yield f"label q{number}-0", {"kind": "label", "model": "served", "id": f"q{number}-0", "label": 0, "time": TIME + 9}


def main(store, told, requests):
    main_ = "from watchglass.cli.main import main; main()"
    command = [sys.executable, "-c", main_, "serve", "--store", store, "--port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            address = json.loads(server.stdout.readline())["address"]
            handle = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            for number in range(requests):
                ids, events = zip(*lines(number), strict=True)
                body = "".join(json.dumps(event) + "\n" for event in events)
                connection = http.client.HTTPConnection(address.rpartition("/")[2], timeout=60)
                headers = {"Idempotency-Key": f"k{number}", "Content-Type": "application/x-ndjson"}
                connection.request("POST", "/api/v1/events", body, headers)
                answer = connection.getresponse()
                said = answer.read()
                connection.close()
                if answer.status != 200:
                    message = f"{answer.status}: {said[:500]}"
                    raise SystemExit(message)
                os.write(handle, json.dumps([*ids, f"key k{number}"]).encode() + b"\n")
                time.sleep(0.7)
            time.sleep(2)  # the keeper of the store compacts
        finally:
            server.kill()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
