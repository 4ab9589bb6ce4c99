"""The examples of the page on sampling run one after the other, and give what the page says."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

from click.testing import CliRunner

import watchglass as wg
from watchglass.capture import recorder
from watchglass.cli.main import commands
from watchglass.monitor.weighting import weighted_mean

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "sample.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_examples_run_and_the_query_gives_what_the_function_gives(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in blocks("python"):
        exec(compile(block, "sample.md", "exec"), names)
        recorder.close()
    assert "Estimate(" in capsys.readouterr().out
    with wg.open("watchglass-data") as store:
        (asked,) = store.sql(blocks("sql")[0]).rows()
    assert asked["n"] == sum(names["weights"])
    assert abs(asked["n"] - 2000) < 700
    found = weighted_mean([row["amount"] for row in names["rows"]], names["weights"])
    assert math.isclose(asked["mean"], found.value)
    assert 1.9 * asked["standard_error"] < found.high - found.value < 2.1 * asked["standard_error"]
    for line in blocks("sh")[0].splitlines():
        words = re.findall(r"'[^']*'|\S+", line)[1:]
        done = CliRunner().invoke(
            commands, [word.strip("'") for word in words], env={"WATCHGLASS_STORE": "watchglass-data"}
        )
        assert done.exit_code == 0, done.output
    assert json.loads(Path("watchglass-data/settings.json").read_text()) == {
        "sampling": [{"model": "fraud", "method": "head", "rate": 0.01}]
    }
