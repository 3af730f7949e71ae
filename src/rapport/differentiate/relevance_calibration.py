"""Calibration of raw scores and the diagnostics of probabilities, for models of pairs.

Why it exists: a decision multiplies a probability by money, so 0.2 must happen one time in five. The map is
monotone without flat parts, so that it never changes who ranks before whom. No booster may enter.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

_REACH = 30.0
_CEILING = 33.0  # the largest log odds whose probability is still below 1 by several bits
_EPS = 1e-6


def fit_calibration(
    raw: NDArray[np.float64], outcomes: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return knots of a strictly increasing map from raw score to probability.

    Parameters
    ----------
    raw : float64 array, shape (n,)
        Raw scores (log odds before calibration) of held-out pairs.
    outcomes : bool array, shape (n,)

    Returns
    -------
    raw_knots, probability_knots : float64 arrays, shape (n_knots,)
        Probabilities in (0, 1).

    Notes
    -----
    logit p = a + b raw, 0.2 <= b <= 2, by penalised maximum likelihood (Platt 1999) with a small pull to a = 0,
    b = 1; the logistic map is then written down on a grid for linear interpolation, which needs no
    transcendental function when scoring.
    """
    x, y = raw, outcomes.astype(np.float64)

    def loss(theta: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        z = theta[0] + theta[1] * x
        gap = special.expit(z) - y
        pull = theta - np.array([0.0, 1.0])
        value = float(np.sum(np.logaddexp(0.0, z) - y * z) + pull @ pull)
        return value, np.array([gap.sum(), (gap * x).sum()]) + 2 * pull

    best = optimize.minimize(loss, [0.0, 1.0], jac=True, method="L-BFGS-B", bounds=[(-5, 5), (0.2, 2)])
    a, b = best.x
    knots = np.concatenate([[-_REACH], np.linspace(-12.0, 8.0, 401), [_REACH]])
    return knots, special.expit(np.minimum(a + b * knots, _CEILING))


def apply_calibration(
    raw: NDArray[np.float64], raw_knots: NDArray[np.float64], probability_knots: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return calibrated probabilities of raw scores, in (0, 1), same shape as ``raw``."""
    return np.interp(raw, raw_knots, probability_knots)


def log_loss(probabilities: NDArray[np.float64], outcomes: NDArray[np.bool_]) -> float:
    """Return the mean of -log p of what happened, in nats; probabilities are held in [1e-6, 1 - 1e-6]."""
    p = np.clip(probabilities, _EPS, 1 - _EPS)
    return float(-np.mean(np.where(outcomes, np.log(p), np.log1p(-p))))


def auc(scores: NDArray[np.float64], outcomes: NDArray[np.bool_]) -> float:
    """Return the area under the ROC curve: P(a positive scores above a negative), ties count half.

    NaN where there is one kind of outcome only. Mann & Whitney (1947), via mean ranks.
    """
    n_positive = int(outcomes.sum())
    n_negative = len(outcomes) - n_positive
    if n_positive == 0 or n_negative == 0:
        return float("nan")
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(count) - (count - 1) / 2.0
    u = mean_rank[place][outcomes].sum() - n_positive * (n_positive + 1) / 2.0
    return float(u / (n_positive * n_negative))


def calibration_error(probabilities: NDArray[np.float64], outcomes: NDArray[np.bool_], n_groups: int = 10) -> float:
    """Return the expected calibration error in groups of equal size (Naeini, Cooper & Hauskrecht 2015)."""
    groups = np.array_split(np.argsort(probabilities, kind="stable"), min(n_groups, len(probabilities)))
    gaps = [abs(float(np.sum(probabilities[g] - outcomes[g]))) for g in groups]
    return float(sum(gaps) / len(probabilities))
