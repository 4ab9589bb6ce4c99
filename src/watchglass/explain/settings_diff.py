"""Two recorded contents of a settings artifact → what differs, name by name."""

from __future__ import annotations

import json


def differences(name: str, before: str | None, now: str | None) -> list[str]:
    """List what differs between two JSON contents; without one before, the names whose value stands apart from the others.

    >>> differences("scales", '{"a": 16, "b": 16}', '{"a": 16, "b": 10}')
    ['scales: b 16 → 10']
    >>> differences("scales", None, '{"a": 16, "b": 10, "c": 16}')
    ['scales: b = 10, the others 16']
    """
    new, old = _parsed(now), _parsed(before)
    if new is None:
        return []
    if old is not None:
        return [
            f"{name}: {key} {_shown(old.get(key))} → {_shown(new.get(key))}"
            for key in sorted({*old, *new})
            if old.get(key) != new.get(key)
        ]
    values = [json.dumps(value) for value in new.values()]
    usual = max(set(values), key=values.count, default=None)
    if usual is None or values.count(usual) <= len(values) / 2 or len(set(values)) == 1:
        return []
    return [
        f"{name}: {key} = {_shown(value)}, the others {usual}"
        for key, value in sorted(new.items())
        if json.dumps(value) != usual
    ]


def _parsed(text: str | None) -> dict[str, object] | None:
    try:
        value = json.loads(text) if text else None
    except ValueError:  # cut off at the preview's length
        return None
    return value if isinstance(value, dict) else None


def _shown(value: object) -> str:
    return "nothing" if value is None else json.dumps(value)
