"""Cleaned images with their features → the digit that each shows and how sure that is, by one matrix of weights.

The classifier is scikit-learn's logistic regression. What training found is folded into an array of 75 × 10
(the intercept, 64 pixels, 10 features; by digit), which is the model's artifact: any process that loads it holds
the same model, and nothing is pickled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, cast

import numpy as np

from watchglass.errors import need

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]
    Counts = NDArray[np.int64]

C: Final = 0.1
"""The inverse of how strongly the weights are held near 0."""


class _Classifier(Protocol):
    """What is used of scikit-learn's classifier."""

    def predict_proba(self, inputs: Numbers, /) -> Numbers: ...


@dataclass(frozen=True, slots=True, eq=False)
class Reader:
    """A model that reads digits: its weights as recorded, and scikit-learn's classifier made from them."""

    weights: Numbers
    classifier: _Classifier

    def read(self, images: Numbers, features: Numbers) -> tuple[Counts, Numbers]:
        """Give the digit of each of (n, 8, 8) images and its probability."""
        sure = self.classifier.predict_proba(_inputs(images, features))
        digits = sure.argmax(1)
        return digits, sure[np.arange(len(digits)), digits]


def train(images: Numbers, features: Numbers, digits: Counts) -> Numbers:
    """Fit the classifier to standardised pixels and features; gives its weights."""
    linear = need("sklearn.linear_model", extra="demo", to="run the demo")
    limits = need("threadpoolctl", extra="demo", to="run the demo").threadpool_limits
    inputs = _inputs(images, features)
    mean, spread = inputs.mean(0), inputs.std(0)
    spread[spread == 0.0] = 1.0
    with limits(1):  # two threads are no faster here, and ten times slower where other work has the cores
        fitted = linear.LogisticRegression(C=C, max_iter=1000).fit((inputs - mean) / spread, digits)
    slope = fitted.coef_ / spread
    return np.ascontiguousarray(np.vstack([fitted.intercept_ - slope @ mean, slope.T]))


def reader(weights: Numbers) -> Reader:
    """Make the classifier that has these weights."""
    made = need("sklearn.linear_model", extra="demo", to="run the demo").LogisticRegression()
    made.classes_ = np.arange(weights.shape[1])
    made.intercept_, made.coef_ = weights[0], weights[1:].T
    made.n_features_in_ = len(weights) - 1
    return Reader(weights, cast("_Classifier", made))


def _inputs(images: Numbers, features: Numbers) -> Numbers:
    return np.hstack([images.reshape(len(images), -1), features])
