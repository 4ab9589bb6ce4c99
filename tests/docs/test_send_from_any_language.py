"""The examples of docs/how-to/send-from-any-language.md run as they stand."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.web.served import serving

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "send-from-any-language.md"
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE.read_text(), re.DOTALL)
SHELL = [text for language, text in BLOCKS if language == "sh"]
NODE = [text for language, text in BLOCKS if language == "js"]


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Run the whole page, in order, in one folder; gives what each example said and the server."""
    root = tmp_path_factory.mktemp("page")
    (root / "raw.csv").write_text("b\na\n")
    (root / "events.jsonl").write_text('{"kind": "log", "message": "from a file"}\n')
    bin_folder = root / "bin"
    bin_folder.mkdir()
    command = bin_folder / "watchglass"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "from watchglass.cli.main import main; main()" "$@"\n')
    command.chmod(0o755)
    with serving(root / "store") as served:
        environment = {
            **os.environ,
            "WATCHGLASS": served.url,
            "WATCHGLASS_STORE": str(root / "store"),
            "PATH": f"{bin_folder}:{os.environ['PATH']}",
        }
        commands = [["bash", "-euo", "pipefail", "-c", text] for text in SHELL]
        commands += [["node", "--input-type=module", "-e", text] for text in NODE]
        said = [
            subprocess.run(
                words, cwd=root, env=environment, capture_output=True, text=True, check=True, timeout=120
            ).stdout
            for words in commands
        ]
        yield served, said


def test_the_page_has_examples_for_curl_node_and_shell():
    assert (len(SHELL), len(NODE)) == (5, 1)


def test_every_example_is_recorded(told):
    served, said = told
    assert [json.loads(text)["accepted"] for text in said[:3]] == [1, 1, 2]
    assert "accepted: 2" in said[-1]
    assert [row["id"] for row in served.rows("SELECT id FROM predictions ORDER BY id")] == [
        "tx-1",
        "tx-2",
        "tx-3",
        "tx-4",
    ]
    assert [row["id"] for row in served.rows("SELECT id FROM labels ORDER BY id")] == ["tx-1", "tx-4"]
    assert served.rows("SELECT count(*) AS n FROM metrics") == [{"n": 2}]
    assert served.rows("SELECT count(*) AS n FROM logs") == [{"n": 3}]
    run = served.rows("SELECT component, status FROM runs")
    assert run == [{"component": "load", "status": "ok"}]


def test_what_the_page_says_of_limits_is_so():
    from watchglass import settings
    from watchglass.receive import lines
    from watchglass.receive.columns import WIDEST

    text = PAGE.read_text()
    said = (
        f"{settings.INGEST_BODY_BYTES.default >> 20} MB as sent, {settings.INGEST_INFLATED_BYTES.default >> 20} MB once decompressed, "
        f"{lines.LONGEST >> 20} MB a line, {lines.WHOLE >> 20} MB for an array, {lines.DEEPEST} levels deep, {WIDEST:,} features"
    )
    assert said in text
