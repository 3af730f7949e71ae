"""Days of birth, in whatever order a country writes them.

Why it exists: 04/05/1980 is two days, and a guess that is wrong separates one customer into two or makes two of
one. A day is read only where the notation, the country or the programme tells how.
"""

from __future__ import annotations

import re
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rapport.core.reasons import ValueReason
from rapport.identify.blocked import is_no_value
from rapport.identify.fold import fold
from rapport.identify.standard_values import Values, read_distinct, spread, with_group, words

OLDEST_YEARS = 120
_MONTH_FIRST = words("US PR GU VI AS MP PH FM MH PW UM")
_UNTOLD = words("CA BZ KE GH TT")
"""Countries in which both orders are in use: nothing is told by them."""

_ISO = re.compile(
    r"(\d{4})[-/. ](\d{1,2})[-/. ](\d{1,2})(?:[T ]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?"
)
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})")
_PARTS = re.compile(r"(\d{1,2})\s*([-/. ])\s*(\d{1,2})\s*\2\s*(\d{4}|\d{2})(?:[T ]\d{1,2}:\d{2}(?::\d{2})?)?")
_MONTHS = {
    name: month
    for month, names in enumerate(
        ("jan januar january janvier enero gennaio januari janeiro", "feb februar february fevrier febrero febbraio "
         "februari fevereiro", "mar march marz maerz mars marzo maart marco mrz", "apr april avril abril aprile",
         "may mai mayo maggio mei maio", "jun june juni juin junio giugno junho", "jul july juli juillet julio "
         "luglio "
         "julho", "aug august aout agosto augustus augusti", "sep sept september septembre septiembre settembre "
         "setembro", "oct october oktober octobre octubre ottobre okt outubro", "nov november novembre noviembre "
         "novembro", "dec december dezember decembre diciembre dicembre dez dezembro"), start=1)
    for name in names.split()
}  # fmt: skip
_WORDED = (
    re.compile(r"(?P<day>\d{1,2})(?:st|nd|rd|th)? (?:de )?(?P<month>[a-z]+) (?:de )?(?P<year>\d{4})"),
    re.compile(r"(?P<month>[a-z]+) (?P<day>\d{1,2})(?:st|nd|rd|th)? (?P<year>\d{4})"),
)


def read_days(texts: pa.Array, countries: pa.Array, day_first: pa.Array, as_of: date | None) -> Values:
    """Return days as ISO text.

    Parameters
    ----------
    texts, countries : string arrays
        What is held, and the country in which it was written; no nulls among the countries.
    day_first : bool array
        What the programme says of the record's system, null where it says nothing; it goes before the country.
    as_of : date or None
        Day from which ages are counted.
    """
    by_country = read_distinct(countries, lambda c: (_order_of(c), None)).values
    said = pc.if_else(day_first, "day", "month")
    text, order, position = with_group(texts, pc.coalesce(said, by_country))
    read = [read_day(t, o, as_of) for t, o in zip(text.to_pylist(), order.to_pylist(), strict=True)]
    days = pa.array([None if d is None else d.isoformat() for d, _ in read], pa.string())
    return spread(Values(days, pa.array([r for _, r in read], pa.string())), position)


def _order_of(country: str) -> str:
    return "month" if country in _MONTH_FIRST else "untold" if country in _UNTOLD else "day"


def read_day(text: str, order: str, as_of: date | None) -> tuple[date | None, ValueReason | None]:
    """Return one day of birth, `order` being `day`, `month` or `untold`, or why it is none."""
    if is_no_value(text) or re.fullmatch(r"[0\s./-]+", text):
        return None, ValueReason.BLOCKED_VALUE
    found = _year_first(text) or _worded(text) or _two_orders(text, order, as_of)
    if isinstance(found, ValueReason):
        return None, found
    if found is None:
        return None, ValueReason.NOT_A_DAY
    if as_of is not None and found > as_of:
        return None, ValueReason.FUTURE_DAY
    if (
        as_of is not None
        and as_of.year - found.year - ((as_of.month, as_of.day) < (found.month, found.day)) > OLDEST_YEARS
    ):
        return None, ValueReason.TOO_OLD
    return found, None


def _year_first(text: str) -> date | ValueReason | None:
    match = _ISO.fullmatch(text) or _COMPACT.fullmatch(text)
    return _day(*(int(g) for g in match.groups())) or ValueReason.NOT_A_DAY if match else None


def _worded(text: str) -> date | ValueReason | None:
    folded = fold(text)
    for pattern in _WORDED:
        match = pattern.fullmatch(folded)
        if match and match["month"] in _MONTHS:
            return _day(int(match["year"]), _MONTHS[match["month"]], int(match["day"])) or ValueReason.NOT_A_DAY
    return None


def _two_orders(text: str, order: str, as_of: date | None) -> date | ValueReason | None:
    match = _PARTS.fullmatch(text)
    if match is None:
        return None
    a, b = int(match[1]), int(match[3])
    years = [int(match[4])] if len(match[4]) == 4 else _centuries(int(match[4]), as_of)
    if len(years) != 1:
        return ValueReason.AMBIGUOUS_DAY
    found = {"day": _day(years[0], b, a), "month": _day(years[0], a, b)}
    there = {d for d in found.values() if d is not None}
    if match[2] == "." and found["day"]:
        return found["day"]
    if len(there) <= 1:
        return next(iter(there), ValueReason.NOT_A_DAY)
    return found.get(order) or ValueReason.AMBIGUOUS_DAY


def _centuries(year: int, as_of: date | None) -> list[int]:
    """Return the years that two digits can mean: one only, where the other would not have come or was long ago."""
    if as_of is None:
        return []
    return [y for y in (1900 + year, 2000 + year) if y <= as_of.year and as_of.year - y <= 100]


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None


def crowded_days(days: NDArray[np.int64], names: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the days that so many different names share that they are a form's default, not births.

    Parameters
    ----------
    days, names : int64 arrays, shape (n,)
        Day of birth and code of the name of each record that has both.

    Notes
    -----
    Births of a population spread over decades: of N names, three times N / (40 years of days) share the fullest
    day, or five times as many as share the median day where the ages are closer together. More than six
    standard deviations (Poisson) and 20 names above that is no day of birth.
    """
    if len(days) == 0:
        return days
    pairs = np.unique(np.column_stack([days, names]), axis=0)
    day, held = np.unique(pairs[:, 0], return_counts=True)
    mean = max(3.0 * len(pairs) / (40 * 365.25), 5.0 * float(np.median(held)))
    return day[held > mean + 6.0 * np.sqrt(mean) + 20.0]
