"""A store's settings are changed one at a time or whole, checked first, and replaced by rename."""

from __future__ import annotations

import json
import threading

import pytest

from watchglass.capture.rules import rules
from watchglass.capture.tuned import Tuned
from watchglass.errors import BadInput, StoreError
from watchglass.store.folder import Folder, prepare
from watchglass.store.tuning import document, etag_of, replace_settings, set_setting, settings_of

RULES = [{"model": "*", "method": "head", "rate": 0.5}]


@pytest.fixture
def folder(tmp_path):
    return prepare(tmp_path / "store", create=True)


def test_without_a_file_nothing_is_set(folder):
    assert settings_of(folder) == Tuned()
    assert document(settings_of(folder)) == {}


def test_a_setting_is_changed_and_taken_back_and_the_others_stay(folder):
    set_setting(folder, "level", "warning")
    assert set_setting(folder, "sampling", RULES) == Tuned(None, "warning", rules(RULES, "a test"))
    assert json.loads((folder.root / "settings.json").read_bytes()) == {"level": "warning", "sampling": RULES}
    assert set_setting(folder, "level", None) == settings_of(folder) == Tuned(sampling=rules(RULES, "a test"))


def test_the_etag_changes_with_the_content_alone(folder):
    tags = [etag_of(folder)]
    for enabled in (True, True, False):
        replace_settings(folder, {"enabled": enabled})
        tags.append(etag_of(folder))
    assert tags[1] == tags[2]
    assert len(set(tags)) == 3


def test_a_change_that_would_not_do_changes_nothing(folder):
    replace_settings(folder, {"level": "info"})
    before = (folder.root / "settings.json").read_bytes()
    for name, value, says in (
        ("levels", "info", "Did you mean 'level'"),
        ("store", "x", "These can: enabled, level, sampling, retention"),
        ("enabled", "maybe", "true or false"),
        ("sampling", [{"model": "*"}], "method"),
    ):
        with pytest.raises(BadInput, match=says):
            set_setting(folder, name, value)
    with pytest.raises(BadInput, match="not known"):
        replace_settings(folder, {"durability": "fast"})
    assert (folder.root / "settings.json").read_bytes() == before
    assert [path.name for path in folder.root.glob("settings*")] == ["settings.json"]


def test_changes_of_many_at_once_are_all_kept(folder):
    def change(name, value):
        for _ in range(20):
            set_setting(folder, name, value)

    threads = [
        threading.Thread(target=change, args=pair)
        for pair in (("level", "error"), ("enabled", False), ("sampling", RULES))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert settings_of(folder) == Tuned(False, "error", rules(RULES, "a test"))


def test_a_store_that_is_not_there_and_a_file_that_cannot_be_read_are_told(tmp_path, folder):
    with pytest.raises(StoreError, match="no store"):
        replace_settings(Folder(tmp_path / "nowhere"), {})
    (folder.root / "settings.json").mkdir()
    with pytest.raises(StoreError, match="cannot be read"):
        settings_of(folder)
    with pytest.raises(StoreError, match="cannot be written"):
        replace_settings(folder, {})
