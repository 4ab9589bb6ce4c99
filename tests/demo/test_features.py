from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from watchglass.demo.features import MEANING, NAMES, SETTINGS, measure


def measured(image, version="3"):
    return dict(zip(NAMES, measure(np.asarray(image, dtype=float)[None], SETTINGS[version])[0].tolist(), strict=True))


def blank():
    return np.zeros((8, 8))


def bar():
    image = blank()
    image[1:7, 3:5] = 1.0
    return image


def ring():
    image = blank()
    image[1:7, 1:7] = 1.0
    image[3:5, 3:5] = 0.0
    return image


some_images = arrays(np.float64, (8, 8), elements=st.floats(0, 1).map(lambda x: round(x, 2)))


def test_each_name_is_explained():
    assert len(NAMES) == 10
    assert all(MEANING.values())


def test_a_bar_is_narrow_upright_and_symmetric():
    seen = measured(bar())
    assert seen["ink"] == pytest.approx(12 / 64, abs=1e-4)
    assert seen["width"] < seen["height"]
    assert (seen["slant"], seen["centre_x"], seen["centre_y"], seen["symmetry"], seen["hole"]) == (0, 0, 0, 1, 0)
    assert seen["stroke_width"] == pytest.approx(2 * 12 / 16)


def test_a_shift_by_a_pixel_moves_the_centre_by_one():
    assert measured(np.roll(bar(), 1, axis=1))["centre_x"] == 1
    assert measured(np.roll(bar(), 1, axis=0))["centre_y"] == 1


def test_a_stroke_that_leans_right_slants_right():
    leaning = blank()
    for row in range(8):
        leaning[row, 7 - row] = 1.0
    assert measured(leaning)["slant"] == 1
    assert measured(leaning[:, ::-1])["slant"] == -1


def test_a_ring_has_a_hole_and_an_open_ring_has_none():
    opened = ring()
    opened[1:3, 3] = 0.0
    assert measured(ring())["hole"] == 4 / 64
    assert measured(opened)["hole"] == 0


def test_thicker_strokes_are_thicker():
    thick = blank()
    thick[1:7, 2:6] = 1.0
    assert measured(thick)["stroke_width"] > measured(bar())["stroke_width"]


def test_an_image_without_ink_and_one_full_of_it_are_numbers_too():
    assert np.isfinite(list(measured(blank()).values())).all()
    assert np.isfinite(list(measured(np.ones((8, 8))).values())).all()
    assert measured(np.ones((8, 8)))["hole"] == 0


@settings(deadline=None)
@given(some_images)
def test_a_mirrored_image_has_the_same_numbers_but_for_the_sides(image):
    seen, mirrored = measured(image), measured(image[:, ::-1])
    for name in NAMES:
        sign = -1 if name in ("centre_x", "slant") else 1
        assert mirrored[name] == pytest.approx(sign * seen[name], abs=2e-4)


@settings(deadline=None)
@given(some_images)
def test_holes_are_those_a_walk_from_outside_does_not_reach(image):
    dark = np.pad(image >= 0.5, 1)
    reached, ahead = {(0, 0)}, [(0, 0)]
    while ahead:
        y, x = ahead.pop()
        for place in ((y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)):
            if min(place) >= 0 and max(place) < 10 and not dark[place] and place not in reached:
                reached.add(place)
                ahead.append(place)
    assert measured(image)["hole"] == pytest.approx(((~dark).sum() - len(reached)) / 64, abs=1e-4)


@settings(deadline=None)
@given(some_images)
def test_the_release_changes_no_value(image):
    assert SETTINGS["3"] != SETTINGS["4"]
    assert measured(image, "3") == measured(image, "4")


@settings(deadline=None, max_examples=20)
@given(st.lists(some_images, min_size=2, max_size=4))
def test_images_do_not_see_each_other(batch):
    together = measure(np.array(batch), SETTINGS["3"])
    apart = np.concatenate([measure(image[None], SETTINGS["3"]) for image in batch])
    assert together == pytest.approx(apart, abs=2e-4)
