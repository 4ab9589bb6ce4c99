from __future__ import annotations

import pytest

import watchglass as wg
from watchglass import settings
from watchglass.errors import BadInput


def test_argument_beats_environment_beats_default():
    env = {"WATCHGLASS_STORE": "from-env"}
    assert settings.resolve(settings.STORE, "given", env) == "given"
    assert settings.resolve(settings.STORE, None, env) == "from-env"
    assert settings.resolve(settings.STORE, None, {}) == "watchglass-data"


@pytest.mark.parametrize("setting", settings.SETTINGS, ids=lambda setting: setting.name)
def test_each_row_says_what_it_means_and_takes_its_own_default(setting):
    assert setting.sentence.endswith(".")
    assert setting.env == f"WATCHGLASS_{setting.name.upper()}"
    assert settings.resolve(setting, None, {setting.env: str(setting.default)}) == setting.default


@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [
        (settings.STORE, "ftp://localhost:8000", "server's URL such as http"),
        (settings.STORE, "http:///", "server's URL such as http"),
        (settings.STORE, "  ", "folder's path"),
        (settings.STORE, 3, "folder's path"),
        (settings.DURABILITY, "always", "'fast', 'default' or 'sync' would do"),
        (settings.ON_FULL, "wait", "'drop' or 'block' would do"),
        (settings.FREE_BYTES, "some", "above 0"),
        (settings.DISABLED, "maybe", "1 or 0"),
        (settings.ROLL_SECONDS, "-1", "above 0"),
        (settings.ROLL_SECONDS, "soon", "above 0"),
        (settings.ROLL_BYTES, float("inf"), "above 0"),
    ],
)
def test_a_bad_value_names_the_setting_the_value_and_what_would_do(setting, value, says):
    with pytest.raises(BadInput, match=says) as caught:
        settings.resolve(setting, value)
    assert repr(value) in str(caught.value)
    assert setting.name in str(caught.value)


def test_a_bad_environment_variable_is_named():
    with pytest.raises(BadInput, match="WATCHGLASS_DISABLED"):
        settings.resolve(settings.DISABLED, None, {"WATCHGLASS_DISABLED": "perhaps"})


@pytest.mark.parametrize("more", [{"store": "ftp://example"}, {"durability": "fastest"}, {"on_full": "panic"}], ids=str)
def test_init_refuses_what_it_does_not_know(more):
    with pytest.raises(BadInput, match=next(iter(more))):
        wg.init(**more)


def test_no_byte_need_stay_free():
    assert settings.resolve(settings.FREE_BYTES, "0") == 0
