"""`watchglass config` shows every setting with where its value comes from, and changes what running processes heed."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from watchglass import settings
from watchglass.cli.main import commands
from watchglass.errors import BadInput
from watchglass.store.folder import prepare


@pytest.fixture
def command(tmp_path):
    prepare(tmp_path / "store", create=True)

    def run(*words, **environment):
        env = {"WATCHGLASS_STORE": None, "COLUMNS": "200", **environment}
        return CliRunner().invoke(commands, ["config", *words], env=env, catch_exceptions=True)

    run.store = str(tmp_path / "store")
    return run


def test_each_setting_is_shown_with_its_value_and_source(command):
    done = command("--store", command.store, "--json", WATCHGLASS_ROLL_SECONDS="5", WATCHGLASS_TOKEN="secret")
    shown = {row["name"]: row for row in json.loads(done.output)["settings"]}
    assert set(shown) == {setting.name for setting in settings.SETTINGS}
    assert (shown["roll_seconds"]["value"], shown["roll_seconds"]["source"]) == (5.0, "WATCHGLASS_ROLL_SECONDS")
    assert (shown["store"]["value"], shown["store"]["source"]) == (command.store, "--store")
    assert shown["durability"]["source"] == "default"
    assert "secret" not in done.output
    assert "roll_seconds" in command("--store", command.store).output


def test_a_change_is_shown_and_kept(command):
    rule = '[{"model": "*", "method": "head", "rate": 0.1}]'
    assert "within ten seconds" in command("set", "sampling", rule, "--store", command.store).output
    done = command("set", "enabled", "off", "--store", command.store, "--json")
    assert json.loads(done.output) == {"enabled": False, "sampling": json.loads(rule)}
    assert json.loads(command("--store", command.store, "--json").output)["running"] == json.loads(done.output)
    assert "not set" in command("set", "enabled", "unset", "--store", command.store).output


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("levle", "info"), "Did you mean 'level'"),
        (("level", "loud"), "warning"),
        (("sampling", "[{"), "not JSON"),
        (("enabled", "maybe"), "true or false"),
    ],
)
def test_a_value_that_would_not_do_says_what_would(command, words, says):
    done = command("set", *words, "--store", command.store)
    assert isinstance(done.exception, BadInput)
    assert says in str(done.exception)


def test_a_servers_settings_are_changed_on_the_server(command):
    done = command("set", "level", "info", WATCHGLASS_STORE="http://localhost:8000")
    assert "PUT /api/v1/settings" in str(done.exception)
