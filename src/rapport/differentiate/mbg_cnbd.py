"""MBG/CNBD-k: regular purchases, drop-out at any purchase including the first (Platzer & Reutterer 2016).

Why it exists: people buy groceries every so many days, not at random times; a silence then says sooner that a
customer has left. k counts the regularity: 1 is MBG/NBD (Batislam, Denizel & Filiztekin 2007). Functions take a
fitted record and rows that were checked before. No search may enter.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from rapport.differentiate.bg_nbd import (
    CHUNK,
    LOG_LOWER,
    LOG_UPPER,
    STARTS,
    mean_over_drop_out,
    not_left_after,
    random_times,
)
from rapport.differentiate.lifetime_model import LifetimeModel, Rows, distinct_pairs
from rapport.differentiate.likelihood import Floats

__all__ = ["LOG_LOWER", "LOG_UPPER", "STARTS", "alive", "if_alive", "log_likelihood", "stages", "tail_if_alive"]
# Below it, what could be gained at a purchase no longer counts beside 1, and its root would lose digits.
LEAST_LOG_Q: Final = -60.0


def log_likelihood(log_parameters: Floats, rows: Rows, weights: Floats, k: int) -> tuple[float, Floats]:
    """Return the log-likelihood of the MBG/CNBD-k model and its gradient in the log-parameters.

    Parameters
    ----------
    log_parameters : float64 array, shape (4,)
        Logarithms of r, alpha, a, b.
    rows : three float64 arrays, shape (m,)
        Frequency, recency, age.
    weights : float64 array, shape (m,)
        Customers in each row.
    k : int
        Stages between purchases, >= 1.

    Returns
    -------
    float, and a float64 array of shape (4,). Without (k - 1) times the sum of the logarithms of the single times
    between purchases, which no parameter changes.

    References
    ----------
    Platzer, M. & Reutterer, T. (2016), "Ticking away the moments: timing regularity helps to better predict
    customer activity", Marketing Science 35(5), 779-799, the likelihood of the appendix; Batislam, E. P., Denizel,
    M. & Filiztekin, A. (2007), International Journal of Research in Marketing 24(3), 201-209 for k = 1.
    """
    from scipy.special import expit, gammaln, psi

    r, alpha, a, b = np.exp(log_parameters)
    x, t_x, T = rows
    shape = r + k * x
    at_age, at_last = np.log1p(T / alpha), np.log1p(t_x / alpha)
    here, here_r, here_alpha = _no_purchase_since(shape, (T - t_x) / (alpha + T), 1.0 / (alpha + T), k)
    # How much more likely "dropped out at the last purchase" is than "still here", in logarithms.
    gone = np.log(a) - np.log(b + x) + shape * (at_age - at_last) - np.log(here)
    dropped = expit(gone)
    ll = (
        gammaln(shape) - gammaln(r) - k * x * np.log(alpha) - shape * at_age - x * gammaln(k)
        + gammaln(a + b) + gammaln(b + x + 1.0) - gammaln(b) - gammaln(a + b + x + 1.0)
        + np.log(here) + np.logaddexp(0.0, gone)
    )  # fmt: skip
    stayed = 1.0 - dropped
    d_r = psi(shape) - psi(r) - stayed * (at_age - here_r / here) - dropped * at_last
    d_alpha = r / alpha - stayed * (shape / (alpha + T) - here_alpha / here) - dropped * shape / (alpha + t_x)
    common = psi(a + b) - psi(a + b + x + 1.0)
    d_a = common + dropped / a
    d_b = common + psi(b + x + 1.0) - psi(b) - dropped / (b + x)
    gradient = [float(np.sum(weights * d)) for d in (d_r * r, d_alpha * alpha, d_a * a, d_b * b)]
    return float(np.sum(weights * ll)), np.array(gradient)


def _no_purchase_since(shape: Floats, share: Floats, by_age: Floats, k: int) -> tuple[Floats, Floats, Floats]:
    """Return the sum over j < k of (shape)_j / j! share**j, and its slopes in shape and alpha.

    j stages, fewer than a purchase needs, may have passed since the last purchase.
    """
    term, total = np.ones_like(shape), np.ones_like(shape)
    by_shape, by_alpha = np.zeros_like(shape), np.zeros_like(shape)
    slope = np.zeros_like(shape)
    for j in range(1, k):
        slope = slope + 1.0 / (shape + (j - 1.0))
        term = term * (shape + (j - 1.0)) / j * share
        total = total + term
        by_shape = by_shape + term * slope
        by_alpha = by_alpha - j * term * by_age
    return total, by_shape, by_alpha


def stages(model: LifetimeModel, rows: Rows) -> list[Floats]:
    """Return the chances that 0, 1 .. k - 1 stages have passed since the last purchase, if still here."""
    x, t_x, T = rows
    shape, share = model.r + model.k * x, (T - t_x) / (model.alpha + T)
    terms = [np.ones_like(x)]
    for j in range(1, model.k):
        terms.append(terms[-1] * (shape + (j - 1.0)) / j * share)
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return [term / total for term in terms]


def alive(model: LifetimeModel, rows: Rows) -> Floats:
    """Return the probability of being still here, shape (n,), in [0, 1]."""
    from scipy.special import expit

    x, t_x, T = rows
    shape = model.r + model.k * x
    here = _no_purchase_since(shape, (T - t_x) / (model.alpha + T), np.zeros_like(x), model.k)[0]
    longer = np.log1p((T - t_x) / (model.alpha + t_x))
    gone = np.log(model.a) - np.log(model.b + x) + shape * longer - np.log(here)
    return np.asarray(expit(-gone), dtype=np.float64)


def if_alive(model: LifetimeModel, rows: Rows, horizon: float) -> Floats:
    """Return the expected purchases within a horizon of customers who are still here, shape (n,).

    Notes
    -----
    Exact, where Platzer & Reutterer use the BG/NBD forecast at k alpha and a correction over all customers. Still
    here with j stages passed, the rate is gamma(r + k x + j, alpha + T), the drop-out chance Beta(a, b + x + 1), and
    both are independent. Stages and purchases are a Markov chain round k states that ends with chance p at each
    purchase; its k eigenvalues give, for u = horizon / (alpha + T), rho = (1 - p)**(1/k), w = exp(2 pi i l / k),
    c = 1 - w rho,

        E[purchases | p, j] = sum over l of (w rho)**-(k-1-j) / (k c) (1 - (1 + c u)**-(r + k x + j)),

    which is averaged over p as for BG/NBD, and over j by ``stages``. For k = 1 it is the BG/NBD form.
    """
    x, _, T = rows
    of_pair, pair = distinct_pairs(x, T)
    if model.k == 1:
        one, age = of_pair
        return random_times(model.a, model.b + one + 1.0, model.r + one, horizon / (model.alpha + age))[pair]
    chances = stages(model, rows)
    ahead = _by_stage(model, (of_pair[0], of_pair[1]), horizon)
    total = chances[0] * ahead[0][pair]
    for chance, expected in zip(chances[1:], ahead[1:], strict=True):
        total = total + chance * expected[pair]
    return total


def _by_stage(model: LifetimeModel, pairs: tuple[Floats, Floats], horizon: float) -> list[Floats]:
    from scipy.special import betainc

    x, T = pairs
    out = [np.empty_like(x) for _ in range(model.k)]
    for first in range(0, x.size, CHUNK):
        part = slice(first, first + CHUNK)
        shape, u = model.r + model.k * x[part], horizon / (model.alpha + T[part])
        after = model.b + x[part] + 1.0
        for j in range(model.k):
            chain = _Chain(model.k, j, shape + j, u)
            at_one = betainc(float(model.k - j), shape + j, u / (1.0 + u))
            # Nobody leaving brings no less than everybody leaving at once: where both are next to 0, rounding may.
            ends = np.maximum(chain.purchases(np.zeros_like(u)), at_one), at_one
            out[j][part] = mean_over_drop_out(model.a, after, ends, chain.given)
    return out


class _Chain:
    """Expected purchases of customers with j stages passed, given the drop-out chance."""

    def __init__(self, k: int, j: int, shape: Floats, u: Floats) -> None:
        self._k, self._j, self._shape, self._u = k, j, shape, u

    def given(self, p: Floats, log_q: Floats) -> Floats:
        """Return ``purchases`` as ``mean_over_drop_out`` asks for them."""
        del p
        return self.purchases(log_q)

    def purchases(self, log_q: Floats) -> Floats:
        """Return the sum over the eigenvalues, log_q = log(1 - p) <= 0, shape (n,)."""
        k, turns = self._k, self._k - 1 - self._j
        root = np.maximum(log_q, LEAST_LOG_Q) / k
        size = np.exp(-turns * root) / k
        first = -np.expm1(root)
        # (1 - (1 + c u)**-shape) / c, whose limit at c = 0 is shape u.
        bought = -np.expm1(-self._shape * np.log1p(first * self._u))
        total = size * np.divide(bought, first, out=self._shape * self._u, where=first > 0)
        rho = np.exp(root)
        for half in range(1, k // 2 + 1):
            angle = 2.0 * np.pi * half / k
            both = 1.0 if 2 * half == k else 2.0
            total = total + both * size * self._wave(rho, angle, turns)
        return total

    def _wave(self, rho: Floats, angle: float, turns: int) -> Floats:
        """Return the real part of w**-turns / c (1 - (1 + c u)**-shape) in real arithmetic."""
        c_re, c_im = 1.0 - rho * np.cos(angle), -rho * np.sin(angle)
        re, im = 1.0 + c_re * self._u, c_im * self._u
        fade = np.exp(-0.5 * self._shape * np.log(re * re + im * im))
        phase = -self._shape * np.arctan2(im, re)
        up_re, up_im = 1.0 - fade * np.cos(phase), -fade * np.sin(phase)
        size = c_re * c_re + c_im * c_im
        # up / c, then turned by w**-turns.
        over_re, over_im = (up_re * c_re + up_im * c_im) / size, (up_im * c_re - up_re * c_im) / size
        return np.asarray(over_re * np.cos(turns * angle) + over_im * np.sin(turns * angle))


def tail_if_alive(model: LifetimeModel, rows: Rows, horizon: float, count: Floats) -> Floats:
    """Return the probability of more than ``count`` purchases within the horizon if still here, shape (n,).

    Notes
    -----
    More than n purchases need k (n + 1) - j stages, whose number is negative binomial with shape r + k x + j, and not
    to drop out at the first n of them.
    """
    from scipy.special import betainc

    x, _, T = rows
    chance = horizon / (model.alpha + T + horizon)
    total = np.zeros_like(x)
    for j, stage in enumerate(stages(model, rows)):
        needed = model.k * (count + 1.0) - j
        total = total + stage * betainc(needed, model.r + model.k * x + j, chance)
    return np.asarray(total * not_left_after(model.a, model.b + x + 1.0, count))
