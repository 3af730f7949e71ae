"""Seasonal factors of purchases, where more than a year of days shows them.

Why it exists: a forecast for the weeks before Christmas must not be that of an average month. A season can be told
from growth and from customers leaving only when the same weeks were seen twice, and only in customers who were there
the whole time. So factors are read between each customer's first and last purchase, and kept only where they forecast
the end of the known time better. The time after ``end`` may not enter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from rapport.core.reasons import Status
from rapport.differentiate.likelihood import Floats
from rapport.differentiate.purchase_days import PurchaseDays, some_customers

PERIODS: Final = 13
"""Periods of a year, four weeks each; the day or two left over belong to the last."""
PERIOD_DAYS: Final = 28
YEAR_DAYS: Final = 365
LEAST_DAYS: Final = 456
"""Known days from which seasons are looked for: a year and a quarter."""
LEAST_PURCHASES: Final = 30
"""Purchases that a period needs, counted between first and last purchases, for a factor of its own."""
NORMAL_95: Final = 1.96


@dataclass(frozen=True, slots=True)
class Seasons:
    """Factors by which purchases of each four weeks of the year differ from the mean of the year.

    Attributes
    ----------
    factors : tuple of 13 floats
        Mean 1; all 1 where no season is told.
    errors : tuple of 13 floats
        Standard errors of the logarithms of the factors before they were pulled to 1; 0 where none is told.
    status : Status
        OK; TOO_FEW_REPEATS where less than a year and a quarter is known or periods have too few purchases.
    chosen : bool
        Whether the factors forecast the last quarter of a year better than none; where not, they are not used.
    better, better_low, better_high : float or None
        By what share of itself the absolute error of the weekly purchases held out falls with the factors, with a
        95 % interval over weeks.
    """

    factors: tuple[float, ...]
    errors: tuple[float, ...]
    status: Status
    chosen: bool
    better: float | None = None
    better_low: float | None = None
    better_high: float | None = None

    def over(self, first_day: int, days: float) -> float:
        """Return the mean factor of the days from ``first_day`` (days since 1970) on; 1 where none is used."""
        if not self.chosen or days <= 0:
            return 1.0
        whole = np.arange(first_day, first_day + max(int(np.ceil(days)), 1))
        return float(np.mean(np.array(self.factors)[period_of(whole)]))

    def to_record(self) -> dict[str, Any]:
        """Return the factors as plain values that JSON can hold."""
        return {
            "status": str(self.status),
            "chosen": self.chosen,
            "factors": list(self.factors),
            "errors": list(self.errors),
            **{n: getattr(self, n) for n in ("better", "better_low", "better_high")},
        }


NONE: Final = Seasons((1.0,) * PERIODS, (0.0,) * PERIODS, Status.TOO_FEW_REPEATS, False)


def period_of(day: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the period of the year, 0 to 12, of days since 1970."""
    dates = day.astype("datetime64[D]")
    of_year = (dates - dates.astype("datetime64[Y]")).astype(np.int64)
    return np.minimum(of_year // PERIOD_DAYS, PERIODS - 1)


def fit_seasons(purchases: PurchaseDays, end: int) -> Seasons:
    """Return the seasonal factors that purchases up to a day show.

    Parameters
    ----------
    purchases : PurchaseDays
        Days after ``end`` are not looked at.
    end : int
        Last day that is known, days since 1970.

    Returns
    -------
    Seasons

    Notes
    -----
    Between first and last purchase (neither counted) a customer has not left, and has a mean rate there. A period's
    factor is what was bought in it over what the customers present would have bought at these rates (indirect
    standardisation). Factors are pulled to 1 as their error demands (empirical Bayes: the spread between factors
    beyond their errors is what seasons there are), and used only where they, learned before the last 91 days,
    forecast how the purchases of these days are spread over their weeks better than a constant rate does: the 95 %
    interval of the difference over weeks lies above 0. That needs the same season a year before, hence a year and a
    quarter.

    References
    ----------
    Breslow & Day (1987), "Statistical Methods in Cancer Research II", chapter 2, on indirect standardisation; Efron
    & Morris (1975), "Data analysis using Stein's estimator", Journal of the American Statistical Association 70,
    311-319.
    """
    known = some_customers(
        purchases, np.bincount(purchases.customer[purchases.day <= end], minlength=purchases.customers) > 0
    )
    first = int(known.day.min(initial=end))
    if end - first + 1 < LEAST_DAYS:
        return NONE
    factors, errors = _factors(known, end)
    if factors is None:
        return NONE
    learned, _ = _factors(known, end - 91)
    if learned is None:
        return NONE
    better, low, high = _judge(known, end - 91, end, learned)
    return Seasons(
        tuple(float(f) for f in factors),
        tuple(float(e) for e in errors),
        Status.OK,
        bool(low > 0.0),
        better,
        low,
        high,
    )


def _factors(known: PurchaseDays, end: int) -> tuple[Floats | None, Floats]:
    """Return the pulled factors and the errors of their logarithms before; None where a period has too few."""
    came, due, squares = _inside(known, end)
    if (came < LEAST_PURCHASES).any() or (due <= 0).any():
        return None, np.zeros(PERIODS)
    raw = np.log(came / due)
    errors = np.sqrt(squares) / came
    between = max(float(np.mean((raw - raw.mean()) ** 2 - errors**2)), 0.0)
    pulled = raw.mean() + (raw - raw.mean()) * between / (between + errors**2)
    factors = np.exp(pulled)
    return np.asarray(factors / factors.mean(), dtype=np.float64), errors


def _inside(known: PurchaseDays, end: int) -> tuple[Floats, Floats, Floats]:
    """Return, by period: purchases inside lives, what own rates make due, and the sum of squares by customer."""
    past = known.day <= end
    customer, day = known.customer[past], known.day[past]
    first = np.full(known.customers, np.iinfo(np.int64).max)
    last = np.full(known.customers, np.iinfo(np.int64).min)
    np.minimum.at(first, customer, day)
    np.maximum.at(last, customer, day)
    inside = (day > first[customer]) & (day < last[customer])
    cell = customer[inside] * PERIODS + period_of(day[inside])
    counts = np.bincount(cell, minlength=known.customers * PERIODS).reshape(-1, PERIODS).astype(np.float64)
    length = np.maximum(last - first - 1, 0).astype(np.float64)
    length[counts.sum(axis=1) == 0] = 0.0
    present = _days_present(first, last, length > 0)
    rate = np.divide(counts.sum(axis=1), length, out=np.zeros_like(length), where=length > 0)
    due = rate[:, None] * present
    # A customer's purchases of one period come together: the variance is that of customers, not of purchases.
    return counts.sum(axis=0), due.sum(axis=0), np.maximum(((counts - due) ** 2).sum(axis=0), counts.sum(axis=0))


def _days_present(first: NDArray[np.int64], last: NDArray[np.int64], some: NDArray[np.bool_]) -> Floats:
    """Return how many days strictly between first and last purchase fall into each period, shape (n, 13)."""
    out = np.zeros((len(first), PERIODS))
    if not some.any():
        return out
    begin, stop = int(first[some].min()), int(last[some].max())
    days = np.arange(begin, stop + 1)
    # Cumulative days of each period: a customer's share is a difference of two rows.
    passed = np.zeros((len(days) + 1, PERIODS))
    passed[np.arange(1, len(days) + 1), period_of(days)] = 1.0
    passed = np.cumsum(passed, axis=0)
    out[some] = passed[last[some] - begin] - passed[first[some] + 1 - begin]
    return out


def _judge(known: PurchaseDays, cut: int, end: int, factors: Floats) -> tuple[float, float, float]:
    """Return by what share the weekly error falls with factors, over the weeks of lives in the time held out."""
    came, due, period = _weeks(known, cut, end)
    level = came.sum() / max(float(due.sum()), 1e-12)
    seasonal = factors[period]
    seasonal = seasonal * (came.sum() / max(float((due * seasonal).sum()), 1e-12))
    plain = np.abs(came - due * level)
    gain = plain - np.abs(came - due * seasonal)
    total = float(plain.sum())
    if total <= 0.0:
        return 0.0, 0.0, 0.0
    half = NORMAL_95 * float(np.std(gain, ddof=1)) * float(np.sqrt(gain.size))
    better = float(gain.sum())
    return better / total, (better - half) / total, (better + half) / total


def _weeks(known: PurchaseDays, cut: int, end: int) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Return, by week after the cut, the purchases that came and the customers' own rates summed, and the period."""
    past = known.day <= cut
    n = known.customers
    count = np.bincount(known.customer[past], minlength=n).astype(np.float64)
    first = np.full(n, np.iinfo(np.int64).max)
    np.minimum.at(first, known.customer[past], known.day[past])
    there = count > 0
    rate = np.zeros(n)
    rate[there] = count[there] / np.maximum(cut - first[there] + 1, 1)
    weeks = (end - cut) // 7
    later = (known.day > cut) & (known.day <= cut + 7 * weeks) & there[known.customer]
    came = np.bincount((known.day[later] - cut - 1) // 7, minlength=weeks).astype(np.float64)
    middle = cut + 1 + 7 * np.arange(weeks) + 3
    return came, np.full(weeks, 7.0 * float(rate.sum())), period_of(middle)
