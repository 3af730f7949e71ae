"""Logistic regression with weights, by Newton's method.

Why it exists: the few weights that turn counts and factors into a probability must be calibrated, and the logistic
model with a constant is so by construction on what it learned from. No feature is made here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, special

from rapport.differentiate.factors_als import GRID

Floats = NDArray[np.float64]
RIDGE = 1.0
MOST_STEPS = 50


def fit_logit(features: Floats, outcomes: NDArray[np.bool_], weights: Floats) -> Floats:
    """Return the weights of a logistic regression, shape (K,), rounded to a fine grid.

    Parameters
    ----------
    features : (m, K); the first is the constant 1, which is not penalised
    outcomes : (m,) bool, of both kinds
    weights : (m,), greater than 0, what a row counts

    Notes
    -----
    Penalised maximum likelihood, ridge `RIDGE` on features divided by their standard deviation; Newton's steps,
    halved while the loss would rise (Hastie, Tibshirani & Friedman 2009, section 4.4.1).
    """
    y = outcomes.astype(np.float64)
    total = weights.sum()
    centre = weights @ features / total
    spread = np.sqrt(np.maximum(weights @ (features - centre) ** 2 / total, 1e-12))
    spread[0], centre[0] = 1.0, 0.0
    x = (features - centre) / spread
    x[:, 1:] *= (spread[1:] > 1e-5).astype(np.float64)
    penalty = np.full(x.shape[1], RIDGE)
    penalty[0] = 1e-9
    beta = np.zeros(x.shape[1])
    beta[0] = special.logit(np.clip(weights @ y / total, 1e-9, 1 - 1e-9))
    loss = _loss(x, y, weights, beta, penalty)
    for _ in range(MOST_STEPS):
        p = special.expit(x @ beta)
        gradient = x.T @ (weights * (p - y)) + penalty * beta
        curve = (x * (weights * p * (1 - p))[:, None]).T @ x + np.diag(penalty)
        step = linalg.solve(curve, gradient, assume_a="pos")
        size = 1.0
        while (found := _loss(x, y, weights, beta - size * step, penalty)) > loss and size > 1e-6:
            size /= 2
        beta, gained, loss = beta - size * step, loss - found, found
        if gained <= 1e-9 * abs(loss):
            break
    plain = beta / spread
    plain[1:] *= spread[1:] > 1e-5
    plain[0] -= plain[1:] @ centre[1:]
    rounded: Floats = np.rint(plain * GRID) / GRID
    return rounded


def _loss(x: Floats, y: Floats, weights: Floats, beta: Floats, penalty: Floats) -> float:
    z = x @ beta
    return float(weights @ (np.logaddexp(0.0, z) - y * z) + 0.5 * (penalty @ beta**2))
