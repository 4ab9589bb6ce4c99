"""A recorded run run again: the same comes out, or what is missing or differs is said."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

import watchglass as wg
from watchglass.errors import UnknownName

STEPS = """
import asyncio
import random
from pathlib import Path

import watchglass as wg

@wg.component("scale", inputs=["rows"], outputs=["scaled"], keep="full")
def scale(rows, by=2):
    return {name: value * by for name, value in rows.items()}

@wg.component("count", inputs=["file"], outputs=["lines"])
def count(file):
    return {"lines": len(Path(file).read_text().splitlines())}

@wg.component("dice", outputs=["thrown"])
def dice():
    return {"thrown": random.random()}

@wg.component("unnamed", outputs=["out"])
def unnamed(thing):
    return {"out": thing}

@wg.component("unkept", inputs=["rows"], outputs=["out"])
def unkept(rows):
    return {"out": 1}

@wg.component("later", outputs=["out"])
async def later():
    await asyncio.sleep(0)
    return {"out": 1}

@wg.component("failing")
def failing():
    raise ValueError("odd")
"""
RECORD = """
import asyncio
import contextlib
from pathlib import Path

import watchglass as wg

wg.init(store="store")
import steps

steps.scale({"a": 1, "b": 2})
steps.scale({"a": 5, "b": 7})
Path("lines.txt").write_text("one\\ntwo\\n")
steps.count("lines.txt")
steps.dice()
steps.unnamed(object)
steps.unkept({"a": 1})
asyncio.run(steps.later())
with contextlib.suppress(ValueError):
    steps.failing()
with wg.run("block"):
    pass

@wg.component("here")
def here():
    return None

here()
wg.flush()
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A folder with a module of components, whose runs a script recorded."""
    root = tmp_path_factory.mktemp("project")
    (root / "steps.py").write_text(STEPS)
    (root / "record.py").write_text(RECORD)
    done = subprocess.run(
        [sys.executable, "record.py"], cwd=root, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return root


@pytest.fixture
def store(project, monkeypatch):
    monkeypatch.chdir(project)
    with wg.open(project / "store") as found:
        yield found


def first(store, component):
    return store.history(component, 100)[-1].id


def test_the_same_input_gives_the_same_output(store):
    found = store.rerun(first(store, "scale"))
    assert (found.missing, found.same, found.differs) == ((), True, ())
    assert store.run(found.run).component == "scale"
    assert store.run(store.run(found.run).parent).params == {"of": found.of}


def test_another_parameter_gives_another_output(store):
    found = store.rerun(first(store, "scale"), params={"by": 3})
    assert (found.same, found.differs) == (False, ("output 'scaled' is changed",))


def test_another_version_of_an_input_may_be_put_in_its_place(store):
    second, run = store.history("scale", 100)[-2:]
    other = store.run(second.id)
    found = store.rerun(run.id, inputs={"rows": other.reads[0].version})
    assert set(found.differs) == {"output 'scaled' is changed", "input 'rows' is changed"}
    assert store.run(found.run).writes[0].version == other.writes[0].version


def test_a_file_that_is_as_it_was_is_read_again_and_one_that_changed_is_not(store, project):
    run = first(store, "count")
    assert store.rerun(run).same
    before = (project / "lines.txt").read_text()
    try:
        (project / "lines.txt").write_text("one\n")
        found = store.rerun(run)
        assert (found.run, found.same) == (None, False)
        assert "is another version" in found.missing[0]
        (project / "other.txt").write_text("1\n2\n3\n")
        other = store.rerun(run, inputs={"file": "other.txt"})
        assert set(other.differs) == {"output 'lines' is changed", "input 'file' is changed"}
        (project / "lines.txt").unlink()
        assert "is gone" in store.rerun(run).missing[0]
    finally:
        (project / "lines.txt").write_text(before)


def test_what_is_left_to_chance_comes_out_differently(store):
    found = store.rerun(first(store, "dice"))
    assert (found.same, found.differs) == (False, ("output 'thrown' is changed",))


@pytest.mark.parametrize(
    ("component", "said"),
    [
        ("unnamed", "argument 'thing': it was not recorded; name it: --param thing=VALUE"),
        ("unkept", "input 'rows': nothing is kept of version"),
        ("block", "was a block of code, not a function"),
        ("here", "it was in a script"),
    ],
)
def test_what_is_missing_is_said_and_nothing_is_called(store, component, said):
    found = store.rerun(first(store, component))
    assert (found.run, found.same, found.diff) == (None, False, None)
    assert said in " ".join(found.missing)


def test_coroutines_are_run_and_what_failed_fails_again(store):
    assert store.rerun(first(store, "later")).same
    found = store.rerun(first(store, "failing"))
    assert (found.same, store.run(found.run).error) == (True, "ValueError: odd")


def test_changed_code_is_told(store, project):
    text = (project / "steps.py").read_text()
    try:
        (project / "steps.py").write_text(text.replace("value * by", "value * by + 0"))
        found = store.rerun(first(store, "scale"))
        assert found.same
        assert any(line.startswith("code source_hash:") for line in found.differs)
        assert "+    return {name: value * by + 0" in found.diff.source
    finally:
        (project / "steps.py").write_text(text)


def test_from_elsewhere_the_module_is_missing(store, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "it cannot be imported from" in store.rerun(first(store, "scale")).missing[0]


def test_a_name_that_the_function_does_not_take_is_told(store):
    assert "takes no such input or parameter" in store.rerun(first(store, "scale"), params={"yb": 3}).missing[0]
    with pytest.raises(UnknownName, match="no run 'nobody'"):
        store.rerun("nobody")
    with pytest.raises(UnknownName, match="no version of model 'fraud' '3'"):
        store.rerun(first(store, "scale"), models={"fraud": "3"})


def test_a_shell_has_exit_codes(project):
    def rerun(*words):
        command = [sys.executable, "-c", "from watchglass.cli.main import main; main()", "rerun", *words]
        environment = {**os.environ, "WATCHGLASS_STORE": "store"}
        return subprocess.run(
            command, cwd=project, env=environment, capture_output=True, text=True, timeout=120, check=False
        )

    with wg.open(project / "store") as store:
        run = first(store, "scale")
    same = rerun(run, "--json")
    assert (same.returncode, json.loads(same.stdout)["same"]) == (0, True)
    other = rerun(run, "--param", "by=5")
    assert (other.returncode, "it came out differently\n  output 'scaled' is changed" in other.stdout) == (1, True)
    wrong = rerun(run, "--param", "by")
    assert (wrong.returncode, "NAME=VALUE would do" in wrong.stderr) == (2, True)
