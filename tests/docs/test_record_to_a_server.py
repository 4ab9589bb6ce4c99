"""The page on recording to a server says what is true: its example runs, its settings exist."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import watchglass as wg
from watchglass import settings

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "record-to-a-server.md").read_text()


def test_the_example_records_to_the_server_that_the_page_starts(tmp_path, monkeypatch):
    (command,) = re.findall(r"```sh\n(watchglass serve .*?)\n```", PAGE)
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    words = command.replace("--port 8000", "--port 0").split()[1:]
    monkeypatch.setenv("WATCHGLASS_SPOOL", str(tmp_path / "spool"))
    with subprocess.Popen(
        [sys.executable, "-c", "from watchglass.cli.main import main; main()", *words, "--json"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        try:
            address = json.loads(server.stdout.readline())["address"].rstrip("/")
            assert "http://127.0.0.1:8000" in example
            exec(compile(example.replace("http://127.0.0.1:8000", address), "record-to-a-server.md", "exec"), {})
            with wg.open(tmp_path / "watchglass-data") as store:
                query = "SELECT id, label, score FROM predictions JOIN labels USING (model, environment, id)"
                assert store.sql(query).rows() == [{"id": "tx-1", "label": "0", "score": 0.93}]
        finally:
            server.terminate()


def test_the_settings_it_names_are_settings():
    named = set(re.findall(r"WATCHGLASS_[A-Z_]+", PAGE))
    assert named <= {setting.env for setting in settings.SETTINGS}
    assert {settings.SPOOL.env, settings.TOKEN.env, settings.DELIVER_SECONDS.env} <= named
