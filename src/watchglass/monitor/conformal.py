"""Functionals by window → evidence that a step began, from ranks alone: a promise about false alarms that is exact.

Each window's rank among all windows before it gives a conformal p-value, independent and uniform when windows are
exchangeable, whatever their distribution. A bet κ/2 (p^(κ−1) + (1−p)^(κ−1)) on p near 0 or 1 is worth one on average;
SR ← (SR + 1) · bet is the sum over all starts of the bets since (conformal Shiryaev-Roberts: Vovk, Gammerman and
Shafer, "Algorithmic learning in a random world", 2022; union over columns as in `ted`). An alarm where w_j SR_j ≥ 2T
has P(false alarm by t) ≤ t / 2T whatever the dependence inside windows and between columns.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import logsumexp

from watchglass.monitor.ted import Evidence

if TYPE_CHECKING:
    from numpy.typing import NDArray

KAPPAS = np.array([0.15, 0.35])
_LEAST = 1e-9  # a p-value nearer to 0 or 1 counts as this far: the bet is worth less than it could be, never more


@dataclass(frozen=True, slots=True, eq=False)
class Learnt:
    """The reference windows (n0, J), NaN where one does not tell a functional, and the seed that breaks ties."""

    reference: NDArray[np.float64]
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class Running:
    """Where the recursion stands after t windows: all values `seen` (n0 + t, J), log bets (t, K, J), log SR (K, J)."""

    seen: NDArray[np.float64]
    seed: int
    log_bets: NDArray[np.float64]
    log_sr: NDArray[np.float64]


def learn(reference: NDArray[np.float64], *, seed: int = 0) -> Learnt:
    """Take the reference windows (n0, J) as the first to rank the others among; the same seed gives the same numbers."""
    return Learnt(np.asarray(reference, dtype=np.float64), seed)


def begin(learnt: Learnt) -> Running:
    """Stand before the first window after the reference."""
    functionals = learnt.reference.shape[1]
    none = np.full((len(KAPPAS), functionals), -np.inf)
    return Running(learnt.reference, learnt.seed, np.empty((0, len(KAPPAS), functionals)), none)


def p_values(seen: NDArray[np.float64], window: NDArray[np.float64], seed: int) -> NDArray[np.float64]:
    """Give each functional's p-value (J): its rank from above among those seen (n, J), ties broken at random; NaN untold.

    The random numbers hang on the seed and on how many windows were seen, so whoever replays them gets the same.

    >>> p_values(np.array([[1.0], [2.0], [4.0]]), np.array([3.0]), seed=0).round(3).tolist() # between 1/4 and 2/4
    [0.272]
    """
    chance = np.random.Generator(np.random.Philox(key=seed, counter=[0, 0, len(seen), 0])).random(len(window))
    told = (~np.isnan(seen)).sum(axis=0)
    above, equal = (seen > window).sum(axis=0), (seen == window).sum(axis=0)
    return np.where(np.isnan(window), np.nan, (above + chance * (equal + 1)) / (told + 1))


def log_bets(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the logarithm of each bet (K, J) on p-values (J); a functional that is not told is not bet on."""
    inside = np.clip(np.nan_to_num(p, nan=0.5), _LEAST, 1 - _LEAST)
    power = KAPPAS[:, None] - 1
    found = np.log(KAPPAS / 2)[:, None] + np.logaddexp(power * np.log(inside), power * np.log1p(-inside))
    return np.where(np.isnan(p), 0.0, found)


def step(running: Running, window: NDArray[np.float64]) -> Running:
    """Go on by one window (J): one rank and one product a functional, however many windows went before."""
    bets = log_bets(p_values(running.seen, window, running.seed))
    return Running(
        np.vstack([running.seen, window]),
        running.seed,
        np.concatenate([running.log_bets, bets[None]]),
        np.logaddexp(running.log_sr, 0.0) + bets,
    )


def log_sr(running: Running) -> NDArray[np.float64]:
    """Give each functional's log SR (J) after the newest window: what an alarm is raised on."""
    return np.asarray(np.logaddexp.reduce(running.log_sr, axis=0) - np.log(len(KAPPAS)))


def standing(running: Running) -> Evidence:
    """Give the evidence after the newest window, in the form that `ted.evidence` gives it: all starts are tried."""
    since = np.cumsum(running.log_bets[::-1], axis=0)[::-1]
    log_bf = np.asarray(logsumexp(since, axis=1)) - np.log(len(KAPPAS))
    return Evidence(np.arange(len(log_bf)), log_bf, log_sr(running))


def evidence(learnt: Learnt, monitored: NDArray[np.float64]) -> Evidence:
    """Weigh every start for the newest of the monitored windows (t, J), from the first on; `step` goes on from one."""
    running = begin(learnt)
    for window in monitored:
        running = step(running, window)
    return standing(running)
