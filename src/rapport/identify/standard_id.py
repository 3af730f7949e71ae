"""Numbers and ids: of persons, cards, devices, companies, and the domain of a web site.

Why it exists: `12-34 567` and `1234567` are one number, and one that is all zeros is nobody's.
"""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from rapport.core.reasons import ValueReason
from rapport.identify.blocked import is_blocked_number, is_no_value
from rapport.identify.standard_values import Values, read_distinct, read_rest, words

_SECOND_LEVEL = words("co com org net gov edu ac or ne go gob gouv gv asn id ltd plc me sch nom mil info biz")
"""Labels under which the registries of countries register names, such as co in co.uk."""


def read_numbers(texts: pa.Array) -> Values:
    """Return ids in upper case without separators; those that count or repeat one character are blocked."""
    null = pa.scalar(None, pa.string())
    bare = pc.ascii_upper(pc.replace_substring_regex(texts, r"[\s./\\_:#*-]+", ""))
    plain = pc.match_substring_regex(bare, "^[A-Z0-9]*[0-9][A-Z0-9]*$")
    repeated = pc.match_substring_regex(bare, "^(?:" + "|".join(f"{c}+" for c in "0123456789") + ")$")
    counted = pc.match_substring_regex(
        bare, "01234|12345|23456|34567|45678|56789|98765|87654|76543|65432|54321|43210"
    )
    fast = pc.if_else(pc.and_not(plain, pc.or_(repeated, counted)), bare, null)
    return read_rest(texts, fast, read_number)


def read_number(text: str) -> tuple[str | None, ValueReason | None]:
    """Return one id, or why it is none."""
    bare = re.sub(r"[\W_]+", "", text).upper()
    if not bare or is_no_value(text) or is_blocked_number(bare):
        return None, ValueReason.BLOCKED_VALUE
    return bare, None


def read_references(texts: pa.Array) -> Values:
    """Return ids that a system or device gave, as they are, without those that stand for none."""
    null = pa.scalar(None, pa.string())
    trimmed = pc.utf8_trim_whitespace(texts)
    likely = pc.match_substring_regex(trimmed, "[1-9].*[1-9]|[1-9][a-zA-Z]|[a-zA-Z][1-9]")
    fast = pc.if_else(likely, trimmed, null)
    return read_rest(texts, fast, read_reference)


def read_reference(text: str) -> tuple[str | None, ValueReason | None]:
    """Return one id of a system, or why it is none."""
    text = text.strip()
    if is_no_value(text) or re.fullmatch(r"[0\W_]+", text):
        return None, ValueReason.BLOCKED_VALUE
    return text, None


def read_website(text: str) -> tuple[str | None, ValueReason | None]:
    """Return the registered domain of a web site, by the usual second levels of countries, or why there is none."""
    if is_no_value(text):
        return None, ValueReason.BLOCKED_VALUE
    host = re.sub(r"^[a-z][a-z0-9+.-]*://", "", text.strip().lower())
    host = re.split(r"[/?#\s,;]", host.rpartition("@")[2] if "/" not in host else host, maxsplit=1)[0]
    host = host.partition(":")[0].strip(".")
    try:
        host = host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        return None, ValueReason.UNREADABLE
    labels = host.split(".")
    if len(labels) < 2 or not all(re.fullmatch(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", x) for x in labels):
        return None, ValueReason.UNREADABLE
    if not re.fullmatch(r"[a-z]{2,}|xn--[a-z0-9-]+", labels[-1]):
        return None, ValueReason.UNREADABLE
    country = len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVEL
    return ".".join(labels[-3:] if country else labels[-2:]), None


def read_websites(texts: pa.Array) -> Values:
    """Return the registered domain of each web site."""
    return read_distinct(texts, read_website)
