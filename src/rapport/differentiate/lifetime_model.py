"""What a fitted model of lifetimes is: its numbers, its record, and the histories it takes.

Why it exists: BG/NBD, Pareto/NBD and MBG/CNBD-k differ in when a customer may leave and how regularly they buy, and
in nothing that their callers see. One record holds any of them, so that value, reports and files need not ask which.
No fitting and no forecast may enter (see ``lifetime``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from rapport.core.reasons import Status
from rapport.differentiate.likelihood import Floats, Integers

TimeUnit = Literal["day", "week"]
Method = Literal["bg_nbd", "pareto_nbd", "mbg_cnbd", "own_rate"]
Rows = tuple[Floats, Floats, Floats]
"""Frequency, recency and age, each of shape (n,), in the time unit of a model."""

MIN_CUSTOMERS: Final = 50
MIN_REPEAT_CUSTOMERS: Final = 20
MOST_REGULAR: Final = 6
RECORD: Final = "lifetime-2"
UNIT_DAYS: Final[Mapping[str, float]] = {"day": 1.0, "week": 7.0}
PARAMETER_NAMES: Final[Mapping[str, tuple[str, str, str, str]]] = {
    "bg_nbd": ("r", "alpha", "a", "b"),
    "mbg_cnbd": ("r", "alpha", "a", "b"),
    "own_rate": ("r", "alpha", "a", "b"),
    "pareto_nbd": ("r", "alpha", "s", "beta"),
}


@dataclass(frozen=True, slots=True)
class ComparedModel:
    """How one model forecast the end of the known time, fitted on the time before; see ``lifetime_choice``.

    Attributes
    ----------
    method, k : as of ``LifetimeModel``
    status : Status
        Of the fit with the longest known time.
    error : float
        Absolute error of the expected purchases, per customer and time unit, mean over the windows judged.
    behind, behind_low, behind_high : float
        ``error`` less that of the most exact model admitted, with its 95 % interval over customers; 0 for that model.
    rps : float
        Ranked probability score of the counts, per customer and time unit, mean over the windows; lower is better.
    bias : float
        Total forecast over total that came, less 1, over all windows; 0 where nothing came.
    admitted : bool
        Whether its ``rps`` is not worse than that of the own rate beyond chance.
    chosen : bool
    """

    method: Method
    k: int
    status: Status
    error: float
    behind: float
    behind_low: float
    behind_high: float
    rps: float
    bias: float
    admitted: bool
    chosen: bool


@dataclass(frozen=True, slots=True)
class LifetimeModel:
    """A fitted model of purchases and drop-out, or the shrunk own rate that stands in where none can be fitted.

    Attributes
    ----------
    r, alpha : float
        Shape, and rate in time units, of the gamma distribution of purchase rates (of stages, where ``k`` > 1).
    a, b : float
        Drop-out. ``bg_nbd`` and ``mbg_cnbd``: beta distribution of the chance to drop out at a purchase; ``a = 0``:
        nobody drops out. ``pareto_nbd``: shape s, and rate beta in time units, of the gamma distribution of
        drop-out rates. ``parameters`` gives all four under their own names.
    time_unit : {'day', 'week'}
        Unit of recency, age, horizon and alpha.
    method : {'bg_nbd', 'pareto_nbd', 'mbg_cnbd', 'own_rate'}
        ``own_rate`` is the fallback: a gamma-Poisson rate with the weight of one purchase, no drop-out.
    status : Status
        OK, TOO_FEW_CUSTOMERS, TOO_FEW_REPEATS, AT_BOUND or NOT_CONVERGED.
    log_likelihood : float
        Natural logarithm, summed over customers, in the time unit given (0.0 for ``own_rate``).
    customers, distinct_rows : int
        Customers fitted, and distinct (frequency, recency, age) among them.
    covariance : tuple of 4 tuples of 4 floats, or None
        Covariance of the logarithms of the parameters from the observed information; None when not available.
    version : str
        Names the form of the record and its content; two models with one version predict alike.
    k : int
        Regularity of ``mbg_cnbd``: times between purchases are Erlang distributed with k stages. 1 otherwise.
    compared : tuple of ComparedModel
        What this model was chosen among; empty where nothing was compared.
    """

    r: float
    alpha: float
    a: float
    b: float
    time_unit: TimeUnit
    method: Method
    status: Status
    log_likelihood: float
    customers: int
    distinct_rows: int
    covariance: tuple[tuple[float, ...], ...] | None = None
    version: str = ""
    k: int = 1
    compared: tuple[ComparedModel, ...] = ()

    @property
    def unit_days(self) -> float:
        """Days in one time unit of the model."""
        return UNIT_DAYS[self.time_unit]

    @property
    def parameters(self) -> dict[str, float]:
        """The four parameters under the names of the literature, in the order of ``covariance``."""
        return dict(zip(PARAMETER_NAMES[self.method], (self.r, self.alpha, self.a, self.b), strict=True))

    def to_record(self) -> dict[str, Any]:
        """Return the model as a dict of plain values that JSON can hold."""
        record = {f.name: getattr(self, f.name) for f in fields(self)}
        record["status"] = str(self.status)
        record["covariance"] = None if self.covariance is None else [list(row) for row in self.covariance]
        record["compared"] = [{**asdict(c), "status": str(c.status)} for c in self.compared]
        return record

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> LifetimeModel:
        """Return the model that ``to_record`` wrote; records of earlier versions are BG/NBD or own rates.

        Raises
        ------
        ValueError
            If the record holds a method, a status or a field that is not known here, or lacks one.
        """
        filled = {"covariance": None, "version": "", "k": 1, "compared": [], **record}
        known = {f.name for f in fields(cls)}
        odd = sorted(set(filled) ^ known)
        if odd:
            raise ValueError(f"lifetime record: fields missing or unknown - {', '.join(odd)}; fit the model again.")
        for name, allowed in (("method", get_args(Method)), ("time_unit", tuple(UNIT_DAYS)), ("status", _STATUSES)):
            if filled[name] not in allowed:
                raise ValueError(
                    f"lifetime record: {name} is {filled[name]!r}; must be one of {', '.join(allowed)}. Fit it again."
                )
        filled["status"] = Status(filled["status"])
        if filled["covariance"] is not None:
            filled["covariance"] = tuple(tuple(row) for row in filled["covariance"])
        filled["compared"] = tuple(ComparedModel(**{**c, "status": Status(c["status"])}) for c in filled["compared"])
        return cls(**filled)


_STATUSES: Final = tuple(str(s) for s in Status)


def checked_history(frequency: ArrayLike, recency: ArrayLike, age: ArrayLike) -> Rows:
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


def thinned(rows: Rows, counts: Integers, most: int) -> tuple[Rows, Integers]:
    """Return at most so many customers, every so manieth in the order of the distinct rows.

    Enough to find where a search should begin; which customers stand for the others does not depend on the order
    in which they were given.
    """
    customers = int(counts.sum())
    if customers <= most:
        return rows, counts
    places = (2 * np.arange(most, dtype=np.int64) + 1) * customers // (2 * most)
    at = np.searchsorted(np.cumsum(counts), places, side="right")
    kept, times = np.unique(at, return_counts=True)
    return (rows[0][kept], rows[1][kept], rows[2][kept]), times.astype(np.int64)


def distinct_pairs(x: Floats, T: Floats) -> tuple[tuple[Floats, Floats], Integers]:
    """Return the distinct (frequency, age), and which of them each customer has, shape (n,).

    What follows if a customer is still here often depends on no more, and is then worked out once for each pair.
    """
    order = np.lexsort((T, x))
    x_ordered, T_ordered = x[order], T[order]
    new = np.ones(x.size, dtype=bool)
    new[1:] = (x_ordered[1:] != x_ordered[:-1]) | (T_ordered[1:] != T_ordered[:-1])
    pair = np.empty(x.size, dtype=np.int64)
    pair[order] = np.cumsum(new) - 1
    return (x_ordered[new], T_ordered[new]), pair
