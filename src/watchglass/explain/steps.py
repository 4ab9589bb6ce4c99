"""Wrong and labelled predictions by window, and who was exposed to a change → how well a step at that change explains them.

Each window's predictions are wrong at one rate where the change had not reached them and at a higher one where it
had. The likelihood is binomial, divided by the dispersion between windows, so that noisy days do not look certain.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import xlogy

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROUNDS = 60
_WHOLE = 0.98


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Labelled and wrong predictions of a slice, window by window (W,)."""

    windows: NDArray[np.int64]
    labelled: NDArray[np.float64]
    wrong: NDArray[np.float64]

    def likelihood(self, exposed: NDArray[np.float64]) -> float:
        """Give the log likelihood of two rates, the higher one for the exposed share (W,) of each window.

        Where windows are exposed in part, both rates are found by expectation-maximisation; exposure that goes with
        fewer errors explains nothing, and has the likelihood of one rate.
        """
        none = self._at(np.full(len(self.windows), _rate(self.wrong, self.labelled)))
        if not self.labelled[exposed > 0].sum() or not self.labelled[exposed < 1].sum():
            return none
        low, high = self._rates(exposed)
        return self._at((1 - exposed) * low + exposed * high) if high > low else none

    def steps(self) -> NDArray[np.float64]:
        """Give the log likelihood of a step up that begins at each window (W,); the first entry is no step at all."""
        n, k = np.cumsum(self.labelled), np.cumsum(self.wrong)
        before_n, before_k = n - self.labelled, k - self.wrong
        after_n, after_k = n[-1] - before_n, k[-1] - before_k
        rising = after_k * np.maximum(before_n, 1) > before_k * np.maximum(after_n, 1)
        found = _binomial(before_k, before_n) + _binomial(after_k, after_n)
        none = _binomial(k[-1:], n[-1:])[0]
        return np.where(rising & (before_n > 0) & (after_n > 0), found, none)

    def dispersion(self, onset: int) -> float:
        """Give how much more windows differ than their rows explain, on both sides of a step; at least one."""
        total, freedom = 0.0, 0
        for part in (self.windows < onset, self.windows >= onset):
            used = part & (self.labelled > 0)
            if used.sum() > 1:
                rate = (self.wrong[used].sum() + 0.5) / (self.labelled[used].sum() + 1)
                rest = self.wrong[used] - rate * self.labelled[used]
                total += float((rest**2 / (rate * (1 - rate) * self.labelled[used])).sum())
                freedom += int(used.sum()) - 1
        return max(1.0, total / freedom) if freedom else 1.0

    def rate(self, chosen: NDArray[np.bool_]) -> tuple[float, int]:
        """Give the share right and the labelled predictions of some windows."""
        rows = int(self.labelled[chosen].sum())
        return (1 - float(self.wrong[chosen].sum()) / rows if rows else float("nan")), rows

    def _at(self, rate: NDArray[np.float64]) -> float:
        return float((xlogy(self.wrong, rate) + xlogy(self.labelled - self.wrong, 1 - rate)).sum())

    def _rates(self, exposed: NDArray[np.float64]) -> tuple[float, float]:
        clean, dosed = exposed <= 1 - _WHOLE, exposed >= _WHOLE
        low = _rate(self.wrong[~dosed], self.labelled[~dosed])
        high = _rate(self.wrong[~clean], self.labelled[~clean])
        if not (clean | dosed)[self.labelled > 0].all():
            low, high = max(low, 1e-3), min(max(high, 2e-3), 1 - 1e-3)
            for _ in range(_ROUNDS):
                mixed = (1 - exposed) * low + exposed * high
                wrong = self.wrong * exposed * high / mixed
                right = (self.labelled - self.wrong) * exposed * (1 - high) / (1 - mixed)
                high = float(wrong.sum() / (wrong + right).sum())
                low = float((self.wrong - wrong).sum() / (self.labelled - wrong - right).sum())
                low, high = (min(max(rate, 1e-9), 1 - 1e-9) for rate in (low, high))
        return low, high


def _rate(wrong: NDArray[np.float64], labelled: NDArray[np.float64]) -> float:
    return float(wrong.sum() / max(labelled.sum(), 1))


def _binomial(wrong: NDArray[np.float64], labelled: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the largest log likelihood of counts at one rate."""
    rate = wrong / np.maximum(labelled, 1)
    return np.asarray(xlogy(wrong, rate) + xlogy(labelled - wrong, 1 - rate), dtype=np.float64)
