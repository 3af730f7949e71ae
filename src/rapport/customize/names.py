"""Words a customer reads: names of items, percentages, days.

Why it exists: catalogues shout, shorten and break off. What a customer reads should look as if a person had
written it, and say nothing that the catalogue does not say. No locale of the machine may enter.
"""

from __future__ import annotations

import re
from datetime import date

_KEPT_UPPER = frozenset({"BBQ", "CD", "DVD", "LED", "TV", "UHT", "USA"})
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
_BROKEN_OFF = re.compile(r"\s*\([^()]*$")
_LOPSIDED_AND = re.compile(r"(?<=\s)&(?=\S)|(?<=\S)&(?=\s)")
_WORD = re.compile(r"[^\W\d_]+")


def readable_name(name: str) -> str:
    """Return the name of an item as a customer should read it.

    A name with any small letter was written with care and keeps its letters. A name all in capitals becomes
    a sentence: small letters, a capital at its beginning, well-known abbreviations kept. A bracket that a
    source cut off is dropped with what follows it, spaces are evened out. Nothing is added or guessed.

    Parameters
    ----------
    name : str
        As in the catalogue, e.g. ``SOFT DRINKS 12/18&15PK CAN CAR``.

    Returns
    -------
    str
        E.g. ``Soft drinks 12/18&15pk can car``. Empty only where the name is blank.
    """
    text = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    whole = _BROKEN_OFF.sub("", text)
    text = whole or text
    if text != text.upper():
        return text
    text = " ".join(_LOPSIDED_AND.sub(" & ", text).split())
    text = _WORD.sub(lambda m: m[0] if m[0] in _KEPT_UPPER else m[0].lower(), text)
    first = _WORD.search(text)
    if first is None or any(c.isdigit() for c in text[: first.start()]):
        return text
    at = first.start()
    return text[:at] + text[at].upper() + text[at + 1 :]


def show_percent(share: float) -> str:
    """Return a share as a percentage without a sign: 0.2 gives ``20``, 0.125 gives ``12.5``."""
    return f"{round(share * 100, 2):g}"


def show_day(day: date) -> str:
    """Return a day as ``28 December 2026``, the same on every machine."""
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"
