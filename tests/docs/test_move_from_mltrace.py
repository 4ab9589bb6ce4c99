"""The page on moving from mltrace maps each of its calls and commands, and names nothing of ours that is not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import watchglass as wg
from watchglass.cli.main import commands
from watchglass.reading import Store

PAGE = (Path(__file__).parents[2] / "docs/how-to/move-from-mltrace.md").read_text(encoding="utf-8")
TABLE = PAGE.partition("## What to call instead")[2].split("\n## ", 1)[0]
ROWS = [line.strip("| ").split(" | ", 1) for line in TABLE.splitlines() if line.startswith(("| `", "| a run"))]
THEIRS = "set_db_uri get_db_uri set_address clean_db create_component tag_component log_component_run @register Component preTest postTest afterRun input_vars output_vars input_kwargs output_kwargs endpoint staleness_threshold auto_log skip_before skip_after get_runs_by_time get_runs_by_index Test load save backtrace web_trace get_history get_component_information get_component_run_information get_components get_recent_run_ids get_io_pointer get_tags add_notes_to_component_run flag_output_id unflag_output_id unflag_all review_flagged_outputs get_git_hash get_git_tags create_random_ids create_labels get_labels retract_label retrieve_retracted_labels retrieve_io_pointers_for_label log_output log_feedback compute_metric logOutput logFeedback getOutputs getFeedback computeMetric registerMetric mlflow set_upstream add_input add_output"
COMMANDS = "recent inspect history trace flag unflag review components tags clear retract retrieve retracted labels"


@pytest.mark.parametrize("call", THEIRS.split())
def test_each_call_of_mltrace_is_mapped(call):
    assert any(re.search(rf"{re.escape(call)}\b", left) for left, _ in ROWS), call


@pytest.mark.parametrize("command", COMMANDS.split())
def test_each_command_of_mltrace_is_mapped(command):
    assert any(f"`mltrace {command}`" in left for left, _ in ROWS), command


def test_what_it_names_of_ours_is_there():
    ours = " ".join(right for _, right in ROWS)
    for name in re.findall(r"`wg\.(\w+)", ours):
        assert name in wg.__all__, name
    for name in re.findall(r"`store\.(\w+)", ours):
        assert hasattr(Store, name), name
    for words in re.findall(r"`watchglass ([a-z-]+(?: [a-z-]+)?)", ours):
        command = words.split()[0]
        assert command in commands.commands, command
