"""What a customer's purchase day contributes: the Gamma-Gamma model of Fader, Hardie and Lee.

Why it exists: the mean of two purchases is a poor guide to the third. The model says how far to pull an own
mean towards the mean of all customers, from how much purchases of one customer differ and how much customers
differ. It is fitted on distinct rows with weights. How often a customer buys may not enter (see
``lifetime``): the model assumes that spend and frequency are unrelated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import ArrayLike

from rapport.core.reasons import Status
from rapport.differentiate.likelihood import Floats, Integers, distinct_rows, find_peak, record_version

MIN_CUSTOMERS: Final = 50
MIN_REPEAT_CUSTOMERS: Final = 20
# Natural-log bounds of (p, q, gamma / mean spend). At q <= 1 the mean of the population does not exist.
LOG_LOWER: Final = (np.log(1e-2), np.log(1.02), np.log(1e-4))
LOG_UPPER: Final = (np.log(1e4), np.log(1e3), np.log(1e4))
STARTS: Final = ((1.0, 2.0, 1.0), (5.0, 4.0, 0.5), (0.5, 10.0, 10.0), (50.0, 3.0, 0.05))
OWN_MEAN_WEIGHT: Final = 1.0
ALL_WEIGHT: Final = 1e12
"""Purchase days that the mean over customers weighs where it is forecast for everybody."""

SpendMethod = Literal["gamma_gamma", "shrunk_mean", "one_mean"]


@dataclass(frozen=True, slots=True)
class ComparedSpend:
    """How one model forecast what purchase days of the end of the known time brought; see ``spend_choice``.

    Attributes
    ----------
    method : SpendMethod
    error_micros : float
        Absolute error of the expected contribution of a purchase day, mean over the customers judged.
    behind_micros, behind_low_micros, behind_high_micros : float
        The error less that of the most exact model, with its 95 % interval over customers; 0 for that model.
    bias : float
        Total forecast over total that came, less 1; 0 where nothing came.
    chosen : bool
    """

    method: SpendMethod
    error_micros: float
    behind_micros: float
    behind_low_micros: float
    behind_high_micros: float
    bias: float
    chosen: bool


@dataclass(frozen=True, slots=True)
class SpendModel:
    """A fitted Gamma-Gamma model, or a simpler one where that cannot be fitted or forecasts as well.

    Attributes
    ----------
    p, q : float
        Shape of one customer's purchases, shape of the distribution of their rates across customers.
    gamma_micros : float
        Rate of the distribution across customers, in micros.
    mean_micros : float
        Mean contribution of a purchase day over customers: ``p gamma / (q - 1)``, or the mean of all purchase
        days where the model is ``shrunk_mean`` or ``one_mean``.
    prior_weight : float
        How many purchase days the mean over customers weighs: ``(q - 1) / p``, 1, or so many that it stands for all.
    method : {'gamma_gamma', 'shrunk_mean', 'one_mean'}
    status : Status
        OK, TOO_FEW_CUSTOMERS, TOO_FEW_REPEATS, AT_BOUND or NOT_CONVERGED.
    log_likelihood : float
        Natural logarithm, summed over the customers fitted, money in currency units (0.0 for
        ``shrunk_mean``).
    customers, distinct_rows : int
        Customers fitted (frequency > 0 and mean > 0), and distinct (frequency, mean) among them.
    set_aside : int
        Customers with frequency > 0 whose mean is zero or below: not fitted, forecast all the same.
    version : str
        Names the form of the record and its content.
    compared : tuple of ComparedSpend
        What this model was chosen among; empty where nothing was compared.
    """

    p: float
    q: float
    gamma_micros: float
    mean_micros: float
    prior_weight: float
    method: SpendMethod
    status: Status
    log_likelihood: float
    customers: int
    distinct_rows: int
    set_aside: int
    version: str = ""
    compared: tuple[ComparedSpend, ...] = ()

    def to_record(self) -> dict[str, Any]:
        """Return the model as a dict of plain values that JSON can hold."""
        record = {f.name: getattr(self, f.name) for f in fields(self)}
        return record | {"status": str(self.status), "compared": [asdict(c) for c in self.compared]}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> SpendModel:
        """Return the model that ``to_record`` wrote."""
        compared = tuple(ComparedSpend(**c) for c in record.get("compared", ()))
        return cls(**{**record, "status": Status(record["status"]), "compared": compared})


def checked_spend(frequency: ArrayLike, mean_micros: ArrayLike) -> tuple[Floats, Floats]:
    """Return counts and means as float64 of one shape, or refuse them.

    Parameters
    ----------
    frequency, mean_micros : arrays of one shape, or scalars

    Raises
    ------
    ValueError
        If a count is not finite or below 0, or a mean is not finite where the count is above 0.
    """
    x, mean = (np.atleast_1d(np.asarray(v, dtype=np.float64)) for v in (frequency, mean_micros))
    x, mean = (np.ascontiguousarray(v) for v in np.broadcast_arrays(x, mean))
    bad = ~(np.isfinite(x) & (x >= 0))
    if bad.any():
        raise ValueError(f"frequency: not a count - {x[bad].flat[0]}; must be finite and >= 0. Clean the history.")
    bad = (x > 0) & ~np.isfinite(mean)
    if bad.any():
        raise ValueError(f"mean_micros: not money - {mean[bad].flat[0]}; must be finite. Clean the history.")
    return x, np.where(x > 0, mean, 0.0)


def log_likelihood(log_parameters: Floats, rows: tuple[Floats, Floats], weights: Floats) -> tuple[float, Floats]:
    """Return the log-likelihood of the Gamma-Gamma model and its gradient in the log-parameters.

    Parameters
    ----------
    log_parameters : float64 array, shape (3,)
        Logarithms of p, q, gamma.
    rows : two float64 arrays, shape (m,)
        Frequency > 0 and mean spend > 0, in the unit of gamma.
    weights : float64 array, shape (m,)
        Customers in each row.

    Returns
    -------
    float, and a float64 array of shape (3,).

    References
    ----------
    Fader, P. S. & Hardie, B. G. S. (2013), "The Gamma-Gamma model of monetary value", the density of the mean
    of x purchases; the model of Fader, Hardie & Lee (2005), "RFM and CLV: using iso-value curves for customer
    base analysis", Journal of Marketing Research 42(4), 415-430. The gradient follows from it.
    """
    from scipy.special import gammaln, psi

    p, q, gamma = np.exp(log_parameters)
    x, mean = rows
    shape, total = p * x, x * mean
    own, other = np.log(total / (gamma + total)), np.log(gamma / (gamma + total))
    ll = gammaln(shape + q) - gammaln(shape) - gammaln(q) + q * other + shape * own - np.log(mean)
    common = psi(shape + q)
    d_p = x * (common - psi(shape) + own)
    d_q = common - psi(q) + other
    d_gamma = q / gamma - (shape + q) / (gamma + total)
    gradient = [float(np.sum(weights * d)) for d in (d_p * p, d_q * q, d_gamma * gamma)]
    return float(np.sum(weights * ll)), np.array(gradient)


def fit_spend(frequency: ArrayLike, mean_micros: ArrayLike, weights: ArrayLike | None = None) -> SpendModel:
    """Fit the Gamma-Gamma model by maximum likelihood.

    Parameters
    ----------
    frequency : array, shape (n,)
        Purchase days that the mean was taken over, >= 0 (Fader & Hardie: the repeat purchases).
    mean_micros : array, shape (n,)
        Mean contribution of those days, micros; may be zero or below. Ignored where frequency is 0.
    weights : int array, shape (n,), optional
        Customers in each row. A weight equals that many repeated rows, to the last bit.

    Returns
    -------
    SpendModel
        ``shrunk_mean`` with fewer than 50 customers or 20 with two purchase days, where a parameter stops at its
        bound, or without convergence.

    Raises
    ------
    ValueError
        If the history or the weights are not possible.

    References
    ----------
    Fader & Hardie (2013), "The Gamma-Gamma model of monetary value".
    """
    x, mean = checked_spend(frequency, mean_micros)
    columns, counts = distinct_rows((x, mean), weights)
    bought = columns[0] > 0
    x, mean, counts = columns[0][bought], columns[1][bought], counts[bought]
    fitted = mean > 0
    rows, kept = (x[fitted], mean[fitted]), counts[fitted]
    customers = int(kept.sum())
    if customers < MIN_CUSTOMERS:
        return _shrunk_mean(x, mean, counts, Status.TOO_FEW_CUSTOMERS)
    if int(kept[rows[0] > 1].sum()) < MIN_REPEAT_CUSTOMERS:
        return _shrunk_mean(x, mean, counts, Status.TOO_FEW_REPEATS)
    share = kept / customers
    scale = float(np.sum(share * rows[1]))
    scaled = (rows[0], rows[1] / scale)
    peak = find_peak(
        lambda point: log_likelihood(point, scaled, share),
        np.log(np.array(STARTS)).tolist(),
        LOG_LOWER,
        LOG_UPPER,
    )
    if peak.status is not Status.OK:
        return _shrunk_mean(x, mean, counts, peak.status)
    p, q, gamma = (float(v) for v in np.exp(peak.point))
    model = SpendModel(
        p=p,
        q=q,
        gamma_micros=gamma * scale,
        mean_micros=p * gamma * scale / (q - 1.0),
        prior_weight=(q - 1.0) / p,
        method="gamma_gamma",
        status=Status.OK,
        log_likelihood=customers * (peak.value - float(np.log(scale / 1e6))),
        customers=customers,
        distinct_rows=int(kept.size),
        set_aside=int(counts[~fitted].sum()),
    )
    return version_of(model)


def version_of(model: SpendModel) -> SpendModel:
    """Return the model with the version that its content has."""
    return replace(model, version=record_version("spend-2", replace(model, version="").to_record()))


def simple_spend(
    frequency: ArrayLike,
    mean_micros: ArrayLike,
    method: Literal["shrunk_mean", "one_mean"],
    status: Status,
    weights: ArrayLike | None = None,
) -> SpendModel:
    """Return the mean of all purchase days, with the weight of one day (`shrunk_mean`) or for everybody (`one_mean`).

    Parameters
    ----------
    frequency, mean_micros, weights :
        As for ``fit_spend``.
    method : {'shrunk_mean', 'one_mean'}
    status : Status
        What the fit of Gamma-Gamma came to.

    Raises
    ------
    ValueError
        If the history or the weights are not possible.
    """
    x, mean = checked_spend(frequency, mean_micros)
    columns, counts = distinct_rows((x, mean), weights)
    bought = columns[0] > 0
    model = _shrunk_mean(columns[0][bought], columns[1][bought], counts[bought], status)
    if method == "one_mean":
        model = version_of(replace(model, method="one_mean", q=1.0 + ALL_WEIGHT, prior_weight=ALL_WEIGHT))
    return model


def _shrunk_mean(x: Floats, mean: Floats, counts: Integers, status: Status) -> SpendModel:
    fitted = mean > 0
    days = float(np.sum(counts * x))
    model = SpendModel(
        p=1.0,
        q=1.0 + OWN_MEAN_WEIGHT,
        gamma_micros=0.0,
        mean_micros=float(np.sum(counts * x * mean)) / days if days > 0 else 0.0,
        prior_weight=OWN_MEAN_WEIGHT,
        method="shrunk_mean",
        status=status,
        log_likelihood=0.0,
        customers=int(counts[fitted].sum()),
        distinct_rows=int(np.count_nonzero(fitted)),
        set_aside=int(counts[~fitted].sum()),
    )
    return version_of(model)


def expected_spend_micros(model: SpendModel, frequency: ArrayLike, mean_micros: ArrayLike) -> Floats:
    """Return the expected contribution of a customer's next purchase day.

    Parameters
    ----------
    model : SpendModel
    frequency : array, shape (n,)
        Purchase days that the own mean was taken over, >= 0.
    mean_micros : array, shape (n,)
        Own mean, micros; zero and below are allowed. Ignored where frequency is 0.

    Returns
    -------
    float64 array, shape (n,), micros, between the own mean and ``model.mean_micros``.

    Raises
    ------
    ValueError
        If the history is not possible.

    Notes
    -----
    The conditional expectation p (gamma + x mean) / (p x + q - 1) is the weighted mean of the own mean, weight
    x, and the mean over customers, weight (q - 1) / p. An own mean of zero or below, which the model itself
    does not know, is pulled to the mean over customers with the same weights.

    References
    ----------
    Fader & Hardie (2013), "The Gamma-Gamma model of monetary value", the conditional expectation.
    """
    x, mean = checked_spend(frequency, mean_micros)
    own = x / (x + model.prior_weight)
    expected: Floats = own * mean + (1.0 - own) * model.mean_micros
    return expected
