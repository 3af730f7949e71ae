"""Text in one form: Latin letters without accents, lower case, single spaces.

Why it exists: what is compared must not differ by case, accent, script or punctuation. The one fold that every
kind of value uses; folding twice changes nothing.
"""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from rapport.identify.standard_values import read_distinct, tidy_spaces

_APOSTROPHES = re.compile("['’‘`´ʹʼ]")
_OTHER = re.compile("[^a-z0-9]+")


def fold(text: str) -> str:
    """Return a text in lower case Latin letters and digits, apostrophes gone, everything else a space."""
    if not text.isascii():
        from anyascii import anyascii

        text = anyascii(_APOSTROPHES.sub("", text))
    return _OTHER.sub(" ", _APOSTROPHES.sub("", text.lower())).strip()


def fold_all(texts: pa.Array) -> pa.Array:
    """Return what `fold` makes of each text, null where nothing is left."""
    ascii_only = pc.if_else(pc.string_is_ascii(texts), texts, pa.scalar(None, pa.string()))
    plain = pc.ascii_lower(ascii_only)
    if pc.any(pc.match_substring_regex(plain, "[^a-z0-9 ]")).as_py():
        plain = pc.replace_substring_regex(plain, "['`]", "")
        plain = pc.replace_substring_regex(plain, "[^a-z0-9]+", " ")
    plain = tidy_spaces(plain)
    if ascii_only.null_count != texts.null_count:
        other = pc.if_else(pc.is_null(ascii_only), texts, pa.scalar(None, pa.string()))
        plain = pc.coalesce(plain, read_distinct(other, lambda t: (fold(t), None)).values)
    return pc.if_else(pc.equal(plain, ""), pa.scalar(None, pa.string()), plain)
