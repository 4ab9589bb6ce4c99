"""Functionals by window → evidence that a step began: an e-detector over windows, with a promise about false alarms.

For every functional and every window k a two-sample-t Bayes factor says how much better "a step began at k" explains
the windows than "none did", with the noise learnt between the reference windows. Their sum over k is a
Shiryaev-Roberts statistic SR. An alarm where w_j SR_j reaches 2T for any j has, by Doob's inequality and a union over
j, P(false alarm by t) ≤ t / 2T whatever the dependence between columns, hence at least T windows to a false alarm
on average (Shin, Ramdas and Rinaldo, "E-detectors", 2024; Bayes factor after Gönen et al., 2005). Exact for
independent Gaussian functionals; normal scores and AR(1) differencing make it robust for others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import logsumexp, ndtri

if TYPE_CHECKING:
    from numpy.typing import NDArray

PRIOR_VARIANCES = (1.0, 16.0, 256.0)  # of the step, in variances of a window: small, middling and huge steps
CORRELATIONS = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95])
BEYOND = 1.0  # how far, in normal scores, a value beyond every reference window may count


@dataclass(frozen=True, slots=True, eq=False)
class Learnt:
    """What the reference windows (n0, J) say of each functional: order, scale, noise floor, correlation, normal scores."""

    order: NDArray[np.float64]
    scale: NDArray[np.float64]
    floor: NDArray[np.float64]
    rho: NDArray[np.float64]
    scores: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """`log_sr` (J) and, for the starts tried (K, as counts of windows after the reference), `log_bf` (K, J)."""

    starts: NDArray[np.int64]
    log_bf: NDArray[np.float64]
    log_sr: NDArray[np.float64]


def learn(reference: NDArray[np.float64], floor: NDArray[np.float64], *, autocorrelated: bool = True) -> Learnt:
    """Learn from reference windows (n0, J); `floor` (J) is the standard deviation that rows alone would give."""
    centre = np.median(reference, axis=0)
    robust = 1.4826 * np.median(np.abs(reference - centre), axis=0)
    deviation = reference.std(axis=0, ddof=1)
    scale = np.maximum(np.where(robust > 0.3 * deviation, robust, deviation), np.maximum(floor, 1e-12))
    order = np.sort(reference, axis=0)
    scores = normal_scores(order, scale, reference)
    rho = _correlation(scores) if autocorrelated else np.zeros(reference.shape[1])
    return Learnt(order, scale, (floor / scale) ** 2, rho, scores)


def normal_scores(
    order: NDArray[np.float64], scale: NDArray[np.float64], z: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Map windows (n, J) to normal quantiles of their mid-rank among the sorted reference windows.

    Beyond the reference's range a score grows with the logarithm of the distance, by one at most.
    """
    n0 = len(order)
    below = (order[None] < z[:, None]).sum(axis=1)
    upto = (order[None] <= z[:, None]).sum(axis=1)
    share = np.clip(((below + upto) / 2 + 0.5) / (n0 + 1), 0.5 / (n0 + 1), 1 - 0.5 / (n0 + 1))
    over = np.maximum(z - order[-1], 0) / scale
    under = np.maximum(order[0] - z, 0) / scale
    scores = ndtri(share) + np.minimum(BEYOND, np.log1p(over)) - np.minimum(BEYOND, np.log1p(under))
    return np.asarray(scores)


def _correlation(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Estimate each functional's lag-1 correlation: bias-corrected, shrunk to the median, rounded up to a grid."""
    n0 = len(scores)
    centred = scores - scores.mean(axis=0)
    power = (centred**2).sum(axis=0)
    alive = power > 1e-9  # noqa: PLR2004 - a constant has no correlation
    raw = np.where(alive, (centred[1:] * centred[:-1]).sum(axis=0) / np.where(alive, power, 1), np.nan)
    raw = (raw * n0 + 1) / (n0 - 4)
    if not alive.any():
        return np.zeros(scores.shape[1])
    pooled = float(np.nanmedian(raw))
    noise = max(1e-3, (1 - min(0.9, abs(pooled)) ** 2) / n0)  # the variance of a lag-1 correlation, (1 − ρ²)/n
    between = max(0.0, float(np.nanvar(raw)) - noise)
    shrunk = np.where(alive, pooled + between / (between + noise) * (np.nan_to_num(raw) - pooled), 0.0)
    cautious = np.where(shrunk > 0.05, shrunk + 0.5 * np.sqrt(np.maximum(1 - shrunk**2, 0.02) / n0), shrunk)  # noqa: PLR2004 - half a standard error up
    index = np.searchsorted(CORRELATIONS, np.clip(cautious, 0, 0.95) - 0.02)
    return np.asarray(CORRELATIONS[np.minimum(index, len(CORRELATIONS) - 1)])


def starts_to_try(windows: int) -> NDArray[np.int64]:
    """Thin the possible starts: all of the last 24, every 4th to 120, every 16th before; dropping terms keeps the promise.

    >>> starts_to_try(30).tolist()[:4]
    [0, 4, 6, 7]
    """
    start = np.arange(windows)
    age = windows - 1 - start
    return np.asarray(start[(age < 24) | ((age < 120) & (start % 4 == 0)) | (start % 16 == 0)])  # noqa: PLR2004 - as the text says


def evidence(learnt: Learnt, monitored: NDArray[np.float64], *, falls_only: bool = False) -> Evidence:
    """Weigh every start for the newest of the monitored windows (t, J); `falls_only` drops starts of a rise."""
    n0, windows = len(learnt.scores), len(monitored)
    scores = np.vstack([learnt.scores, normal_scores(learnt.order, learnt.scale, monitored)])
    starts = starts_to_try(windows)
    steps = (np.arange(n0 + windows)[:, None] >= starts[None] + n0).astype(np.float64)
    log_bf = np.empty((len(starts), scores.shape[1]))
    for rho in np.unique(learnt.rho):
        chosen = np.flatnonzero(learnt.rho == rho)
        constant = np.ones((n0 + windows, 1))
        y, x, s = (part if rho == 0 else part[1:] - rho * part[:-1] for part in (scores[:, chosen], constant, steps))
        log_bf[:, chosen] = _bayes_factors(y, x, s, learnt.floor[chosen] * (1 + rho**2), falls_only=falls_only)
    return Evidence(starts, log_bf, np.asarray(logsumexp(log_bf, axis=0)))


def _bayes_factors(
    y: NDArray[np.float64],
    x: NDArray[np.float64],
    steps: NDArray[np.float64],
    floor: NDArray[np.float64],
    *,
    falls_only: bool,
) -> NDArray[np.float64]:
    """Give the log Bayes factor (K, J) of a step with a normal prior of variance g and the right-Haar prior on the rest."""
    n, p = x.shape
    basis = x / np.sqrt((x**2).sum(axis=0))
    r = steps - basis @ (basis.T @ steps)
    e = y - basis @ (basis.T @ y)
    ss = (r**2).sum(axis=0)
    told = ss > 1e-9  # noqa: PLR2004 - a start that no window tells from the constant
    slope = r.T @ e
    explained = slope**2 / np.maximum(ss, 1e-9)[:, None]
    rest = np.maximum((e**2).sum(axis=0) - explained, (n - p - 1) * floor)
    share = np.minimum(explained / (rest + explained + 1e-300), 1 - 1e-12)
    terms = []
    for g in PRIOR_VARIANCES:
        shrink = (ss * g / (1 + ss * g))[:, None]
        terms.append(-0.5 * np.log1p(ss * g)[:, None] - 0.5 * (n - p) * np.log1p(-share * shrink))
    factors = np.where(told[:, None], logsumexp(terms, axis=0) - np.log(len(terms)), 0.0)
    return np.where(slope > 0, -np.inf, factors) if falls_only else factors
