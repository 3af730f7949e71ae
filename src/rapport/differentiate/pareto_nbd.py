"""Pareto/NBD: purchases at random times, drop-out at any time (Schmittlein, Morrison & Colombo 1987).

Why it exists: customers leave between purchases too, also those who bought only once, which BG/NBD cannot say. The
likelihood needs an integral; here it is a quadrature that neither overflows nor subtracts. Functions take a fitted
record (its ``a`` is s, its ``b`` is beta) and rows that were checked before. No search may enter.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from rapport.differentiate.lifetime_model import LifetimeModel, Rows
from rapport.differentiate.likelihood import Floats

# Natural-log bounds of (r, alpha / mean age, s, beta / mean age), as for BG/NBD.
LOG_LOWER: Final = (np.log(1e-3), np.log(1e-5), np.log(1e-4), np.log(1e-4))
LOG_UPPER: Final = (np.log(1e3), np.log(1e4), np.log(1e3), np.log(1e5))
STARTS: Final = ((0.5, 0.3, 0.6, 0.4), (1.0, 1.0, 1.0, 1.0), (2.0, 0.5, 0.2, 3.0), (0.5, 0.5, 3.0, 3.0))
NODES: Final = 24
TAIL_NODES: Final = 16
CHUNK: Final = 4096
# exp(-45) is below the rounding of the sums that these parts of the integral would be added to.
NEGLIGIBLE: Final = 45.0


def log_likelihood(log_parameters: Floats, rows: Rows, weights: Floats) -> tuple[float, Floats]:
    """Return the log-likelihood of the Pareto/NBD model and its gradient in the log-parameters.

    Parameters
    ----------
    log_parameters : float64 array, shape (4,)
        Logarithms of r, alpha, s, beta.
    rows : three float64 arrays, shape (m,)
        Frequency, recency, age.
    weights : float64 array, shape (m,)
        Customers in each row.

    Returns
    -------
    float, and a float64 array of shape (4,).

    References
    ----------
    Schmittlein, D. C., Morrison, D. G. & Colombo, R. (1987), Management Science 33(1), 1-24; Fader, P. S. & Hardie,
    B. G. S. (2005), "A note on deriving the Pareto/NBD model and related expressions", before the integral is written
    as a hypergeometric function.
    """
    from scipy.special import gammaln, psi

    parameters = np.exp(log_parameters)
    r, alpha, s, beta = parameters
    value, gradient = 0.0, np.zeros(4)
    for first in range(0, rows[0].size, CHUNK):
        part = slice(first, first + CHUNK)
        x, t_x, T = (column[part] for column in rows)
        weight = weights[part]
        stay, left, slopes = _stay_and_leave(parameters, (x, t_x, T))
        both = stay + left
        at_last = np.log1p(t_x / alpha), np.log1p(t_x / beta)
        ll = (
            gammaln(r + x) - gammaln(r) - x * np.log(alpha) - (r + x) * at_last[0] - s * at_last[1]
            + np.log(both)
        )  # fmt: skip
        value += float(np.sum(weight * ll))
        outside = (
            psi(r + x) - psi(r) - at_last[0],
            r / alpha - (r + x) / (alpha + t_x),
            -at_last[1],
            s / beta - s / (beta + t_x),
        )
        gradient += [float(np.sum(weight * (o + i / both))) for o, i in zip(outside, slopes, strict=True)]
    return value, gradient * parameters


def _reach(parameters: Floats, rows: Rows) -> tuple[Floats, Floats]:
    """Return the time scale of the integral and the upper end in its variable."""
    r, alpha, s, beta = parameters
    x, t_x, T = rows
    end = np.minimum(
        (alpha + t_x) * np.expm1(np.minimum(NEGLIGIBLE / (r + x), 500.0)),
        (beta + t_x) * np.expm1(min(NEGLIGIBLE / s, 500.0)),
    )
    scale = 1.0 / ((r + x) / (alpha + t_x) + (s + 1.0) / (beta + t_x))
    return scale, np.log1p(np.minimum(T - t_x, end) / scale)


def _stay_and_leave(parameters: Floats, rows: Rows) -> tuple[Floats, Floats, tuple[Floats, ...]]:
    """Return the two parts of the likelihood, in units of its value at the last purchase, and their slopes.

    Notes
    -----
    With R = r + x and y the time of leaving, in units of (alpha + t_x)**-R (beta + t_x)**-s:

        stay  = ((alpha + T) / (alpha + t_x))**-R ((beta + T) / (beta + t_x))**-s
        leave = s * integral from t_x to T of (the same at y) / (beta + y) dy

    Both lie in [0, 1] and are added, so nothing can cancel or overflow, whichever of alpha and beta is the larger.
    The integral is taken by Gauss-Legendre in v, y = t_x + scale (exp(v) - 1), where ``scale`` is the time in which
    the integrand first falls by a factor e: a quick fall and a long tail are then both smooth.
    """
    r, alpha, s, beta = parameters
    x, t_x, T = rows
    shape, from_alpha, from_beta = r + x, alpha + t_x, beta + t_x
    wait = T - t_x
    fall_r, fall_s = np.log1p(wait / from_alpha), np.log1p(wait / from_beta)
    stay = np.exp(-shape * fall_r - s * fall_s)
    scale, upper = _reach(parameters, rows)
    sums = [np.zeros(x.shape) for _ in range(5)]
    for place, weight in zip(*_legendre(NODES), strict=True):
        stretch = np.expm1(upper * place)
        time = scale * stretch
        log_r, log_s = np.log1p(time / from_alpha), np.log1p(time / from_beta)
        at_alpha, at_beta = 1.0 / (from_alpha + time), 1.0 / (from_beta + time)
        mass = weight * np.exp(-shape * log_r - s * log_s) * (stretch + 1.0) * at_beta
        for i, factor in enumerate((1.0, log_r, at_alpha * time, log_s, at_beta)):
            sums[i] += mass * factor
    whole = s * upper * scale
    left, by_r, by_alpha, by_s, by_beta = (whole * total for total in sums)
    d_alpha = stay * shape * wait / (from_alpha + wait) + shape * by_alpha
    d_beta = stay * s * wait / (from_beta * (from_beta + wait)) + s * left / from_beta - (s + 1.0) * by_beta
    return stay, left, (-fall_r * stay - by_r, d_alpha / from_alpha, left / s - fall_s * stay - by_s, d_beta)


def _legendre(nodes: int) -> tuple[list[float], list[float]]:
    place, weight = np.polynomial.legendre.leggauss(nodes)
    return [float(v) for v in (place + 1.0) / 2.0], [float(v) for v in weight / 2.0]


def alive(model: LifetimeModel, rows: Rows) -> Floats:
    """Return the probability of being still here, shape (n,), in [0, 1].

    References
    ----------
    Schmittlein, Morrison & Colombo (1987), eq. (11) to (13): the part of the likelihood without leaving.
    """
    out = np.empty_like(rows[0])
    r, alpha, s, beta = model.r, model.alpha, model.a, model.b
    parameters = np.array([r, alpha, s, beta])
    for first in range(0, out.size, CHUNK):
        part = slice(first, first + CHUNK)
        x, t_x, T = (column[part] for column in rows)
        shape, from_alpha, from_beta, wait = r + x, alpha + t_x, beta + t_x, T - t_x
        log_stay = -shape * np.log1p(wait / from_alpha) - s * np.log1p(wait / from_beta)
        scale, upper = _reach(parameters, (x, t_x, T))
        total = np.zeros_like(x)
        # One node after another, never a sum over an axis: the order of summation must not depend on the batch.
        for place, weight in zip(*_legendre(NODES), strict=True):
            stretch = np.expm1(upper * place)
            time = scale * stretch
            fall = -shape * np.log1p(time / from_alpha) - s * np.log1p(time / from_beta)
            total += weight * np.exp(fall) * (stretch + 1.0) / (from_beta + time)
        stay, left = np.exp(log_stay), s * upper * scale * total
        # Both vanish only where a customer bought so often, so long ago, that not even leaving explains it.
        out[part] = np.divide(stay, stay + left, out=np.zeros_like(stay), where=stay > 0)
    return out


def if_alive(model: LifetimeModel, rows: Rows, horizon: float) -> Floats:
    """Return the expected purchases within a horizon of customers who are still here, shape (n,).

    References
    ----------
    Fader & Hardie (2005), "A note on deriving the Pareto/NBD model", the conditional expectation: rate times
    (beta + T) / (s - 1) [1 - ((beta + T) / (beta + T + t))**(s - 1)], written so that s = 1 is no exception.
    """
    from scipy.special import exprel

    x, _, T = rows
    longer = np.log1p(horizon / (model.b + T))
    time = (model.b + T) * longer * exprel((1.0 - model.a) * longer)
    return np.asarray((model.r + x) / (model.alpha + T) * np.clip(time, 0.0, horizon))


def tail_if_alive(model: LifetimeModel, rows: Rows, horizon: float, count: Floats) -> Floats:
    """Return the probability of more than ``count`` purchases within the horizon if still here, shape (n,).

    Notes
    -----
    Still here now, rate and time of leaving are independent under the model. P(J > count) for a customer who leaves
    after u is the negative binomial tail over u; it is averaged over u by its chance q = P(leaves later than u),
    Gauss-Legendre in q. Weights are positive, so the tail falls with ``count``.
    """
    from scipy.special import betainc

    x, _, T = rows
    shape, from_alpha, from_beta = model.r + x, model.alpha + T, model.b + T

    def more(time: Floats) -> Floats:
        return np.asarray(betainc(count + 1.0, shape, time / (from_alpha + time)))

    stays = np.exp(-model.a * np.log1p(horizon / from_beta))
    total = np.zeros_like(x)
    for place, weight in zip(*_legendre(TAIL_NODES), strict=True):
        q = stays + (1.0 - stays) * place
        time = from_beta * np.expm1(np.minimum(-np.log(q) / model.a, 700.0))
        total += weight * more(np.minimum(time, horizon))
    return np.asarray(stays * more(np.full_like(x, horizon)) + (1.0 - stays) * total)
