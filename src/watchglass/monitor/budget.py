"""False alarms that a year may have → what each channel of each model may spend, and the smallest effect it could see.

A channel that may raise ``a`` false alarms in a year of ``n`` windows is given T = n / a: the windows until a false
alarm that it promises on average. Hard rules spend nothing: what breaks one is broken.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

Channel = Literal["shift", "spike", "performance"]
SHARES: Final[Mapping[Channel, float]] = {"shift": 0.6, "spike": 0.2, "performance": 0.2}
"""How a model's false alarms are divided; where a channel has nothing to judge, the others have its share."""
CHANNELS: Final[tuple[Channel, ...]] = ("shift", "spike", "performance")


@dataclass(frozen=True, slots=True)
class Budget:
    """T of each channel, in windows until a false alarm; infinite where a channel judges nothing."""

    shift: float
    spike: float
    performance: float

    def of(self, channel: Channel) -> float:
        """Give T of a channel."""
        return {"shift": self.shift, "spike": self.spike, "performance": self.performance}[channel]


def divided(
    false_alerts_per_year: float,
    *,
    windows_per_year: float = 365.0,
    models: int = 1,
    channels: tuple[Channel, ...] = CHANNELS,
) -> Budget:
    """Divide a year's false alarms evenly over models that share them, and each model's over its channels.

    A model with few rows has the same share as one with many: what it cannot see, `smallest` says. Raises
    `ValueError` for a rate or a number that is not positive.

    >>> budget = divided(1)
    >>> round(budget.shift), round(budget.spike), round(budget.performance)
    (608, 1825, 1825)
    >>> round(divided(1, channels=("shift", "spike")).shift)
    487
    """
    if not (false_alerts_per_year > 0 and windows_per_year > 0 and models > 0):
        message = (
            f"{false_alerts_per_year} false alarms a year of {windows_per_year} windows for {models} models:"
            " each must be more than 0"
        )
        raise ValueError(message)
    whole = sum(SHARES[channel] for channel in channels)
    spent = {channel: false_alerts_per_year / models * SHARES[channel] / whole for channel in channels}
    return Budget(*(windows_per_year / spent[channel] if channel in spent else math.inf for channel in CHANNELS))


def spent(budget: Budget, *, windows_per_year: float = 365.0) -> float:
    """Give the false alarms a year that a budget allows in all.

    >>> round(spent(divided(1)), 9)
    1.0
    """
    return sum(windows_per_year / budget.of(channel) for channel in CHANNELS)


def smallest(
    spread: NDArray[np.float64],
    weight: NDArray[np.float64],
    alarm_level: float,
    *,
    reference: int,
    since: int,
) -> NDArray[np.float64]:
    """Give the least step (J) that a monitor could have seen in so many windows, in the unit of the functional.

    s √(2 ln(level / w)) √(1/n_reference + 1/n_since): s is the standard deviation between windows, w a functional's
    share of the alarm, the level is where w · SR alarms: 2T by the union rule. Infinite without windows to compare.

    >>> round(float(smallest(np.ones(1), np.array([1 / 50]), 2 * 365, reference=60, since=7)[0]), 1)
    1.8
    """
    if reference < 1 or since < 1:
        return np.full(len(spread), np.inf)
    evidence = np.log(alarm_level / np.maximum(weight, 1e-300))
    return np.asarray(spread * np.sqrt(2 * np.maximum(evidence, 0.0) * (1 / reference + 1 / since)))
