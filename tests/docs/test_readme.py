"""The README's examples run, its commands exist, and its claims about files are true."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import watchglass as wg
from watchglass.cli.main import commands

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_python_examples_run_one_after_the_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.csv").write_text("amount,label\n1,0\n")
    names = {}
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), names)
    with wg.open("watchglass-data") as store:
        assert store.sql("SELECT label FROM predictions JOIN labels USING (model, environment, id)").rows() == [
            {"label": "0"}
        ]
        assert {row["component"] for row in store.sql("SELECT component FROM runs").rows()} == {"train"}
        assert store.sql("SELECT version FROM deployments").rows() == [{"version": "3"}]
    assert names["clean"]([{"amount": 1}, {"amount": -1}]) == [{"amount": 1}]
    names["store"].close()


def test_the_two_commands_come_first_and_exist():
    assert blocks("sh")[0].split("\n")[:2] == [
        "make demo     # a real pipeline and a served model go wrong, are found out, and the pages open",
        "make test     # the tests; `make slow` has those that kill processes and cut the power",
    ]
    targets = (ROOT / "Makefile").read_text()
    assert "\ndemo:" in targets
    assert "\ntest:" in targets


def test_every_command_that_is_shown_is_a_command():
    shown = {line.split()[1] for block in blocks("sh") for line in block.splitlines() if line.startswith("watchglass ")}
    assert shown <= set(commands.commands)
    assert {"check", "models", "incidents", "explain", "sql", "serve", "replay"} <= shown


@pytest.mark.parametrize(
    "path", ["docs/models.png", "ARCHITECTURE.md", "LICENSE", "NOTICE", "CHANGELOG.md", "changelog.d"]
)
def test_what_the_readme_speaks_of_is_there(path):
    assert (ROOT / path).exists()


def test_the_query_of_the_readme_answers(tmp_path):
    query = re.search(r'watchglass sql "(.*?)"', README).group(1)
    wg.init(tmp_path)
    wg.log_prediction("m", version="1", features={}, prediction=1, id="a")
    wg.log_label("m", "a", 1)
    with wg.open(tmp_path) as store:
        assert list(store.sql(query).rows()[0].values()) == ["1", 1.0]


def test_each_folder_says_in_one_line_what_goes_in_and_comes_out():
    for path in sorted((ROOT / "src" / "watchglass").glob("*/__init__.py")):
        text = path.read_text()
        assert text.count("\n") == 1, path
        assert ":" in text, path


def test_modules_stay_readable():
    long = {path.name: n for path in (ROOT / "src").rglob("*.py") if (n := path.read_text().count("\n")) > 400}
    assert long == {}
