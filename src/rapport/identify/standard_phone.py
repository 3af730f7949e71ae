"""Phone numbers in E.164, read as they are dialled in a country.

Why it exists: `020 7946 0958` of a British record and `+44 20 79460958` are one number. phonenumbers knows how every
country writes its numbers, at 50 microseconds each; numbers of the common shapes are read by the same rules, the
country's patterns taken from the library's own metadata, over whole arrays.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from rapport.core.reasons import ValueReason
from rapport.identify.blocked import is_no_value
from rapport.identify.standard_values import Values, read_distinct, spread, with_group

_PUNCTUATION = r"[ ()./\-]"
_WORTH_PATTERNS = 50
"""Numbers of a country from which on compiling its patterns pays."""


@dataclass(frozen=True)
class Shapes:
    """What tells the common shapes of a country's numbers, as regular expressions of the library's metadata.

    `general` is that of a national number, `lengths` those that are whole; `prefix` is dialled before it within the
    country, `strip` is what the library would take off as a prefix, `abroad` what is dialled before a country code.
    """

    code: str
    general: str
    lengths: frozenset[int]
    prefix: str | None
    strip: str | None
    abroad: str


def read_phones(texts: pa.Array, countries: pa.Array) -> Values:
    """Return numbers in E.164, each text dialled in the country beside it (ISO alpha-2, no nulls).

    The same as `read_phone` of each, by arrays where the shape allows.
    """
    text, country, position = with_group(texts, countries)
    values = np.full(len(text), None, dtype=object)
    reasons = np.full(len(text), None, dtype=object)
    codes = country.dictionary_encode()
    for n, region in enumerate(codes.dictionary.to_pylist()):
        at = np.flatnonzero(codes.indices.to_numpy(zero_copy_only=False) == n)
        own = text.take(pa.array(at))
        fast = _fast(own, region) if len(at) >= _WORTH_PATTERNS else pa.nulls(len(at), pa.string())
        rest = pc.if_else(pc.is_null(fast), own, pa.scalar(None, pa.string()))
        read = read_distinct(rest, lambda t, r=region: read_phone(t, r))  # type: ignore[misc]
        values[at] = pc.coalesce(fast, read.values).to_numpy(zero_copy_only=False)
        reasons[at] = read.reasons.to_numpy(zero_copy_only=False)
    return spread(Values(pa.array(values, pa.string()), pa.array(reasons, pa.string())), position)


def read_phone(text: str, country: str) -> tuple[str | None, ValueReason | None]:
    """Return one number in E.164 as dialled in a country, without extension, or why it is none."""
    digits = re.sub(r"\D", "", text)
    if is_no_value(text) or _filled(digits):
        return None, ValueReason.BLOCKED_VALUE
    number, reason = _parsed(text, country)
    for _ in range(3):
        if number is None:
            return None, reason
        again, reason = _parsed(number, country)
        if again == number:
            national = number[1:]
            return (None, ValueReason.BLOCKED_VALUE) if _filled(national) else (number, None)
        number = again
    return None, ValueReason.NOT_A_PHONE


def _filled(digits: str) -> bool:
    """Return whether digits are typed to fill a field: all zero, one repeated, a subscriber 0000000, counting up."""
    if not digits:
        return False
    tail = digits[-7:]
    return (len(tail) >= 5 and len(set(tail)) == 1) or (len(digits) >= 6 and digits in "0123456789012")


def _parsed(text: str, country: str) -> tuple[str | None, ValueReason | None]:
    import phonenumbers as library

    try:
        number = library.parse(text, country)
    except library.NumberParseException:
        return None, ValueReason.NOT_A_PHONE
    length = library.is_possible_number_with_reason(number)
    if length == library.ValidationResult.IS_POSSIBLE_LOCAL_ONLY:
        return None, ValueReason.LACKS_AREA_CODE
    if length != library.ValidationResult.IS_POSSIBLE:
        return None, ValueReason.IMPOSSIBLE_PHONE
    return library.format_number(number, library.PhoneNumberFormat.E164), None


@lru_cache(maxsize=512)
def shapes_of(country: str) -> Shapes | None:
    """Return the shapes of a country's numbers, None where its rules are not those of plain prefixes."""
    from phonenumbers import PhoneMetadata, country_code_for_region, region_code_for_country_code

    own = PhoneMetadata.metadata_for_region(country, None)
    if own is None:
        return None
    main = PhoneMetadata.metadata_for_region(region_code_for_country_code(country_code_for_region(country)), None)
    if main is None or own.national_prefix_transform_rule or main.national_prefix_transform_rule:
        return None
    if own.general_desc is None or main.general_desc is None or own.general_desc.national_number_pattern is None:
        return None
    strips = [m.national_prefix_for_parsing for m in (own, main) if m.national_prefix_for_parsing]
    literal = all(re.fullmatch(r"\d+(?:\|\d+)*", s) for s in strips)
    prefix = own.national_prefix if literal and strips else None
    if prefix and strips[0].split("|")[0] != prefix:
        prefix = None
    return Shapes(
        code=str(own.country_code),
        general=own.general_desc.national_number_pattern,
        lengths=frozenset(own.general_desc.possible_length) & frozenset(main.general_desc.possible_length),
        prefix=prefix,
        strip="|".join(f"(?:{s})" for s in strips) or None,
        abroad=own.international_prefix or "",
    )


def _fast(texts: pa.Array, country: str) -> pa.Array:
    """Return E.164 of the numbers whose shape says all, null for the others."""
    shapes = shapes_of(country)
    null = pa.scalar(None, pa.string())
    if shapes is None or not shapes.abroad:
        return pa.nulls(len(texts), pa.string())
    plain = pc.match_substring_regex(texts, r"^\+?[0-9 ()./\-]{6,30}$")
    plain = pc.and_(plain, pc.invert(pc.match_substring_regex(texts, r"/ *[^0-9]|[./\-() ]$|^[./\-]")))
    digits = pc.replace_substring_regex(pc.if_else(plain, texts, null), _PUNCTUATION, "")
    found = _national(digits, shapes)
    if shapes.prefix:
        rest = _after(digits, shapes.prefix)
        twice = pc.starts_with(digits, shapes.code) if shapes.code != shapes.prefix else pa.scalar(False)
        found = pc.coalesce(found, pc.if_else(twice, null, _national(rest, shapes)))
    found = pc.if_else(pc.match_substring_regex(digits, f"^(?:{shapes.abroad})"), null, found)
    given = _after(digits, "+" + shapes.code)
    found = pc.coalesce(found, _national(given, _main(shapes)))
    filled = pc.match_substring_regex(pc.coalesce(found, pa.scalar("")), _FILLED)
    return pc.if_else(filled, null, found)


_FILLED = "|".join(f"{d}{{5}}$" for d in range(10)) + "|01234|12345|23456|34567|45678|56789|67890"
"""A wider net than `_filled`, which decides."""


def _main(shapes: Shapes) -> Shapes:
    from phonenumbers import region_code_for_country_code

    return shapes_of(region_code_for_country_code(int(shapes.code))) or shapes


def _after(digits: pa.Array, prefix: str) -> pa.Array:
    cut = pc.utf8_slice_codeunits(digits, len(prefix), None)
    return pc.if_else(pc.starts_with(digits, prefix), cut, pa.scalar(None, pa.string()))


def _national(digits: pa.Array, shapes: Shapes) -> pa.Array:
    """Return E.164 of digits that are a whole national number from which nothing would be taken off."""
    lengths = pc.is_in(pc.binary_length(digits), value_set=pa.array(sorted(shapes.lengths), pa.int32()))
    whole = pc.and_(lengths, pc.match_substring_regex(digits, f"^(?:{shapes.general})$"))
    if shapes.strip:
        whole = pc.and_(whole, pc.invert(pc.match_substring_regex(digits, f"^(?:{shapes.strip})")))
    whole = pc.fill_null(whole, False)
    e164 = pc.binary_join_element_wise(pa.scalar("+" + shapes.code), digits, "")
    return pc.if_else(whole, e164, pa.scalar(None, pa.string()))
