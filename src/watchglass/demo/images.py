"""A seed and a day → the handwritten digits that five sites send that day, with when they are asked about and labelled.

The digits are scikit-learn's bundled ones: 1,797 images of 8 × 8 pixels, 0 (paper) to 16 (ink). A thousand of them
are the reference to train on, the others are served, again and again, each time with the marks of the site that
sends them: grey paper, blur, noise, a shift. A site's marks never change, but for what a day always brings.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from watchglass.errors import need

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Counts = NDArray[np.int64]

SIDE: Final = 8
FULL: Final = 16
"""What a pixel full of ink reads."""
TRAINING: Final = 1000
DIGITS: Final = 10
CHANNELS: Final = ("app", "mail", "scanner")
LABEL_DELAY: Final = timedelta(days=3)
IMAGES_A_REQUEST: Final = 25

_OPENS, _CLOSES = 6 * 3600, 21 * 3600
_LEAST_A_DAY: Final = 40
_BY_WEEKDAY: Final = (1.06, 1.04, 1.02, 1.02, 1.0, 0.95, 0.92)
_LABELLED_LATER: Final = (5, 8, 9)


@dataclass(frozen=True, slots=True)
class Site:
    """A place that sends images: how many a day, by which channels (shares as in `CHANNELS`), and how they look.

    `paper` is what blank paper reads, `noise` the standard deviation of a pixel, both in 0–16; `blur` is the share
    of a pixel that its four neighbours give; `shift` is in pixels, right and down.
    """

    name: str
    images: int
    channels: tuple[float, float, float]
    paper: float
    noise: float
    blur: float
    shift: tuple[float, float]


SITES: Final = (
    Site("airport", 46, (0.60, 0.25, 0.15), paper=1.0, noise=0.8, blur=0.00, shift=(0.1, 0.0)),
    Site("clinic", 43, (0.50, 0.40, 0.10), paper=1.0, noise=1.0, blur=0.08, shift=(0.0, 0.1)),
    Site("depot", 45, (0.30, 0.50, 0.20), paper=1.5, noise=1.0, blur=0.10, shift=(-0.1, 0.0)),
    Site("harbour", 58, (0.25, 0.15, 0.60), paper=3.0, noise=1.0, blur=0.2, shift=(0.0, 0.0)),
    Site("office", 44, (0.35, 0.55, 0.10), paper=0.5, noise=0.6, blur=0.00, shift=(0.0, -0.1)),
)


@dataclass(frozen=True, slots=True, eq=False)
class Arrivals:
    """What one day brings: n images with who sent them, when they are asked about and when their truth is known.

    `site` and `channel` are places in `SITES` and `CHANNELS`; `raw` is (n, 8, 8), 0–16; `request` numbers the
    requests of the day, each of one site, one channel and one time; `asked` and `labelled` are in seconds after
    the day's midnight.
    """

    day: date
    ids: tuple[str, ...]
    site: Counts
    channel: Counts
    digit: Counts
    raw: NDArray[np.uint8]
    request: Counts
    asked: Numbers
    labelled: Numbers

    def moment(self, seconds: float) -> datetime:
        """Give the time that lies so many seconds after the day's midnight."""
        return datetime.combine(self.day, time(), UTC) + timedelta(seconds=float(seconds))


@lru_cache(maxsize=1)
def _bundled() -> tuple[Numbers, Counts]:
    found = need("sklearn.datasets", extra="demo", to="run the demo").load_digits()
    return found.data.reshape(-1, SIDE, SIDE).astype(np.float64), found.target.astype(np.int64)


@lru_cache(maxsize=4)
def _split(seed: int) -> tuple[Counts, Counts]:
    order = np.random.default_rng([seed, 0]).permutation(len(_bundled()[1]))
    return order[:TRAINING], order[TRAINING:]


def reference(seed: int) -> tuple[NDArray[np.uint8], Counts]:
    """Give the images to train on as each of the sites would send them, (n, 8, 8), and their digits."""
    pixels, digits = _bundled()
    chosen = np.tile(_split(seed)[0], len(SITES))
    site = np.repeat(np.arange(len(SITES)), TRAINING)
    chance = np.random.default_rng([seed, 1])
    return _sent(pixels[chosen], site, np.zeros(len(SITES)), chance), digits[chosen]


def arrivals(seed: int, number: int, day: date, *, common: tuple[int, float] | None = None) -> Arrivals:
    """Give what the day with this number brings; `common` is a digit and the share of images that show it.

    The same arguments give the same day, whatever was asked before.
    """
    pixels, digits = _bundled()
    chance = np.random.default_rng([seed, 2, number])
    volume = [_volume(site, day, chance) for site in SITES]
    site = np.repeat(np.arange(len(SITES)), volume)
    channel = np.concatenate(
        [np.sort(chance.choice(len(CHANNELS), n, p=s.channels)) for s, n in zip(SITES, volume, strict=True)]
    )
    chosen = np.concatenate([_drawn(seed, n, common, chance) for n in volume])
    raw = _sent(pixels[chosen], site, chance.normal(0.0, 0.2, len(SITES)) + chance.normal(0.0, 0.2), chance)
    request = _requests(site, channel)
    asked = np.sort(chance.integers(_OPENS, _CLOSES, int(request[-1]) + 1)).astype(np.float64)
    asked = chance.permutation(asked)[request]
    digit = digits[chosen]
    later = np.where(np.isin(digit, _LABELLED_LATER), 20.0, 0.0)
    labelled = asked + 3600 * (chance.uniform(24.0, 50.0, len(digit)) + later)
    ids = tuple(f"{day:%Y%m%d}-{SITES[s].name}-{n:04d}" for n, s in enumerate(site))
    return Arrivals(day, ids, site, channel, digit, raw, request, asked, labelled)


def _volume(site: Site, day: date, chance: np.random.Generator) -> int:
    return max(_LEAST_A_DAY, round(site.images * _BY_WEEKDAY[day.weekday()] * chance.normal(1.0, 0.04)))


def _drawn(seed: int, count: int, common: tuple[int, float] | None, chance: np.random.Generator) -> Counts:
    """Draw served images: each digit as often as any other, but for the day's chance and for the common one."""
    served = _split(seed)[1]
    shares = chance.dirichlet(np.full(DIGITS, 60.0))
    if common is not None:
        digit, share = common
        shares[digit] = 0.0
        shares *= (1.0 - share) / shares.sum()
        shares[digit] = share
    wanted = chance.choice(DIGITS, count, p=shares)
    shown = _bundled()[1][served]
    pick = np.empty(count, dtype=np.int64)
    for digit in range(DIGITS):
        here = wanted == digit
        pick[here] = chance.choice(served[shown == digit], int(here.sum()))
    return pick


def _sent(pixels: Numbers, site: Counts, lighter: Numbers, chance: np.random.Generator) -> NDArray[np.uint8]:
    """Put a site's marks on each image; `lighter` is how much lighter (in 0–16) each site's ink is that day."""
    blur = np.array([s.blur for s in SITES])[site][:, None, None]
    paper = np.array([s.paper for s in SITES])[site][:, None, None]
    noise = np.array([s.noise for s in SITES])[site][:, None, None]
    shift = np.array([s.shift for s in SITES])[site]
    blank = np.pad(_shifted(_shifted(pixels, shift[:, 0], 2), shift[:, 1], 1), ((0, 0), (1, 1), (1, 1)))
    around = (blank[:, :-2, 1:-1] + blank[:, 2:, 1:-1] + blank[:, 1:-1, :-2] + blank[:, 1:-1, 2:]) / 4
    marks = (1 - blur) * blank[:, 1:-1, 1:-1] + blur * around
    marks *= (FULL - lighter[site][:, None, None]) / FULL
    seen = paper + marks * (FULL - paper) / FULL + noise * chance.standard_normal(pixels.shape)
    return np.asarray(np.clip(np.rint(seen), 0, FULL), dtype=np.uint8)


def _shifted(pixels: Numbers, by: Numbers, axis: int) -> Numbers:
    """Shift each image by less than a pixel along an axis, what lies between pixels being shared by both."""
    share = by[:, None, None]
    after, before = np.roll(pixels, 1, axis), np.roll(pixels, -1, axis)
    edge = [slice(None)] * 3
    edge[axis] = slice(0, 1)
    after[tuple(edge)] = 0.0
    edge[axis] = slice(-1, None)
    before[tuple(edge)] = 0.0
    return np.asarray(pixels * (1 - np.abs(share)) + after * np.maximum(share, 0) + before * np.maximum(-share, 0))


def _requests(site: Counts, channel: Counts) -> Counts:
    """Number the requests: images of one site and channel, which lie together, at most 25 a request."""
    group = site * len(CHANNELS) + channel
    first = np.flatnonzero(np.diff(group, prepend=-1))
    within = np.arange(len(group)) - np.repeat(first, np.diff(first, append=len(group)))
    return np.cumsum(within % IMAGES_A_REQUEST == 0) - 1
