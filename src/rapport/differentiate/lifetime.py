"""How many purchases a customer will still make: the BG/NBD model of Fader, Hardie and Lee.

Why it exists: what a customer is worth is mostly whether they come back and how often, and both must be
read from three numbers (frequency, recency, age) that exist for every customer of every company. The fit
works on distinct rows with weights, so it does not grow with the number of customers; the prediction works
element by element, so a customer gets the same bits alone and among a million.

Money may not enter (see ``spend`` and ``value``), nor sampling: everything here is closed form or quadrature.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike

from rapport.core.reasons import Status
from rapport.differentiate.likelihood import (
    Floats,
    Integers,
    distinct_rows,
    find_peak,
    log_covariance,
    record_version,
)

MIN_CUSTOMERS: Final = 50
MIN_REPEAT_CUSTOMERS: Final = 20
# Natural-log bounds of (r, alpha / mean age, a, b). Beyond them the likelihood is flat to many digits: a
# value that wants to go further is not identified, and is reported instead of followed to 1e17.
LOG_LOWER: Final = (np.log(1e-3), np.log(1e-5), np.log(1e-4), np.log(1e-3))
LOG_UPPER: Final = (np.log(1e3), np.log(1e4), np.log(1e3), np.log(1e4))
# (r, alpha / mean age, a, b): few heavy buyers, everyone alike, hardly any drop-out, heavy drop-out.
STARTS: Final = ((0.25, 0.2, 0.8, 2.5), (1.0, 1.0, 1.0, 1.0), (2.0, 0.5, 0.05, 2.0), (0.5, 0.5, 3.0, 3.0))
NODES: Final = 128
CHUNK: Final = 4096
UNIT_DAYS: Final[Mapping[str, float]] = {"day": 1.0, "week": 7.0}


@dataclass(frozen=True, slots=True)
class LifetimeModel:
    """A fitted BG/NBD model, or the shrunk own rate that stands in where it cannot be fitted.

    Attributes
    ----------
    r, alpha : float
        Shape, and rate in time units, of the gamma distribution of purchase rates.
    a, b : float
        Beta distribution of the chance to drop out after a purchase. ``a = 0``: nobody drops out.
    time_unit : {'day', 'week'}
        Unit of recency, age, horizon and alpha.
    method : {'bg_nbd', 'own_rate'}
        ``own_rate`` is the fallback: a gamma-Poisson rate with the weight of one purchase, no drop-out.
    status : Status
        OK, TOO_FEW_CUSTOMERS, TOO_FEW_REPEATS, AT_BOUND or NOT_CONVERGED.
    log_likelihood : float
        Natural logarithm, summed over customers, in the time unit given (0.0 for ``own_rate``).
    customers, distinct_rows : int
        Customers fitted, and distinct (frequency, recency, age) among them.
    covariance : tuple of 4 tuples of 4 floats, or None
        Covariance of (log r, log alpha, log a, log b) from the observed information; None when not available.
    version : str
        Names the form of the record and its content; two models with one version predict alike.
    """

    r: float
    alpha: float
    a: float
    b: float
    time_unit: Literal["day", "week"]
    method: Literal["bg_nbd", "own_rate"]
    status: Status
    log_likelihood: float
    customers: int
    distinct_rows: int
    covariance: tuple[tuple[float, ...], ...] | None = None
    version: str = ""

    @property
    def unit_days(self) -> float:
        """Days in one time unit of the model."""
        return UNIT_DAYS[self.time_unit]

    def to_record(self) -> dict[str, Any]:
        """Return the model as a dict of plain values that JSON can hold."""
        covariance = None if self.covariance is None else [list(row) for row in self.covariance]
        return {
            "r": self.r,
            "alpha": self.alpha,
            "a": self.a,
            "b": self.b,
            "time_unit": self.time_unit,
            "method": self.method,
            "status": str(self.status),
            "log_likelihood": self.log_likelihood,
            "customers": self.customers,
            "distinct_rows": self.distinct_rows,
            "covariance": covariance,
            "version": self.version,
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> LifetimeModel:
        """Return the model that ``to_record`` wrote."""
        covariance = record["covariance"]
        fields = dict(record)
        fields["status"] = Status(record["status"])
        fields["covariance"] = None if covariance is None else tuple(tuple(row) for row in covariance)
        return cls(**fields)


def checked_history(frequency: ArrayLike, recency: ArrayLike, age: ArrayLike) -> tuple[Floats, Floats, Floats]:
    """Return frequency, recency and age as float64 of one shape, or refuse them.

    Parameters
    ----------
    frequency, recency, age : arrays of one shape, or scalars
        Repeat purchase days; time from first to last purchase; time from first purchase to now.

    Raises
    ------
    ValueError
        If a value is not finite, frequency or recency is below 0, or recency exceeds age.
    """
    x, t_x, T = (np.atleast_1d(np.asarray(v, dtype=np.float64)) for v in (frequency, recency, age))
    x, t_x, T = (np.ascontiguousarray(v) for v in np.broadcast_arrays(x, t_x, T))
    for name, values in (("frequency", x), ("recency", t_x), ("age", T)):
        bad = ~(np.isfinite(values) & (values >= 0))
        if bad.any():
            value = values[bad].flat[0]
            raise ValueError(f"{name}: not a count or a time - {value}; must be finite and >= 0. Clean the history.")
    late = t_x > T
    if late.any():
        value = t_x[late].flat[0]
        raise ValueError(
            f"recency: beyond age - {value}; the last purchase must not be later than now. Cut at as_of."
        )
    return x, t_x, T


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


def fit_lifetime(
    frequency: ArrayLike,
    recency: ArrayLike,
    age: ArrayLike,
    weights: ArrayLike | None = None,
    time_unit: Literal["day", "week"] = "day",
) -> LifetimeModel:
    """Fit the BG/NBD model by maximum likelihood.

    Parameters
    ----------
    frequency : array, shape (n,)
        Repeat purchase days (the first purchase is not counted), >= 0.
    recency, age : arrays, shape (n,)
        Time from first to last purchase, and from first purchase to now, in ``time_unit``;
        0 <= recency <= age.
    weights : int array, shape (n,), optional
        Customers in each row. A weight equals that many repeated rows, to the last bit.
    time_unit : {'day', 'week'}

    Returns
    -------
    LifetimeModel
        AT_BOUND keeps the bounded BG/NBD, whose forecasts are finite. With fewer than 50 customers, fewer
        than 20 with a repeat purchase, or without convergence it holds the shrunk own rate.

    Raises
    ------
    ValueError
        If the history or the weights are not possible.

    References
    ----------
    Fader, Hardie & Lee (2005), Marketing Science 24(2), 275-284, eq. (6).
    """
    x, t_x, T = checked_history(frequency, recency, age)
    columns, counts = distinct_rows((x, np.where(x > 0, t_x, 0.0), T), weights)
    x, t_x, T = columns
    customers = int(counts.sum())
    if customers < MIN_CUSTOMERS:
        return _own_rate((x, T), counts, time_unit, Status.TOO_FEW_CUSTOMERS)
    if int(counts[(x > 0) & (T > 0)].sum()) < MIN_REPEAT_CUSTOMERS:
        return _own_rate((x, T), counts, time_unit, Status.TOO_FEW_REPEATS)
    share = counts / customers
    scale = float(np.sum(share * T))
    rows = (x, t_x / scale, T / scale)

    def mean_log_likelihood(point: Floats) -> tuple[float, Floats]:
        return log_likelihood(point, rows, share)

    peak = find_peak(mean_log_likelihood, np.log(np.array(STARTS)).tolist(), LOG_LOWER, LOG_UPPER)
    if peak.status is Status.NOT_CONVERGED:
        return _own_rate((x, T), counts, time_unit, Status.NOT_CONVERGED)
    r, alpha, a, b = (float(v) for v in np.exp(peak.point))
    inside = peak.status is Status.OK
    model = LifetimeModel(
        r=r,
        alpha=alpha * scale,
        a=a,
        b=b,
        time_unit=time_unit,
        method="bg_nbd",
        status=peak.status,
        log_likelihood=customers * (peak.value - float(np.sum(share * x)) * float(np.log(scale))),
        customers=customers,
        distinct_rows=int(x.size),
        covariance=log_covariance(mean_log_likelihood, peak.point, customers) if inside else None,
    )
    return replace(model, version=record_version("lifetime-1", model.to_record()))


def _own_rate(
    rows: tuple[Floats, Floats], counts: Integers, time_unit: Literal["day", "week"], status: Status
) -> LifetimeModel:
    x, T = rows
    repeats, time = float(np.sum(counts * x)), float(np.sum(counts * T))
    # Half a purchase and a whole unit of time keep the rate above zero and finite where nothing was seen.
    model = LifetimeModel(
        r=1.0,
        alpha=max(time, 1.0) / (repeats + 0.5),
        a=0.0,
        b=1.0,
        time_unit=time_unit,
        method="own_rate",
        status=status,
        log_likelihood=0.0,
        customers=int(counts.sum()),
        distinct_rows=int(x.size),
    )
    return replace(model, version=record_version("lifetime-1", model.to_record()))


def alive_probability(model: LifetimeModel, frequency: ArrayLike, recency: ArrayLike, age: ArrayLike) -> Floats:
    """Return the probability that a customer has not dropped out by now.

    Parameters
    ----------
    model : LifetimeModel
    frequency, recency, age : arrays, shape (n,)
        In the time unit of the model.

    Returns
    -------
    float64 array, shape (n,), in [0, 1]. 1 for every customer without a repeat purchase: the model lets
    customers drop out only after a repeat purchase. 1 for all where the model is ``own_rate``.

    Raises
    ------
    ValueError
        If the history is not possible.

    References
    ----------
    Fader, Hardie & Lee (2005), Marketing Science 24(2), the denominator of eq. (10).
    """
    from scipy.special import expit

    x, t_x, T = checked_history(frequency, recency, age)
    if model.a == 0.0:
        return np.ones_like(x)
    repeat = x > 0
    after = np.where(repeat, model.b + x - 1.0, 1.0)
    longer = np.log1p((T - t_x) / (model.alpha + t_x))
    gone = np.log(model.a) - np.log(after) + (model.r + x) * longer
    alive: Floats = np.where(repeat, expit(-gone), 1.0)
    return alive


def purchases_if_alive(model: LifetimeModel, frequency: Floats, age: Floats, horizon: float) -> Floats:
    """Return the expected purchases within a horizon of a customer who has not dropped out by now.

    Parameters
    ----------
    model : LifetimeModel
    frequency, age : float64 arrays, shape (n,)
    horizon : float
        In the time unit of the model, >= 0.

    Returns
    -------
    float64 array, shape (n,), between 0 and ``horizon * (r + x) / (alpha + T)``, the rate without drop-out.

    Notes
    -----
    The numerator of eq. (10) of Fader, Hardie & Lee (2005) subtracts nearly equal numbers near a = 1, and its
    2F1 overflows for heavy buyers. The same quantity is E[g(p)], g(p) = (1 - (1 + p z)**-(r+x)) / p, over the
    posterior p ~ Beta(a, b+x), with z = horizon / (alpha + T). g is convex: the chord from g(0) to g(1) is
    taken exactly, and the rest, which vanishes at both ends, by the trapezoidal rule in logit(p), which
    converges exponentially.
    """
    shape, z = model.r + frequency, horizon / (model.alpha + age)
    if model.a == 0.0:
        return shape * z
    out = np.empty_like(shape)
    for first in range(0, out.size, CHUNK):
        part = slice(first, first + CHUNK)
        out[part] = _mean_over_drop_out(model.a, model.b + frequency[part], shape[part], z[part])
    return out


def _mean_over_drop_out(a: float, after: Floats, shape: Floats, z: Floats) -> Floats:
    at_zero, at_one = shape * z, -np.expm1(-shape * np.log1p(z))
    chord = at_one - at_zero
    centre = np.log((a + 1.0) / (after + 1.0))
    width = 8.5 * np.sqrt(1.0 / (a + 1.0) + 1.0 / (after + 1.0))
    low, high = centre - width - 34.0 / (a + 1.0), centre + width + 34.0 / (after + 1.0)
    step = (high - low) / (NODES - 1)
    peak = -(a + 1.0) * np.log1p(np.exp(-centre)) - (after + 1.0) * np.log1p(np.exp(centre))
    total, mass = np.zeros_like(z), np.zeros_like(z)
    # One node after another, never a sum over an axis: the order of summation must not depend on the batch.
    for node in range(NODES):
        y = low + node * step
        log_p = -np.log1p(np.exp(-y))
        log_q = log_p - y
        p, q = np.exp(log_p), np.exp(log_q)
        weight = np.exp((a + 1.0) * log_p + (after + 1.0) * log_q - peak)
        gap = at_zero + p * chord + np.expm1(-shape * np.log1p(p * z)) / p
        mass += weight
        total += weight * (gap / (p * q))
    both = a + after
    mean = at_zero + chord * (a / both) - (a / both) * (after / (both + 1.0)) * (total / mass)
    return np.clip(mean, np.minimum(at_one, at_zero), at_zero)


def expected_purchases(
    model: LifetimeModel, frequency: ArrayLike, recency: ArrayLike, age: ArrayLike, horizon: float
) -> Floats:
    """Return the expected purchase days within a horizon from now.

    Parameters
    ----------
    model : LifetimeModel
    frequency, recency, age : arrays, shape (n,)
        In the time unit of the model. Zeros in all three: a customer who has just made the first purchase.
    horizon : float
        In the time unit of the model, finite and >= 0.

    Returns
    -------
    float64 array, shape (n,), finite, >= 0 and at most ``horizon * (r + x) / (alpha + T)``.

    Raises
    ------
    ValueError
        If the history or the horizon is not possible.

    References
    ----------
    Fader, Hardie & Lee (2005), Marketing Science 24(2), eq. (10).
    """
    if not (np.isfinite(horizon) and horizon >= 0):
        raise ValueError(f"horizon: not a length of time - {horizon}; must be finite and >= 0. Give time units.")
    x, t_x, T = checked_history(frequency, recency, age)
    return alive_probability(model, x, t_x, T) * purchases_if_alive(model, x, T, float(horizon))
