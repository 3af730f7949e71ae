"""What stands in a column, told from a sample of it: which share of its values looks like what.

Why it exists: a column may be named anything; its values tell e-mail addresses, phones, days, postal codes and ids
without a name. Pure: a sequence of texts in, shares out. What a column fills is decided in
`rapport.identify.mapping`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rapport.identify.mapping_words import (
    BUSINESS_WORDS,
    COUNTRIES,
    GENDERS,
    GIVEN_NAMES,
    LEGAL_FORMS,
    STREET_ENDINGS,
    STREET_WORDS,
)

LOOKED_AT = 2_000
"""Filled values of a column that are looked at, spread evenly over those given."""

_PATTERNS: dict[str, re.Pattern[str]] = {
    "email": re.compile(r"[^@\s,;<>]+@[^@\s,;<>]+\.[A-Za-z]{2,}"),
    "uuid": re.compile(r"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}"),
    "url": re.compile(
        r"(https?://\S+|www\.\S+|[a-z0-9-]+(\.[a-z0-9-]+)*\.(com|org|net|de|at|ch|fr|es|it|eu|io|co\.uk))/?"
    ),
    "house_number": re.compile(r"[0-9]{1,5} ?[A-Za-z]?([-/][0-9]{1,4}[A-Za-z]?)?"),
    "number": re.compile(
        r"[+-]?([0-9]+([.,][0-9]+)?|[0-9]{1,3}([.,][0-9]{3})+([.,][0-9]+)?|[.,][0-9]+)([eE][+-]?[0-9]+)?"
    ),
    "whole": re.compile(r"[0-9]+(\.0)?"),
    "decimal_comma": re.compile(r"[+-]?[0-9.]*,[0-9]{1,2}"),
    "code": re.compile(r"(?=.*[0-9])[A-Za-z0-9._:/#-]{1,64}"),
    "tax_number": re.compile(r"(ATU[0-9]{8}|CHE[0-9.-]{9,12}|[A-Z]{2}[0-9][0-9A-Z]{7,11}|[A-Z][0-9]{7}[0-9A-J])"),
    "card": re.compile(r"[0-9]{12,19}|([0-9]{4}[ -]){2,4}[0-9]{1,4}"),
}
_DAY = re.compile(
    r"(?P<y>(19|20)[0-9]{2})[-/.](1[0-2]|0?[1-9])[-/.]([12][0-9]|3[01]|0?[1-9])"
    r"|(?P<p>(19|20)[0-9]{2})(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])"
    r"|([12][0-9]|3[01]|0?[1-9])[-/. ]([12][0-9]|3[01]|0?[1-9]|[A-Za-z]{3,9})[-/. ](?P<z>(19|20)[0-9]{2})"
)
_CLOCK = re.compile(r"[T ]?[0-2]?[0-9]:[0-5][0-9](:[0-5][0-9]([.,][0-9]+)?)?( ?([AaPp][Mm]|Z|UTC|[+-][0-9:]{2,6}))?")
_MIDNIGHT = re.compile(r"[T ]00:00(:00([.,]0+)?)?Z?")
_POSTAL = re.compile(
    r"[0-9]{4,5}(-[0-9]{4})?|[A-Z]{1,2}-[0-9]{4,5}|[A-Z]{1,2}[0-9][0-9A-Z]? ?[0-9][A-Z]{2}"
    r"|[A-Z][0-9][A-Z] ?[0-9][A-Z][0-9]"
    r"|[0-9]{4} ?[A-Z]{2}|[0-9]{3} [0-9]{2}|[0-9]{2}-[0-9]{3}"
)
_PHONE = re.compile(r"\(?\+?[0-9][0-9 ()./-]{5,22}[0-9]( ?(x|ext\.?) ?[0-9]{1,5})?", re.IGNORECASE)
_WORD = re.compile(r"[^\W\d_]+(['’.-][^\W\d_]+)*")


@dataclass(frozen=True)
class Contents:
    """What a sample of a column holds; all shares but `fill` are of the filled values looked at.

    `distinct` is the share of filled values that differ; `values` how many different ones there are; `examples` up to
    three of them.
    """

    rows: int
    fill: float
    distinct: float
    values: int
    examples: tuple[str, ...]
    shares: dict[str, float]

    def share(self, what: str) -> float:
        """Return the share of values that look like something, 0 in an empty column."""
        return self.shares.get(what, 0.0)


def plain(text: str) -> str:
    """Return a text in small letters without accents."""
    apart = unicodedata.normalize("NFKD", text.casefold().replace("ß", "ss"))
    return "".join(c for c in apart if not unicodedata.combining(c))


def look_at(values: Sequence[str | None]) -> Contents:
    """Return what a column holds.

    Parameters
    ----------
    values : sequence of str or None
        The column, or the first rows of it; empty text counts as not filled.
    """
    filled = [v.strip() for v in values if v is not None and v.strip()]
    different = dict.fromkeys(filled)
    step = max(1, len(filled) // LOOKED_AT)
    sample = filled[::step][:LOOKED_AT]
    shares = {}
    if sample:
        shares = {what: sum(map(test, sample)) / len(sample) for what, test in _TESTS.items()}
    examples = tuple(different)[:3]
    rows = len(values)
    return Contents(
        rows,
        len(filled) / rows if rows else 0.0,
        len(different) / len(filled) if filled else 0.0,
        len(different),
        examples,
        shares,
    )


def _matches(pattern: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: pattern.fullmatch(text) is not None


def _day(text: str) -> bool:
    match = _DAY.match(text)
    return match is not None and (match.end() == len(text) or _CLOCK.fullmatch(text, match.end()) is not None)


def _clocked(text: str) -> bool:
    match = _DAY.match(text)
    return (
        match is not None
        and _MIDNIGHT.fullmatch(text, match.end()) is None
        and match.end() < len(text)
        and _day(text)
    )


def _born(text: str) -> bool:
    """Whether a text is a day on which most customers may be born, and no time of day is given."""
    match = _DAY.match(text)
    if match is None or (match.end() < len(text) and _MIDNIGHT.fullmatch(text, match.end()) is None):
        return False
    return 1900 <= int(match["y"] or match["p"] or match["z"]) <= 2012


def _phone(text: str) -> bool:
    digits = sum(c.isdigit() for c in text)
    return 7 <= digits <= 17 and _PHONE.fullmatch(text) is not None and not _day(text)


def _sure_phone(text: str) -> bool:
    """Whether a text is written as phones are and not as bare numbers of another kind."""
    return _phone(text) and (text[0] in "+(" or (text[0] == "0" and len(text) >= 9) or _parted(text))


def _parted(text: str) -> bool:
    return re.fullmatch(r"\(?[0-9]{3}\)?[ .\-/]+[0-9]{3,4}[ .\-]?[0-9]{3,5}", text) is not None


def _words(text: str) -> list[str]:
    return re.split(r"[\s,;&/()]+", plain(text).replace("'", ""))


def _given(text: str) -> bool:
    return any(w in GIVEN_NAMES for w in _words(text))


def _business(text: str) -> bool:
    words = [w.replace(".", "") for w in _words(text)]
    formed = len(words) > 1 and words[-1] in LEGAL_FORMS
    return formed or "&" in text or any(w in BUSINESS_WORDS or w in {"gmbh", "inc", "ltd", "llc"} for w in words)


def _street(text: str) -> bool:
    words = _words(text)
    return any(w in STREET_WORDS or w.rstrip(".") in STREET_WORDS for w in words) or any(
        w.endswith(STREET_ENDINGS) and len(w) > 6 for w in words
    )


def _worded(text: str) -> bool:
    return all(_WORD.fullmatch(w) is not None or w in {".", "-", "&"} for w in re.split(r"[\s,]+", text) if w)


def _people_words(text: str) -> bool:
    return 2 <= len(re.split(r"[\s,]+", text)) <= 4 and _worded(text)


_TESTS: dict[str, Callable[[str], bool]] = {
    **{name: _matches(pattern) for name, pattern in _PATTERNS.items()},
    "postal": _matches(_POSTAL),
    "day": _day,
    "clock": _clocked,
    "born": _born,
    "phone": _phone,
    "sure_phone": _sure_phone,
    "given": _given,
    "business": _business,
    "street": _street,
    "worded": _worded,
    "numbered": _matches(
        re.compile(r"[^\W\d][^\d,;@]{2,} [0-9]{1,4} ?[a-zA-Z]?|[0-9]{1,5}[a-zA-Z]? [^\W\d][^\d@]{2,}")
    ),
    "people_words": _people_words,
    "country": lambda text: plain(text) in COUNTRIES,
    "gender": lambda text: plain(text).strip(".") in GENDERS,
    "digits_inside": lambda text: any(c.isdigit() for c in text),
    "spaced": lambda text: " " in text,
    "short": lambda text: len(text) <= 6,
    "long": lambda text: len(text) > 40,
}
