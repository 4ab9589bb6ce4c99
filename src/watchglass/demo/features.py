"""Cleaned images → ten numbers each that a person can read, such as how much ink there is and how far it slants.

Pixels run from 0 (paper) to 1 (ink), lengths are in pixels, x to the right and y down from the middle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypedDict

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Flags = NDArray[np.bool_]

MEANING: Final = {
    "ink": "mean darkness of all pixels, 0 to 1",
    "contrast": "standard deviation of the pixels",
    "centre_x": "where the middle of the ink lies, right of the image's middle",
    "centre_y": "where the middle of the ink lies, below the image's middle",
    "width": "two standard deviations of the ink's x",
    "height": "two standard deviations of the ink's y",
    "slant": "by how much the ink moves right with each pixel up",
    "stroke_width": "twice the ink divided by the length of its edge",
    "symmetry": "1 where the left half mirrors the right, 0 where they share nothing",
    "hole": "share of the image that is paper with ink all around",
}
NAMES: Final = tuple(MEANING)


class Settings(TypedDict, total=False):
    """The artifact `feature_settings`: `dark` is the least darkness that is ink to `hole`, `pad` the paper put around."""

    names: list[str]
    decimals: int
    dark: float
    pad: int


SETTINGS: Final[dict[str, Settings]] = {
    "3": {"names": list(NAMES), "decimals": 4, "dark": 0.5},
    "4": {"names": list(NAMES), "decimals": 4, "dark": 0.5, "pad": 1},
}
"""By the version of the component: version 4 writes into its settings what version 3 had in its code."""


def measure(images: Numbers, settings: Settings) -> Numbers:
    """Measure each of (n, 8, 8) images: (n, 10), columns as in `NAMES`.

    >>> line = np.zeros((1, 8, 8)); line[0, 1:7, 3:5] = 1.0
    >>> dict(zip(NAMES, measure(line, SETTINGS["3"])[0].tolist()))["symmetry"]
    1.0
    """
    place = np.arange(images.shape[1]) - (images.shape[1] - 1) / 2
    ink = images.sum((1, 2))
    some = np.maximum(ink, 1e-9)
    columns, rows = images.sum(1), images.sum(2)
    x, y = columns @ place / some, rows @ place / some
    from_x, from_y = place - x[:, None], place - y[:, None]
    wide = (columns * from_x**2).sum(1) / some
    high = (rows * from_y**2).sum(1) / some
    lean = np.einsum("nyx,ny,nx->n", images, from_y, from_x) / some
    mirrored = np.abs(images - images[:, :, ::-1]).sum((1, 2))
    found = (
        images.mean((1, 2)),
        images.std((1, 2)),
        x,
        y,
        2 * np.sqrt(wide),
        2 * np.sqrt(high),
        -lean / np.maximum(high, 1e-3),
        2 * ink / np.maximum(_edge(images), 1e-9),
        1 - mirrored / (2 * some),
        _hole(images >= settings["dark"], settings.get("pad", 1)),
    )
    return np.round(np.column_stack(found), settings["decimals"]) + 0.0  # + 0.0: no negative zero


def _edge(images: Numbers) -> Numbers:
    around = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    return np.asarray(np.abs(np.diff(around, axis=1)).sum((1, 2)) + np.abs(np.diff(around, axis=2)).sum((1, 2)))


def _hole(dark: Flags, pad: int) -> Numbers:
    """Give the share of pixels that are paper and cannot be reached from the border over paper."""
    paper = np.pad(~dark, ((0, 0), (pad, pad), (pad, pad)), constant_values=True)
    outside = np.zeros_like(paper)
    outside[:, 0] = outside[:, -1] = outside[:, :, 0] = outside[:, :, -1] = True
    reached = 0
    while (now := int(outside.sum())) > reached:
        reached = now
        outside[:, 1:] |= outside[:, :-1]
        outside[:, :-1] |= outside[:, 1:]
        outside &= paper
        outside[:, :, 1:] |= outside[:, :, :-1]
        outside[:, :, :-1] |= outside[:, :, 1:]
        outside &= paper
    return np.asarray((paper & ~outside).sum((1, 2)) / dark[0].size)
