from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import watchglass as wg
from watchglass.capture import environment, repository, resources
from watchglass.errors import BadInput


def last(logs):
    return logs.graph("run")[-1]


def git(folder, *words):
    known = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    done = subprocess.run(["git", "-C", folder, *words], env={**os.environ, **known}, check=True, capture_output=True)
    return done.stdout.decode().strip()


@pytest.fixture
def repo(tmp_path):
    folder = tmp_path / "repo"
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "step.py").write_text("x = 1\n")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "one")
    return folder


SCRIPT = """
import sys, watchglass as wg
wg.init(sys.argv[1])
for n in range(2):
    with wg.run("step"):
        pass
"""


def code_in(folder, tmp_path, name):
    store = tmp_path / name
    subprocess.run([sys.executable, "-c", SCRIPT, store], cwd=folder, check=True, timeout=120)
    (path,) = (store / "log" / "graph").glob("*.jsonl")
    runs = [event for event in map(json.loads, path.read_text().splitlines()) if event["kind"] == "run"]
    return [event for event in runs if event["status"] == "ok"]


def test_a_run_says_commit_tag_and_what_was_changed_since(repo, tmp_path):
    clean = code_in(repo, tmp_path, "a")[-1]
    assert clean["code"] == {"commit": git(repo, "rev-parse", "HEAD")}
    assert "left_out" not in clean

    git(repo, "tag", "-a", "v1", "-m", "first")
    (repo / "step.py").write_text("x = 2\n")
    first, second = code_in(repo, tmp_path, "b")
    assert first["code"] == second["code"], "the first run to end waits for git"
    assert first["code"]["tag"] == "v1"
    assert len(first["code"]["dirty"]) == 12

    assert code_in(repo, tmp_path, "c")[-1]["code"] == first["code"], "equal changes have an equal digest"
    (repo / "step.py").write_text("x = 3\n")
    assert code_in(repo, tmp_path, "d")[-1]["code"]["dirty"] != first["code"]["dirty"]
    git(repo, "add", ".")
    assert "dirty" in code_in(repo, tmp_path, "e")[-1]["code"], "staged is not committed"


def test_without_git_the_run_names_what_it_lacks(repo, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    event = code_in(repo, tmp_path, "a")[-1]
    assert len(event["code"]["commit"]) == 40, "the commit is read without git"
    assert event["left_out"] == ["tag and uncommitted changes: git is not installed"]


def test_a_git_that_takes_long_is_waited_for_once_and_shortly(repo, tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    slow = tmp_path / "bin" / "git"
    slow.write_text("#!/bin/sh\nexec sleep 5\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow.parent}:{os.environ['PATH']}")
    first, second = code_in(repo, tmp_path, "a")
    assert first["left_out"] == second["left_out"] == ["tag and uncommitted changes: git has not answered yet"]
    assert first["ended"] - first["started"] < 3_000_000
    assert second["ended"] - second["started"] < 400_000, "the second waits no more"


def test_outside_of_a_repository_nothing_is_asked(tmp_path, monkeypatch):
    (tmp_path / "plain").mkdir()
    if repository.root(str(tmp_path)) is not None:
        pytest.skip("the temporary folder lies in a repository")
    event = code_in(tmp_path / "plain", tmp_path, "a")[-1]
    assert "code" not in event or event["code"] == {}
    assert "left_out" not in event


def test_the_source_of_a_function_is_kept_once(logs):
    @wg.component("step", version="2")
    def step():
        """Say something."""
        return "text that is kept"

    step()
    step()
    (source,) = [event for event in logs.graph("source") if event["name"].endswith("step")]
    assert source["text"].startswith("def step():")
    assert "text that is kept" in source["text"]
    assert last(logs)["code"]["source_hash"] == source["id"]
    assert last(logs)["version"] == "2"


def test_a_source_that_is_too_long_is_named(logs, tmp_path, python):
    (tmp_path / "long.py").write_text(
        "import watchglass as wg\n@wg.component('long')\ndef long():\n"
        + "    x = 'a line of many'\n" * 3000
        + "long()\n"
    )
    python(f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import long")
    assert last(logs)["left_out"][0].startswith("the function's source: ")
    assert logs.graph("source") == []
    assert "source_hash" in last(logs)["code"]


def test_the_environment_is_told_once_and_named_by_every_run(logs):
    with wg.run("a"):
        pass
    wg.log_run("b", started=1, ended=2)
    (told,) = logs.graph("environment")
    assert {event["environment"] for event in logs.graph("run")} == {told["id"]}
    record = told["record"]
    assert record["python"] == ".".join(map(str, sys.version_info[:3]))
    assert record["packages"]["numpy"] == np.__version__
    assert record["packages"]["scikit-learn"]
    assert record["host"]["system"] == os.uname().sysname
    assert record["host"]["cpus"] >= 1
    assert isinstance(record["accelerator"], list)
    assert os.uname().nodename not in json.dumps(record), "equal machines share an environment"


def test_two_processes_share_an_environment(logs, python):
    script = "import watchglass as wg; wg.log_run('x', started=1, ended=2)"
    python(script)
    python(script)
    assert len(logs.graph("environment")) == 2
    assert len({event["id"] for event in logs.graph("environment")}) == 1


def test_packages_are_those_that_importlib_finds():
    from importlib.metadata import distributions

    found = environment.packages(tuple(sys.path))
    known = {one.metadata["Name"].lower().replace("_", "-").replace(".", "-"): one.version for one in distributions()}
    assert {name: version for name, version in known.items() if found.get(name) != version} == {}


def test_a_folder_of_packages_of_every_form(tmp_path):
    for name in (
        "A_b.C-1.0.dist-info",
        "old-2.1-py3.11.egg-info",
        "x-1.0_local.dist-info",
        "notes-info",
        "y.dist-info",
    ):
        (tmp_path / name).mkdir()
    assert environment.packages((str(tmp_path), str(tmp_path / "none"))) == {
        "a-b-c": "1.0",
        "old": "2.1",
        "x": "1.0+local",
    }


def test_a_run_says_what_it_used(logs, tmp_path):
    data = tmp_path / "data"
    with wg.run("work") as run:
        held = bytearray(80_000_000)
        data.write_bytes(held[:3_000_000])
        data.read_bytes()
        sum(number * number for number in range(600_000))
        del held
    used = last(logs)["resources"]
    assert used["cpu_seconds"] > 0.005
    assert used["peak_memory"] > 80_000_000
    assert 3_000_000 <= used["written_bytes"] < 30_000_000
    assert 3_000_000 <= used["read_bytes"] < 30_000_000
    assert "resources" not in logs.graph("run")[0]
    assert run.around.left_out == []


def test_children_that_were_waited_for_count(logs):
    with wg.run("work"):
        subprocess.run([sys.executable, "-c", "sum(n * n for n in range(2_000_000))"], check=True)
    assert last(logs)["resources"]["cpu_seconds"] > 0.05


def test_a_peak_from_before_the_run_is_told(logs):
    before, after = resources.Usage(1.0, 500, 7, 8), resources.Usage(3.5, 500, 10, 8)
    assert resources.used(before, after) == {
        "cpu_seconds": 2.5,
        "peak_memory": 500,
        "peak_before": True,
        "read_bytes": 3,
        "written_bytes": 0,
    }
    assert "read_bytes" not in resources.used(before, resources.Usage(3.5, 600, -1, -1))


def test_what_is_beyond_the_budget_is_named_on_the_run_and_known_by_its_name(logs, tmp_path):
    large = tmp_path / "large.bin"
    large.write_bytes(bytes(3_000_000))
    with wg.run("work", budget=(None, 2_000_000)) as run:
        assert run.read(large) is None
        assert run.read(np.zeros(1000), "small") is not None
        assert run.read(np.zeros(300_000), "array") is None
        assert run.read("warehouse.orders") is None
    event = last(logs)
    assert [edge["rule"] for edge in event["reads"]] == ["declared", "content", "declared", "declared"]
    assert event["left_out"] == [
        f"the version of '{large}': 3000000 bytes, 2000000 of 2000000 are left (setting capture_bytes)",
        "the version of 'array': 2400000 bytes, 1992000 of 2000000 are left (setting capture_bytes)",
    ]
    assert event["reads"][0]["artifact"]["bytes"] == 3_000_000


def test_of_very_much_that_is_left_out_the_first_hundred_are_named_and_all_are_counted(logs):
    with wg.run("loop", budget=(None, 0)) as run:
        for number in range(250):
            run.read([number], f"part {number}")
    event = last(logs)
    assert len(event["reads"]) == 250
    assert len(event["left_out"]) == 101
    assert event["left_out"][-1] == "and 150 more"


def test_time_that_is_spent_ends_the_reading_of_content(logs):
    with wg.run("work", budget=(0, None)) as run:
        assert run.write([1], "x") is None
    assert "seconds are left (setting capture_seconds)" in last(logs)["left_out"][0]

    with wg.run("work", budget=(1, None)) as run:
        run.around.spending.seconds = 0.99
        assert run.write(np.zeros(1_000_000), "needs longer") is None
        assert run.write([1], "small") is not None


def test_the_settings_are_the_budget_of_those_without_one(logs, tmp_path, monkeypatch):
    monkeypatch.setenv("WATCHGLASS_CAPTURE_BYTES", "1000")
    wg.init(tmp_path / "other")

    @wg.component("one", inputs=["rows"], budget=(5, 10_000))
    def one(rows):
        return None

    @wg.component("two", inputs=["rows"])
    def two(rows):
        return None

    one(np.zeros(500))
    two(np.zeros(500))
    (path,) = (tmp_path / "other" / "log" / "graph").glob("*.jsonl")
    runs = [json.loads(line) for line in path.read_text().splitlines()]
    ended = [event for event in runs if event.get("status") == "ok"]
    assert [event["reads"][0]["rule"] for event in ended] == ["content", "declared"]


@pytest.mark.parametrize("wrong", [3, (1,), ("a", 2), (-1, 2), (1, 2, 3)])
def test_a_budget_that_is_none_is_told(logs, wrong):
    with pytest.raises(BadInput, match=r"budget cannot be .*\(seconds, bytes\) would do"):
        wg.run("x", budget=wrong)
    with pytest.raises(BadInput, match="budget cannot be"):
        wg.component("x", budget=wrong)


def test_a_working_folder_that_is_gone_hinders_nothing(python, tmp_path):
    script = """
import os, watchglass as wg
os.makedirs("gone"); os.chdir("gone"); os.rmdir(os.getcwd())
with wg.run("x") as run:
    run.read("rows")
"""
    assert python(script, WATCHGLASS_STORE=str(tmp_path / "store")).returncode == 0
    assert Path(tmp_path / "store" / "log" / "graph").is_dir()


def test_a_container_is_told_by_its_files_and_its_orchestrator(tmp_path, monkeypatch):
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    root = str(tmp_path)
    assert environment.container(root) is None
    (tmp_path / ".dockerenv").touch()
    assert environment.container(root) == {"kind": "docker"}
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert environment.container(root) == {"kind": "kubernetes"}
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".containerenv").write_text('engine="podman-4.3"\nname="x"\nimage="registry/app:1"\n')
    assert environment.container(root) == {"kind": "podman", "image": "registry/app:1"}


def test_accelerators_are_told_by_what_the_system_shows(tmp_path):
    assert environment.accelerators(str(tmp_path)) == []
    for name, model in (("0000:01:00.0", "NVIDIA A100-SXM4-40GB"), ("0000:02:00.0", "Tesla T4")):
        folder = tmp_path / "proc" / "driver" / "nvidia" / "gpus" / name
        folder.mkdir(parents=True)
        (folder / "information").write_text(f"Model: \t\t {model}\nIRQ:   \t\t 35\n")
    (tmp_path / "dev").mkdir()
    for name in ("kfd", "accel0", "null"):
        (tmp_path / "dev" / name).touch()
    assert environment.accelerators(str(tmp_path)) == [
        "NVIDIA A100-SXM4-40GB",
        "NVIDIA Tesla T4",
        "AMD (kfd)",
        "accelerator accel0",
    ]
