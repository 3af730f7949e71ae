"""Postal addresses: number, street and unit, wherever a country writes them, street types in one short form.

Why it exists: `12 High Street, Flat 4`, `4/12 high st` and `Flat 4, 12 High St.` are one home; `Hauptstraße 5` and
`Hauptstr. 5` are one house. Works on distinct streets, over whole arrays.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rapport.identify.blocked import is_no_value
from rapport.identify.fold import fold
from rapport.identify.standard_values import by_word, read_distinct, tidy_spaces, with_group, words

NUMBER_FIRST = words("US CA AU NZ GB IE FR IN ZA SG HK PH LU GG JE IM PR MY KE NG")
"""Countries in which the number stands before the street."""
_UNIT_BY_SLASH = frozenset({"AU", "NZ"})

_TYPES = {
    word: short
    for short, words in {
        "st": "street saint sainte sankt str", "rd": "road", "ave": "avenue av aven avn avenida", "ln": "lane",
        "dr": "drive drv",
        "ct": "court crt", "pl": "place plc", "cres": "crescent cr crs cresent", "blvd": "boulevard bvd boul bd",
        "cl": "close", "tce": "terrace terr ter", "pde": "parade", "hwy": "highway", "sq": "square", "pkwy":
        "parkway pky",
        "cir": "circle circ", "crct": "circuit cct", "gr": "grove gro", "gdns": "gardens gdn", "ctr": "center centre",
        "mt": "mount", "hts": "heights", "trl": "trail", "esp": "esplanade", "aly": "alley", "xing": "crossing",
        "n": "north", "s": "south", "e": "east", "w": "west", "ne": "northeast", "nw": "northwest", "se": "southeast",
        "sw": "southwest", "1st": "first", "2nd": "second", "3rd": "third", "4th": "fourth", "5th": "fifth",
        "6th": "sixth", "7th": "seventh", "8th": "eighth", "9th": "ninth", "10th": "tenth", "pza": "plaza", "c":
        "calle",
        "r": "rua", "pzza": "piazza", "v": "via", "vle": "viale", "unit": "apartment apt flat suite "
        "ste wohnung whg appartement appt", "pobox": "postfach postbus postboks apartado casilla pobox",
    }.items()
    for word in words.split()
} | {"str": "str", "strasse": "str", "straat": "str"}  # fmt: skip
_GLUED = re.compile(r"^(.{3,})(?:strasse|straat|str)$")

_UNIT_TAIL = r"^(?P<rest>.+) unit (?P<unit>[a-z]?[0-9]+[a-z]?|[a-z])$"
_UNIT_HEAD = r"^unit (?P<unit>[a-z]?[0-9]+[a-z]?|[a-z]) (?P<rest>.+)$"
_UNIT_SLASH = r"^(?P<unit>[0-9]+[a-z]?)~(?P<rest>[0-9]+[a-z]? .+)$"
_HEAD = r"^(?:no |nr )?(?P<num>[0-9]+[a-z]?(?:~[0-9]+[a-z]?)?) (?P<rest>.*[a-z].*)$"
_TAIL = r"^(?P<rest>.*[a-z][a-z].*) (?:no |nr )?(?P<num>[0-9]+(?: ?[a-z])?(?:~[0-9]+[a-z]?)?)$"
_NOT_BEFORE_A_NUMBER = (
    r"(?:^| "
    ")(?:hwy|route|rt|rte|rd|box|pobox|st|ave|county|state|interstate|us|sr|cr|fm|level|lot|unit|km|no|nr|floor) "
    r"[0-9]+(?: ?[a-z])?$"
)
_BOX = r"(?:^| )(?:pobox|po box|p o box|box|bp|lot) [0-9]+[a-z]?$"


class Street(NamedTuple):
    """Number, street and unit of an address, folded; null where there is none."""

    number: pa.Array
    street: pa.Array
    unit: pa.Array


def read_streets(number: pa.Array, street: pa.Array, unit: pa.Array, countries: pa.Array) -> Street:
    """Return number, street and unit; what stands in the street goes to the number and unit where they are empty.

    Parameters
    ----------
    number, street, unit : string arrays
    countries : string array
        Country of each record, ISO alpha-2, no nulls.
    """
    number = read_distinct(number, lambda t: (_number(t), None)).values
    unit = read_distinct(unit, lambda t: (_unit(t), None)).values
    text, country, position = with_group(street, countries)
    parts = _parted(_soft(text), country)
    at = pa.array(position, mask=position < 0)
    whole, found_number, found_rest, found_unit, rest_of_unit, bare = (p.take(at) for p in parts)
    has_number, has_unit = pc.is_valid(number), pc.is_valid(unit)
    left = pc.if_else(has_unit, pc.if_else(has_number, whole, found_rest), pc.if_else(has_number, rest_of_unit, bare))
    taken = read_distinct(found_number, lambda t: (_number(t.replace("~", "-")), None)).values
    number, unit = pc.coalesce(number, taken), pc.coalesce(unit, found_unit)
    left = _without_repeat(pc.replace_substring(left, "~", "-"), number)
    return Street(number, left, unit)


def _soft(texts: pa.Array) -> pa.Array:
    """Return folded texts, street types short, ranges of numbers joined by a tilde."""
    null = pa.scalar(None, pa.string())
    if len(texts) == 0:
        return texts
    no_value = pc.match_substring_regex(texts, "[A-Za-z0-9].*[A-Za-z0-9].*[A-Za-z0-9]")
    short = pc.if_else(no_value, null, texts)
    blocked = read_distinct(short, lambda t: (None if is_no_value(t) else t, None)).values
    texts = pc.coalesce(pc.if_else(no_value, texts, null), blocked)
    other = pc.if_else(pc.string_is_ascii(texts), null, texts)
    latin = read_distinct(other, lambda t: (_latin(t), None)).values if other.null_count < len(other) else other
    plain = pc.ascii_lower(pc.coalesce(latin, texts))
    for sign, pattern, by in (
        ("/", r"^\s*c/o\s[^,]*,\s*", ""),
        ("#", "#", " unit "),
        ("'", "['`]", ""),
        ("+", r"[+]", " "),
    ):
        if pc.any(pc.match_substring(plain, sign)).as_py():
            plain = pc.replace_substring_regex(plain, pattern, by)
    if pc.any(pc.match_substring_regex(plain, "[^a-z0-9 ]")).as_py():
        plain = pc.replace_substring(plain, "~", " ")
        plain = pc.replace_substring_regex(plain, r"([0-9][a-z]?)\s?[-/]\s?([0-9])", r"\1~\2")
        plain = pc.replace_substring_regex(plain, "[^a-z0-9~]+", " ")
    plain = by_word(plain, _short)
    if pc.any(pc.match_substring(plain, "box")).as_py():
        plain = pc.replace_substring_regex(plain, r"\b(?:post office|p o|po) box\b", "pobox")
    return plain


def _latin(text: str) -> str:
    from anyascii import anyascii

    return anyascii(re.sub("[’‘´]", "", text)).replace("–", "-")


def _short(word: str) -> str:
    """Return the short form of one folded word."""
    if word in _TYPES:
        return _TYPES[word]
    glued = _GLUED.match(word)
    return f"{glued.group(1)}str" if glued else word


def _parted(text: pa.Array, country: pa.Array) -> tuple[pa.Array, ...]:
    """Return the whole text; number and rest; unit and rest without the unit; the rest without either."""
    slash = pc.is_in(country, value_set=pa.array(sorted(_UNIT_BY_SLASH)))
    first = pc.is_in(country, value_set=pa.array(sorted(NUMBER_FIRST)))
    unit, without_unit = _take_unit(text, slash)
    number, rest = _take_number(text, first)
    number_2, bare = _take_number(without_unit, first)
    unit_2, bare_2 = _take_unit(bare, pc.and_(slash, False))
    unit = pc.coalesce(unit, unit_2)
    bare = pc.if_else(pc.is_null(unit), bare, bare_2)
    return text, pc.coalesce(number_2, number), rest, unit, without_unit, bare


def _take_unit(text: pa.Array, slash: pa.Array) -> tuple[pa.Array, pa.Array]:
    null = pa.scalar(None, pa.string())
    unit, rest = pc.if_else(pa.scalar(False), text, null), text
    if pc.any(slash).as_py():
        found = pc.extract_regex(pc.if_else(slash, text, null), _UNIT_SLASH)
        unit = pc.coalesce(unit, pc.struct_field(found, "unit"))
        rest = pc.if_else(found.is_valid(), pc.struct_field(found, "rest"), rest)
    marked = pc.fill_null(pc.match_substring(text, "unit "), False)
    if pc.any(marked).as_py():
        for pattern in (_UNIT_TAIL, _UNIT_HEAD):
            found = pc.extract_regex(pc.if_else(pc.and_(marked, pc.is_null(unit)), text, null), pattern)
            unit = pc.coalesce(unit, pc.struct_field(found, "unit"))
            rest = pc.if_else(found.is_valid(), pc.struct_field(found, "rest"), rest)
    return unit, rest


def _take_number(text: pa.Array, first: pa.Array) -> tuple[pa.Array, pa.Array]:
    null = pa.scalar(None, pa.string())
    nobody = pc.if_else(pa.scalar(False), text, null)
    with_digit = pc.if_else(
        pc.match_substring_regex(text, "^[0-9n]| [0-9]+(?: ?[a-z])?(?:~[0-9]+[a-z]?)?$"), text, null
    )
    if with_digit.null_count == len(text):
        return nobody, text
    head = pc.extract_regex(with_digit, _HEAD)
    no_number = pc.match_substring_regex(with_digit, _BOX)
    highway = pc.and_(first, pc.match_substring_regex(with_digit, _NOT_BEFORE_A_NUMBER))
    tail_text = pc.if_else(pc.fill_null(pc.or_(no_number, highway), False), null, with_digit)
    tail = pc.extract_regex(tail_text, _TAIL)
    use_head = pc.and_(head.is_valid(), pc.or_(first, tail.is_null()))
    use_tail = pc.and_(tail.is_valid(), pc.invert(use_head))
    number = pc.if_else(
        use_head, pc.struct_field(head, "num"), pc.if_else(use_tail, pc.struct_field(tail, "num"), null)
    )
    rest = pc.if_else(
        use_head, pc.struct_field(head, "rest"), pc.if_else(use_tail, pc.struct_field(tail, "rest"), text)
    )
    return number, rest


def _without_repeat(street: pa.Array, number: pa.Array) -> pa.Array:
    """Return streets without a number at their head that is the house's own."""
    head = pc.struct_field(pc.extract_regex(street, r"^(?P<num>[0-9]+[a-z]?) .*[a-z]"), "num")
    same = pc.fill_null(pc.equal(head, number), False)
    if not pc.any(same).as_py():
        return street
    at = np.flatnonzero(same.to_numpy(zero_copy_only=False))
    out = street.to_numpy(zero_copy_only=False).copy()
    for n, house in zip(at, number.take(pa.array(at)).to_pylist(), strict=True):
        out[n] = re.sub(rf"^(?:{re.escape(house)} )+", "", out[n])
    return pa.array(out, pa.string())


def _number(text: str) -> str | None:
    """Return the number of a house: `No. 012 B` is 12b, `12 - 14` is 12-14."""
    if is_no_value(text):
        return None
    text = re.sub(r"\.0+$", "", text.strip().lower())
    text = re.sub(r"(\d[a-z]?)\s*[-/–]\s*(\d)", r"\1~\2", text)
    folded = " ".join(fold(t) if t != "~" else t for t in re.split("(~)", text)).replace(" ~ ", "~")
    folded = re.sub(r"^(?:(?:no|nr|number|hausnummer) )+", "", folded)
    folded = re.sub(r"^(\d+) ([a-z])$", r"\1\2", folded)
    folded = re.sub(r"^0+(?=\d)", "", folded)
    folded = folded.replace("~", "-").strip("- ")
    return folded if folded and folded.strip("0") else None


def _unit(text: str) -> str | None:
    """Return a flat, staircase or box: `Apt. 4` is 4."""
    if is_no_value(text):
        return None
    folded = " ".join(_short(w) for w in fold(text.replace("#", " unit ")).split())
    folded = re.sub(r"^(?:unit )+", "", folded)
    return folded if folded and folded != "unit" else None


def read_city(text: pa.Array) -> pa.Array:
    """Return towns folded, `Saint` and `Sankt` short."""
    from rapport.identify.fold import fold_all

    folded = fold_all(text)
    blocked = read_distinct(folded, lambda t: (None if is_no_value(t) else _town(t), None)).values
    return tidy_spaces(blocked)


def _town(folded: str) -> str:
    words = ["st" if w in {"saint", "sainte", "sankt"} else "mt" if w == "mount" else w for w in folded.split()]
    return " ".join(words)
