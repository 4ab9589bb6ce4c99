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
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import logsumexp, ndtri

if TYPE_CHECKING:
    from numpy.typing import NDArray

PRIOR_VARIANCES = (1.0, 16.0, 256.0)  # of the step, in variances of a window: small, middling and huge steps
CORRELATIONS = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95])
VARYING = 3.0  # volumes that differ by no more count alike
BEYOND = 1.0  # how far, in normal scores, a value beyond every reference window may count


@dataclass(frozen=True, slots=True, eq=False)
class Learnt:
    """What the reference windows (n0, J) say of each functional: order, scale, noise floor, correlation, normal scores.

    `scores` are NaN where a window does not tell a functional. `noise` is what of the variance between windows each has
    from its rows alone, at the mean volume of the reference; `season` (p, J) what the covariates explain of it.
    """

    order: NDArray[np.float64]
    scale: NDArray[np.float64]
    floor: NDArray[np.float64]
    rho: NDArray[np.float64]
    scores: NDArray[np.float64]
    noise: NDArray[np.float64]
    season: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Circumstances:
    """What is known of windows beside their functionals: covariates (n, p), a constant first; rows (n), None: all alike."""

    covariates: NDArray[np.float64]
    rows: NDArray[np.float64] | None = None

    @classmethod
    def none(cls, windows: int) -> Circumstances:
        """Say that windows differ in nothing that is known."""
        return cls(np.ones((windows, 1)))

    def at(self, windows: NDArray[np.int64]) -> Circumstances:
        """Keep those of some windows."""
        return Circumstances(self.covariates[windows], None if self.rows is None else self.rows[windows])


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """`log_sr` (J) and, for the starts tried (K, as counts of windows after the reference), `log_bf` (K, J)."""

    starts: NDArray[np.int64]
    log_bf: NDArray[np.float64]
    log_sr: NDArray[np.float64]


def learn(
    reference: NDArray[np.float64],
    floor: NDArray[np.float64],
    *,
    autocorrelated: bool = True,
    circumstances: Circumstances | None = None,
) -> Learnt:
    """Learn from reference windows (n0, J); `floor` (J) is the standard deviation that rows alone would give.

    A functional that no reference window tells never gives evidence. What covariates explain is taken out before
    windows are ranked, else a shift inside a season would hide between its days; a reference window is held against
    what the others say (its residual over one minus its leverage), so that it is no nearer than a new one.
    """
    about = circumstances or Circumstances.none(len(reference))
    reference, season = _without_season(reference, about.covariates)
    told = ~np.isnan(reference)
    n = told.sum(axis=0)
    known = np.where(n > 0, reference, 0.0)
    centre = np.nanmedian(known, axis=0)
    robust = 1.4826 * np.nanmedian(np.abs(known - centre), axis=0)
    mean = np.where(told, reference, 0.0).sum(axis=0) / np.maximum(n, 1)
    deviation = np.sqrt((np.where(told, reference - mean, 0.0) ** 2).sum(axis=0) / np.maximum(n - 1, 1))
    scale = np.maximum(np.where(robust > 0.3 * deviation, robust, deviation), np.maximum(floor, 1e-12))
    order = np.sort(reference, axis=0)
    scores = normal_scores(order, scale, reference)
    rho = _correlation(_without_season(scores, about.covariates, held_out=False)[0], about.covariates)
    noise = np.minimum(floor**2 / np.maximum(deviation**2, 1e-300), 1.0)
    return Learnt(
        order, scale, (floor / scale) ** 2, rho if autocorrelated else np.zeros_like(rho), scores, noise, season
    )


def normal_scores(
    order: NDArray[np.float64], scale: NDArray[np.float64], z: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Map windows (n, J) to normal quantiles of their mid-rank among the sorted reference windows, NaN to NaN.

    Beyond the reference's range a score grows with the logarithm of the distance, by one at most.
    """
    n0 = (~np.isnan(order)).sum(axis=0)
    ranks = np.empty(z.shape)
    for column, known in enumerate(order.T):
        values = z[:, column]  # what is not a number sorts behind all
        ranks[:, column] = known.searchsorted(values, "left") + known.searchsorted(values, "right")
    share = (ranks + 1) / (2 * (n0 + 1))
    low = order[0] if len(order) else np.full(z.shape[1], np.nan)
    high = np.take_along_axis(order, np.maximum(n0 - 1, 0)[None], axis=0)[0] if len(order) else low
    with np.errstate(invalid="ignore", over="ignore"):
        beyond = [np.maximum(far, 0) / scale for far in (z - high, low - z)]
    least = 0.5 / (n0 + 1)
    over, under = (np.minimum(BEYOND, np.log1p(np.nan_to_num(far, nan=0.0))) for far in beyond)
    found = ndtri(np.clip(share, least, 1 - least)) + over - under
    return np.where(np.isnan(z) | (n0 == 0), np.nan, found)


def _without_season(
    z: NDArray[np.float64], covariates: NDArray[np.float64], *, held_out: bool = True
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Take out of reference windows (n0, J) what the covariates but the constant explain; NaN stays. Gives (p, J) too.

    With `held_out` each window is predicted from the others; else all, the constant too, is taken out.
    """
    p = covariates.shape[1]
    rest, season = np.array(z, dtype=np.float64), np.zeros((p, z.shape[1]))
    if p == 1 and held_out:
        return rest, season
    told = ~np.isnan(z)
    for pattern in np.unique(told, axis=1).T:
        chosen = (told == pattern[:, None]).all(axis=0)
        if pattern.any():
            x, y = covariates[pattern], z[np.ix_(pattern, chosen)]
            inverse = np.linalg.pinv(x)
            found = inverse @ y
            outside = 1 - np.einsum("ip,pi->i", x, inverse)[:, None]
            away = y - x @ found
            if held_out:  # a window that alone tells a covariate has no rest
                away = np.where(outside > 1e-9, away / np.maximum(outside, 1e-9), 0.0) + found[0]  # noqa: PLR2004 - rounding
            rest[np.ix_(pattern, chosen)] = away
            season[1:, chosen] = found[1:]
    return rest, season


def _correlation(rest: NDArray[np.float64], covariates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Estimate each functional's lag-1 correlation: bias-corrected, shrunk to the median, rounded up to a grid.

    What is left of white noise when covariates are taken out has a correlation of −tr(HL)/(n − p) by itself, with H
    their projection and L the lag: 1/n for a constant, none for days of the week.
    """
    n0, p = covariates.shape
    known = np.nan_to_num(rest)
    power = (known**2).sum(axis=0)
    alive = power > 1e-9  # noqa: PLR2004 - a constant has no correlation
    if not alive.any() or n0 - p <= 3:  # noqa: PLR2004 - what the correction of its bias divides by
        return np.zeros(rest.shape[1])
    raw = np.where(alive, (known[1:] * known[:-1]).sum(axis=0) / np.where(alive, power, 1), np.nan)
    projected = covariates @ np.linalg.pinv(covariates)
    raw = (raw + float(np.trace(projected, offset=1)) / (n0 - p)) * n0 / (n0 - 4)
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


def evidence(
    learnt: Learnt,
    monitored: NDArray[np.float64],
    *,
    falls_only: bool = False,
    circumstances: Circumstances | None = None,
) -> Evidence:
    """Weigh every start for the newest of the monitored windows (t, J); `falls_only` drops starts of a rise.

    `circumstances` are those of the reference windows and the monitored ones (n0 + t). Where their volumes vary more
    than threefold a window counts by 1/(s_b² + s_w²/rows): s_b is the spread between windows, s_w that of rows.
    """
    n0, windows = len(learnt.scores), len(monitored)
    about = circumstances or Circumstances.none(n0 + windows)
    rest = monitored - about.covariates[n0:] @ learnt.season
    scores = np.vstack([learnt.scores, normal_scores(learnt.order, learnt.scale, rest)])
    root = np.where(np.isnan(scores), 0.0, np.sqrt(volume_weights(learnt.noise, about.rows, n0, n0 + windows)))
    starts = starts_to_try(windows)
    rows = _differenced(np.nan_to_num(scores), _basis(about.covariates), root, learnt.rho)
    log_bf = _bayes_factors(rows, starts + n0, learnt.floor * (1 + learnt.rho**2), falls_only=falls_only)
    return Evidence(starts, log_bf, np.asarray(logsumexp(log_bf, axis=0)))


def volume_weights(
    noise: NDArray[np.float64], rows: NDArray[np.float64] | None, reference: int, windows: int
) -> NDArray[np.float64]:
    """Give the weight (n, J) of each window; all one while the largest volume is at most three times the smallest.

    >>> volume_weights(np.array([1.0, 0.0]), np.array([100.0, 100.0, 25.0]), 2, 3).tolist()
    [[1.0, 1.0], [1.0, 1.0], [0.25, 1.0]]
    """
    if rows is None or not len(rows) or rows.max() <= VARYING * max(float(rows.min()), 1.0):
        return np.ones((windows, len(noise)))
    inverse = 1 / np.maximum(rows, 1.0)
    usual = float(np.mean(inverse[:reference])) if reference else 1.0
    return np.asarray(1 / (1 - noise + noise * (inverse / usual)[:, None]))


def _basis(covariates: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give an orthogonal basis of what the covariates span, so that one that says nothing new costs nothing."""
    if covariates.shape[1] == 1:
        return covariates
    unit = covariates / np.maximum(np.sqrt((covariates**2).sum(axis=0)), 1e-300)
    turned, sizes, _ = np.linalg.svd(unit, full_matrices=False)
    return np.asarray(turned[:, sizes > 1e-7 * sizes[0]] * np.sqrt(len(covariates)))


class Rows(NamedTuple):
    """Rows of the regression, scaled by the roots of their weights and differenced by ρ.

    Scores (n, J), covariates (n, p, J), a step's value at its own window and at those after it (n, J), and how many
    windows tell each functional (J).
    """

    y: NDArray[np.float64]
    x: NDArray[np.float64]
    at: NDArray[np.float64]
    after: NDArray[np.float64]
    told: NDArray[np.int64]


def _differenced(
    scores: NDArray[np.float64], covariates: NDArray[np.float64], root: NDArray[np.float64], rho: NDArray[np.float64]
) -> Rows:
    """Take ρ times each row's predecessor from it; a row without one is scaled to the same variance (Prais and Winsten)."""
    before = np.vstack([np.zeros((1, scores.shape[1])), root[:-1]])
    scaled = np.where(before > 0, 1.0, np.sqrt(1 - rho**2)) * root
    lag = np.vstack([np.zeros((1, scores.shape[1])), scores[:-1]])
    lagged = np.vstack([np.zeros((1, covariates.shape[1])), covariates[:-1]])
    y = scaled * scores - rho * before * lag
    x = scaled[:, None] * covariates[..., None] - (rho * before)[:, None] * lagged[..., None]
    after = scaled - rho * before
    gone = root == 0
    y[gone], after[gone] = 0.0, 0.0
    x[np.broadcast_to(gone[:, None], x.shape)] = 0.0
    return Rows(y, x, scaled, after, (~gone).sum(axis=0))


def _since(at: NDArray[np.float64], after: NDArray[np.float64], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sum, for each start, what its own window gives and what all windows after it give."""
    tail = np.cumsum(after[::-1], axis=0)[::-1]
    return np.asarray(at[starts] - after[starts] + tail[starts])


def _bayes_factors(
    rows: Rows, starts: NDArray[np.int64], floor: NDArray[np.float64], *, falls_only: bool
) -> NDArray[np.float64]:
    """Give the log Bayes factor (K, J) of a step with a normal prior of variance g and the right-Haar prior on the rest."""
    y, x, at, after, count = rows
    p = x.shape[1]
    gram = np.einsum("ipj,iqj->jpq", x, x)
    ridge = 1e-10 * np.maximum(np.einsum("jpp->j", gram) / p, 1e-9)
    inverse = np.linalg.inv(gram + ridge[:, None, None] * np.eye(p))
    coefficients = np.einsum("jpq,ipj,ij->qj", inverse, x, y, optimize=True)
    e = y - np.einsum("ipj,pj->ij", x, coefficients)
    crossed = _since(at[:, None] * x, after[:, None] * x, starts)
    size = _since(at**2, after**2, starts)
    ss = size - np.einsum("kpj,jpq,kqj->kj", crossed, inverse, crossed, optimize=True)
    n = count - p
    told = (ss > 1e-9 * np.maximum(size, 1e-9)) & (
        n > 1
    )  # a start that no window tells from the covariates says nothing
    ss = np.where(told, ss, 1.0)
    slope = _since(at * e, after * e, starts)
    explained = np.where(told, slope**2 / ss, 0.0)
    rest = np.maximum((e**2).sum(axis=0) - explained, np.maximum(n - 1, 0) * floor)
    share = np.minimum(explained / (rest + explained + 1e-300), 1 - 1e-12)
    terms = []
    for g in PRIOR_VARIANCES:
        shrink = ss * g / (1 + ss * g)
        terms.append(-0.5 * np.log1p(ss * g) - 0.5 * n * np.log1p(-share * shrink))
    factors = np.where(told, logsumexp(terms, axis=0) - np.log(len(terms)), 0.0)
    return np.where(told & (slope > 0), -np.inf, factors) if falls_only else factors
