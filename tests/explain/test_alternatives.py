"""What else could have made a fall: ruled out when it is as before, left open when it is not."""

import re

import numpy as np

from tests.explain.simulated import HARBOUR, ONSET, World, made
from watchglass.explain.alternatives import labels, population
from watchglass.explain.slices import Fallen
from watchglass.profile.histories import LabelHistory


def fallen_of(history, known=57):
    return Fallen.at(history, known, range(ONSET - 30, ONSET), range(ONSET, known + 1))


def altered(history, **changed):
    names = ("slices", "rows", "window", "slice", "known", "labelled", "correct")
    return LabelHistory(**{name: changed.get(name, getattr(history, name)) for name in names})


def test_labels_as_before_are_ruled_out_though_the_newest_windows_have_fewer():
    found = [labels(fallen_of(made(seed).labels), HARBOUR) for seed in range(30)]
    told = [item.why for item in found if item is not None]
    assert len(told) >= 27
    assert all(re.search(r"\d+(\.\d+)? % of its rows had one within 3 days before", why) for why in told)


def test_labels_that_come_later_are_not_ruled_out():
    history = made(2).labels
    later = np.where(history.window >= ONSET, history.known + 1, history.known)
    assert labels(fallen_of(altered(history, known=later), known=59), HARBOUR) is None


def test_labels_too_young_to_compare_say_nothing():
    assert labels(fallen_of(made(2).labels, known=ONSET + 1), HARBOUR) is None


def test_labels_of_the_future_are_not_looked_at():
    history = made(2).labels
    past = history.known <= 56
    kept = {name: getattr(history, name)[past] for name in ("window", "slice", "known", "labelled", "correct")}
    assert labels(fallen_of(history, 56), HARBOUR) == labels(fallen_of(altered(history, **kept), 56), HARBOUR)


def test_a_steady_mix_is_ruled_out_with_its_effect():
    found = population(fallen_of(made(2).labels), HARBOUR)
    assert found is not None
    assert re.search(r"moved by more than \d+(\.\d+)? points; at the accuracy before, that is [+-]0\.00\d\d", found.why)


def test_a_mix_that_explains_the_fall_is_not_ruled_out():
    """Post is read at 0.6 all along; since the onset nearly all of harbour is post."""
    history = made(2, World(fallen=None)).labels
    fallen = fallen_of(history)
    app, post = (history.slices.index((("channel", name), *HARBOUR)) for name in ("app", "post"))
    whole = history.slices.index(HARBOUR)
    rows = history.rows.copy()
    rows[ONSET:, post], rows[ONSET:, app] = rows[ONSET:, app].copy(), rows[ONSET:, post].copy()
    labelled, correct = fallen.labelled.copy(), fallen.correct.copy()
    labelled[ONSET:, post], labelled[ONSET:, app] = labelled[ONSET:, app].copy(), labelled[ONSET:, post].copy()
    correct[:, post] = (0.6 * labelled[:, post]).astype(np.int64)
    correct[:, app] = (0.96 * labelled[:, app]).astype(np.int64)
    others = [place for place, name in enumerate(history.slices) if len(name) == 2 and name[1:] == HARBOUR]
    labelled[:, whole], correct[:, whole] = labelled[:, others].sum(axis=1), correct[:, others].sum(axis=1)
    mixed = Fallen(altered(history, rows=rows), labelled, correct, fallen.before, fallen.after, fallen.known_day)
    assert population(mixed, HARBOUR) is None
