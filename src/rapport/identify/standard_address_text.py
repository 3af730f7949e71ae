"""Addresses that are one text: which part is the street, the town, the region, the postal code, the country.

Why it exists: many systems hold an address as a person would write it on an envelope. The order of its parts, told by
the postal code's shape, says what each is; addresses of the United States that do not say so go to usaddress.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import pyarrow as pa

from rapport.identify.blocked import is_no_value
from rapport.identify.standard_place import read_country, read_region
from rapport.identify.standard_values import with_group

_CODES = {
    "GB": r"[A-Za-z]{1,2}\d[\dA-Za-z]?\s?\d[A-Za-z]{2}", "CA": r"[A-Za-z]\d[A-Za-z][ -]?\d[A-Za-z]\d", "US":
    r"\d{5}(?:-\d{4})?",
    "NL": r"\d{4}\s?[A-Za-z]{2}", "PT": r"\d{4}-\d{3}", "PL": r"\d{2}-\d{3}", "BR": r"\d{5}-?\d{3}", "JP":
    r"\d{3}-\d{4}",
    "IE": r"[A-Za-z]\d[\dW]\s?[\dA-Za-z]{4}", "SE": r"\d{3}\s?\d{2}", "CZ": r"\d{3}\s?\d{2}", "SK": r"\d{3}\s?\d{2}",
    "GR": r"\d{3}\s?\d{2}",
}  # fmt: skip
_ANY = r"(?:[A-Z]{1,2}-)?\d{4,6}"
_TAIL_REGION = frozenset({"US", "AU", "CA"})
_US_STREET = [
    "AddressNumberPrefix",
    "AddressNumber",
    "AddressNumberSuffix",
    "StreetNamePreModifier",
    "StreetNamePreDirectional",
    "StreetNamePreType",
    "StreetName",
    "StreetNamePostType",
    "StreetNamePostDirectional",
    "USPSBoxType",
    "USPSBoxID",
    "CornerOf",
    "IntersectionSeparator",
]


class Parts(NamedTuple):
    """The parts of one address, as they are written."""

    street: str | None = None
    unit: str | None = None
    city: str | None = None
    region: str | None = None
    postal_code: str | None = None
    country: str | None = None


def read_addresses(texts: pa.Array, countries: pa.Array) -> tuple[pa.Array, ...]:
    """Return street (with its number), unit, city, region, postal code and country of addresses that are one text."""
    text, country, position = with_group(texts, countries)
    found = [part_address(t, c) for t, c in zip(text.to_pylist(), country.to_pylist(), strict=True)]
    at = pa.array(position, mask=position < 0)
    return tuple(pa.array([p[n] for p in found], pa.string()).take(at) for n in range(6))


def part_address(text: str, country: str) -> Parts:
    """Return the parts of one address, read as its country writes addresses."""
    if is_no_value(text):
        return Parts()
    text = re.sub(r"^\s*c/o\s[^,\n;]*[,\n;]\s*", "", text, flags=re.IGNORECASE)
    pieces = [s for s in (re.sub(r"\s+", " ", p).strip(" .") for p in re.split(r"[,\n;|]", text)) if s]
    named = None
    if len(pieces) > 1 and not re.search(r"\d", pieces[-1]):
        code, _ = read_country(pieces[-1])
        if code and not (country in _TAIL_REGION and _is_region(pieces[-1], country)):
            named, pieces = code, pieces[:-1]
    country = named or country
    parts = _by_code(pieces, country)
    if parts is None and country in {"US", "PR"}:
        parts = _by_library(", ".join(pieces))
    if parts is None:
        parts = _street_first(pieces, None, None, None)
    return parts._replace(country=named)


def _is_region(text: str, country: str) -> bool:
    code, _ = read_region(text, country)
    return code is not None and re.fullmatch("[a-z]{2,3}", code) is not None


def _by_code(pieces: list[str], country: str) -> Parts | None:
    """Return the parts by where the postal code stands, None where there is none."""
    code = _CODES.get(country, _ANY)
    for n in range(len(pieces) - 1, 0, -1):
        after = re.fullmatch(rf"(?:(?P<before>.*?)[ ,]+)?(?P<code>{code})", pieces[n])
        ahead = re.fullmatch(rf"(?P<code>{code}) (?P<city>\D.*)", pieces[n])
        if after and country in _TAIL_REGION:
            return _with_region(pieces, n, after["before"], after["code"], country)
        if ahead:
            return _street_first(pieces[:n], ahead["city"], None, ahead["code"])
        if after:
            return _with_city(pieces, n, after["before"], after["code"])
    return None


def _with_region(pieces: list[str], n: int, before: str | None, code: str, country: str) -> Parts:
    words = (before or "").split()
    for size in range(min(4, len(words)), 0, -1):
        region = " ".join(words[-size:])
        if _is_region(region, country):
            city = " ".join(words[:-size])
            if city or n == 1:
                return _street_first(pieces[:n], city or None, region, code)
            return _street_first(pieces[: n - 1], pieces[n - 1], region, code)
    if not before and n > 1 and _is_region(pieces[n - 1], country):
        return _with_city([*pieces[: n - 1], code], n - 1, None, code)._replace(region=pieces[n - 1])
    return _with_city(pieces, n, before, code)


def _with_city(pieces: list[str], n: int, before: str | None, code: str) -> Parts:
    if before:
        return _street_first(pieces[:n], before, None, code)
    if n > 1:
        return _street_first(pieces[: n - 1], pieces[n - 1], None, code)
    return _street_first(pieces[:n], None, None, code)


def _street_first(pieces: list[str], city: str | None, region: str | None, code: str | None) -> Parts:
    """Return parts with the street made of the first pieces up to the one that holds the house's number."""
    if city is None and code is None and len(pieces) > 1:
        pieces, city = pieces[:-1], pieces[-1]
    unit = r"(?i)(?:flat|unit|apt|apartment|suite|#)\.? ?\w+"
    units = [p for p in pieces if re.fullmatch(unit, p)]
    rest = [p for p in pieces if not re.fullmatch(unit, p)]
    numbered = [p for p in rest if re.search(r"\d", p)]
    street = numbered[0] if numbered else (rest[0] if rest else None)
    return Parts(street, units[0] if units else None, city, region, code)


def _by_library(text: str) -> Parts | None:
    import usaddress

    try:
        tagged, kind = usaddress.tag(text)
    except usaddress.RepeatedLabelError:
        return None
    if kind == "Ambiguous":
        return None
    street = " ".join(tagged[k] for k in _US_STREET if k in tagged)
    unit = tagged.get("OccupancyIdentifier") or tagged.get("SubaddressIdentifier")
    return Parts(street or None, unit, tagged.get("PlaceName"), tagged.get("StateName"), tagged.get("ZipCode"))
