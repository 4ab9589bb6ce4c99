"""How long the fuzz tests go on: about a minute in the everyday run, the same examples each time; WATCHGLASS_TORTURE=1 for more, and new ones."""

from __future__ import annotations

import os

from hypothesis import Phase, settings

LONG = bool(os.environ.get("WATCHGLASS_TORTURE"))


def fuzz(examples):
    """Give the settings of a test: so many examples, twenty times as many in the long form."""
    return settings(
        derandomize=not LONG,
        database=None,
        deadline=None,
        max_examples=examples * 20 if LONG else examples,
        phases=(Phase.generate, Phase.shrink) if LONG else (Phase.generate,),
    )
