"""BG/NBD: purchases at random times, drop-out after a repeat purchase (Fader, Hardie & Lee 2005).

Why it exists: the simplest of the models, and the one that others are measured against. Functions take a fitted
record and rows that were checked before; ``lifetime`` is the face for callers. No search may enter.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from rapport.differentiate.lifetime_model import LifetimeModel, Rows, distinct_pairs
from rapport.differentiate.likelihood import Floats

# Natural-log bounds of (r, alpha / mean age, a, b). Beyond them the likelihood is flat to many digits: a
# value that wants to go further is not identified, and is reported instead of followed to 1e17.
LOG_LOWER: Final = (np.log(1e-3), np.log(1e-5), np.log(1e-4), np.log(1e-3))
LOG_UPPER: Final = (np.log(1e3), np.log(1e4), np.log(1e3), np.log(1e4))
# (r, alpha / mean age, a, b): few heavy buyers, everyone alike, hardly any drop-out, heavy drop-out.
STARTS: Final = ((0.25, 0.2, 0.8, 2.5), (1.0, 1.0, 1.0, 1.0), (2.0, 0.5, 0.05, 2.0), (0.5, 0.5, 3.0, 3.0))
NODES: Final = 128
CHUNK: Final = 4096


def log_likelihood(
    log_parameters: Floats, rows: tuple[Floats, Floats, Floats], weights: Floats
) -> tuple[float, Floats]:
    """Return the log-likelihood of the BG/NBD model and its gradient in the log-parameters.

    Parameters
    ----------
    log_parameters : float64 array, shape (4,)
        Logarithms of r, alpha, a, b.
    rows : three float64 arrays, shape (m,)
        Frequency, recency, age.
    weights : float64 array, shape (m,)
        Customers in each row.

    Returns
    -------
    float, and a float64 array of shape (4,).

    References
    ----------
    Fader, P. S., Hardie, B. G. S. & Lee, K. L. (2005), "Counting your customers the easy way: an alternative
    to the Pareto/NBD model", Marketing Science 24(2), eq. (6). The two terms are summed in logarithms after
    Fader & Hardie (2013), "Overcoming the BG/NBD model's #NUM! error problem". The gradient follows from it.
    """
    from scipy.special import expit, gammaln, psi

    r, alpha, a, b = np.exp(log_parameters)
    x, t_x, T = rows
    shape = r + x
    at_age, at_last = np.log1p(T / alpha), np.log1p(t_x / alpha)
    repeat = x > 0
    after = np.where(repeat, b + x - 1.0, 1.0)
    # How much more likely "dropped out at the last purchase" is than "still here", in logarithms.
    gone = np.where(repeat, np.log(a) - np.log(after) + shape * (at_age - at_last), -np.inf)
    dropped = expit(gone)
    ll = (
        gammaln(shape) - gammaln(r) - x * np.log(alpha) - shape * at_age
        + gammaln(a + b) + gammaln(b + x) - gammaln(b) - gammaln(a + b + x)
        + np.logaddexp(0.0, gone)
    )  # fmt: skip
    seen = (1.0 - dropped) * at_age + dropped * at_last
    slope = (1.0 - dropped) / (alpha + T) + dropped / (alpha + t_x)
    common = psi(a + b) - psi(a + b + x)
    d_r = psi(shape) - psi(r) - seen
    d_alpha = r / alpha - shape * slope
    d_a = common + dropped / a
    d_b = common + psi(b + x) - psi(b) - dropped / after
    gradient = [float(np.sum(weights * d)) for d in (d_r * r, d_alpha * alpha, d_a * a, d_b * b)]
    return float(np.sum(weights * ll)), np.array(gradient)


def alive(model: LifetimeModel, rows: Rows) -> Floats:
    """Return the probability of being still here: the denominator of eq. (10), shape (n,), in [0, 1]."""
    from scipy.special import expit

    x, t_x, T = rows
    if model.a == 0.0:
        return np.ones_like(x)
    repeat = x > 0
    after = np.where(repeat, model.b + x - 1.0, 1.0)
    longer = np.log1p((T - t_x) / (model.alpha + t_x))
    gone = np.log(model.a) - np.log(after) + (model.r + x) * longer
    return np.asarray(np.where(repeat, expit(-gone), 1.0), dtype=np.float64)


def if_alive(model: LifetimeModel, rows: Rows, horizon: float) -> Floats:
    """Return the expected purchases within a horizon of customers who are still here, shape (n,).

    Notes
    -----
    The numerator of eq. (10) of Fader, Hardie & Lee (2005) subtracts nearly equal numbers near a = 1, and its
    2F1 overflows for heavy buyers. The same quantity is E[g(p)], g(p) = (1 - (1 + p z)**-(r+x)) / p, over the
    posterior p ~ Beta(a, b+x), with z = horizon / (alpha + T).
    """
    x, _, T = rows
    if model.a == 0.0:
        return np.asarray((model.r + x) * (horizon / (model.alpha + T)))
    (one, age), pair = distinct_pairs(x, T)
    return random_times(model.a, model.b + one, model.r + one, horizon / (model.alpha + age))[pair]


def random_times(a: float, after: Floats, shape: Floats, z: Floats) -> Floats:
    """Return E[(1 - (1 + p z)**-shape) / p] over p ~ Beta(a, after), each of shape (n,)."""
    out = np.empty_like(shape)
    for first in range(0, out.size, CHUNK):
        part = slice(first, first + CHUNK)
        s, u = shape[part], z[part]

        def given(p: Floats, log_q: Floats, s: Floats = s, u: Floats = u) -> Floats:
            del log_q
            return np.asarray(-np.expm1(-s * np.log1p(p * u)) / p)

        ends = s * u, -np.expm1(-s * np.log1p(u))
        out[part] = mean_over_drop_out(a, after[part], ends, given)
    return out


def mean_over_drop_out(
    a: float, after: Floats, ends: tuple[Floats, Floats], given: Callable[[Floats, Floats], Floats]
) -> Floats:
    """Return the mean of a convex falling function of the drop-out chance p over p ~ Beta(a, after).

    Parameters
    ----------
    a : float
    after : float64 array, shape (n,)
    ends : two float64 arrays, shape (n,)
        The function at p = 0 and at p = 1.
    given : callable
        Takes p and log(1 - p), shape (n,), returns the function.

    Notes
    -----
    The chord between the ends is taken exactly, and the rest, which vanishes at both, by the trapezoidal rule in
    logit(p), which converges exponentially.
    """
    at_zero, at_one = ends
    chord = at_one - at_zero
    centre = np.log((a + 1.0) / (after + 1.0))
    width = 8.5 * np.sqrt(1.0 / (a + 1.0) + 1.0 / (after + 1.0))
    low, high = centre - width - 34.0 / (a + 1.0), centre + width + 34.0 / (after + 1.0)
    step = (high - low) / (NODES - 1)
    peak = -(a + 1.0) * np.log1p(np.exp(-centre)) - (after + 1.0) * np.log1p(np.exp(centre))
    total, mass = np.zeros_like(after), np.zeros_like(after)
    # One node after another, never a sum over an axis: the order of summation must not depend on the batch.
    for node in range(NODES):
        y = low + node * step
        log_p = -np.log1p(np.exp(-y))
        log_q = log_p - y
        p, q = np.exp(log_p), np.exp(log_q)
        weight = np.exp((a + 1.0) * log_p + (after + 1.0) * log_q - peak)
        gap = at_zero + p * chord - given(p, log_q)
        mass += weight
        total += weight * (gap / (p * q))
    both = a + after
    mean = at_zero + chord * (a / both) - (a / both) * (after / (both + 1.0)) * (total / mass)
    return np.asarray(np.clip(mean, np.minimum(at_one, at_zero), at_zero))


def tail_if_alive(model: LifetimeModel, rows: Rows, horizon: float, count: Floats) -> Floats:
    """Return the probability of more than ``count`` purchases within the horizon if still here, shape (n,).

    Notes
    -----
    A customer still here buys J times unless dropping out, J ~ negative binomial with shape r + x, and is still
    here after k of those with chance B(a, b + x + k) / B(a, b + x). Given that the customer is here, rate and
    drop-out are independent under the model, so P(more than k) = P(J > k) times that chance. Summed over k this is
    eq. (10) of Fader, Hardie & Lee (2005) without P(alive).
    """
    from scipy.special import betainc

    x, _, T = rows
    tail = betainc(count + 1.0, model.r + x, horizon / (model.alpha + T + horizon))
    if model.a == 0.0:
        return np.asarray(tail, dtype=np.float64)
    return np.asarray(tail * not_left_after(model.a, model.b + x, count), dtype=np.float64)


def not_left_after(a: float, after: Floats, count: Floats) -> Floats:
    """Return B(a, after + count) / B(a, after): the chance not to have dropped out at ``count`` purchases."""
    from scipy.special import gammaln

    kept = gammaln(after + count) - gammaln(after) + gammaln(a + after) - gammaln(a + after + count)
    return np.asarray(np.exp(np.minimum(kept, 0.0)), dtype=np.float64)
