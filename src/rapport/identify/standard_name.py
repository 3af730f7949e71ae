"""Names of people in the form in which they are compared: the parts, in lower case Latin letters.

Why it exists: `Dr. Jan VAN DER BERG` and `van der Berg, Jan` are one name. Which word of a whole name is what,
nameparser says; names of two or three plain words, of which no word is a title, prefix or suffix, have the same parts
by position and are read over whole arrays.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from rapport.core.reasons import ValueReason
from rapport.identify.blocked import is_blocked_name, is_no_value
from rapport.identify.fold import fold, fold_all
from rapport.identify.standard_values import Values, nothing, read_distinct, words

TITLES = words(
    "mr mrs ms miss mx dr doctor prof professor sir rev reverend herr frau fraulein dipl ing mme mlle monsieur "
    "madame "
    "mademoiselle sra srta senor senora senorita dona signor signora dott dottssa dhr mevr mevrouw meneer capt "
    "captain "
    "sgt lt"
)
ONLY_TITLES = words("mr mrs ms miss mx dr prof herr frau mme mlle dhr mevr mevrouw sra srta")
"""Titles that no one has for a name: a part of a name that is nothing else is empty."""
SUFFIXES = words("jr sr jnr snr ii iii iv phd md esq dds mba msc bsc cpa rn dvm ret junior senior")
GENDERS = {
    **dict.fromkeys(["f", "female", "w", "weiblich", "woman", "frau", "femme", "feminin", "mujer", "femenino",
    "donna", "vrouw", "v", "kvinna", "feminino", "ms", "mrs", "miss", "mme", "sra", "girl", "k"], "f"),
    **dict.fromkeys(["m", "male", "man", "mann", "herr", "homme", "masculin", "maennlich", "mannlich", "hombre",
    "masculino", "uomo", "h", "mr", "monsieur", "sr", "boy"], "m"),
    **dict.fromkeys(["x", "d", "divers", "diverse", "other", "nonbinary", "mx", "o", "nb"], "x"),
}  # fmt: skip
"""Codes of gender by the folded word: f, m, x."""


class Names(NamedTuple):
    """Given, middle and family name; `refused` holds the reason of a name that is none."""

    given: pa.Array
    middle: pa.Array
    surname: pa.Array


def read_part(texts: pa.Array) -> Values:
    """Return one part of a name, given in a column of its own: titles before and suffixes after it are gone."""
    folded = fold_all(texts)
    odd = pc.match_substring_regex(folded, _odd())
    odd = pc.or_(pc.fill_null(odd, False), pc.and_(pc.is_null(folded), pc.is_valid(texts)))
    rest = read_distinct(pc.if_else(odd, texts, pa.scalar(None, pa.string())), read_name_part)
    fast = pc.if_else(odd, pa.scalar(None, pa.string()), folded)
    return Values(pc.coalesce(fast, rest.values), rest.reasons)


@lru_cache(maxsize=1)
def _odd() -> str:
    """Return a pattern that every name with a title, a suffix or a placeholder matches, and plain names do not."""
    from rapport.identify.blocked import NO_VALUE, NO_VALUE_TEXTS, PLACEHOLDER_NAMES

    first, last = "|".join(sorted(TITLES)), "|".join(sorted(SUFFIXES))
    fillers = sorted(NO_VALUE | PLACEHOLDER_NAMES | {w for t in NO_VALUE_TEXTS for w in t.split()[:1]})
    fillers = [f for f in fillers if re.fullmatch("[a-z0-9]+", f)]
    return rf"^(?:{first}) |^(?:{first})$| (?:{last})$|^[0-9 ]*(?:{'|'.join(fillers)})(?: |$)|^[0-9 ]+$"


def read_name_part(text: str) -> tuple[str | None, ValueReason | None]:
    """Return one part of a name, or why it is none."""
    if is_no_value(text):
        return None, ValueReason.BLOCKED_VALUE
    words = fold(text).split()
    while len(words) > 1 and words[0] in TITLES:
        words = words[1:]
    while len(words) > 1 and words[-1] in SUFFIXES:
        words = words[:-1]
    name = " ".join(words)
    if not name or name in ONLY_TITLES or is_blocked_name(name):
        return None, ValueReason.BLOCKED_VALUE
    return (None, ValueReason.UNREADABLE) if re.fullmatch("[0-9 ]+", name) else (name, None)


def read_full_names(texts: pa.Array) -> Names:
    """Return the parts of whole names, such as `Smith, Dr. John` and `Maria de la Cruz`; not yet folded."""
    text = pc.replace_substring_regex(pc.utf8_trim_whitespace(texts), r"\s+", " ")
    encoded = text.dictionary_encode()
    parts = _split(encoded.dictionary)
    return Names(*(p.take(encoded.indices) for p in parts))


def _split(text: pa.Array) -> Names:
    """Return the parts of distinct whole names."""
    null = pa.scalar(None, pa.string())
    shaped = pc.match_substring_regex(text, r"^[A-Za-z]{2,}(?:,? [A-Za-z]{2,}| [A-Za-z]{2,} [A-Za-z]{2,})$")
    words = pc.utf8_split_whitespace(pc.replace_substring(pc.if_else(shaped, text, null), ",", ""))
    flat = words.flatten().dictionary_encode()
    special = _special()
    plain_words = pa.array([_is_plain(w, special) for w in flat.dictionary.to_pylist()], pa.bool_())
    marks = pa.ListArray.from_arrays(words.offsets, pc.cast(plain_words.take(flat.indices), pa.int8()))
    plain = _all_plain(marks, words)
    count = pc.list_value_length(words)
    comma = pc.match_substring(text, ",")
    lists = pc.if_else(pc.and_(plain, pc.greater_equal(count, 2)), words, pa.scalar(None, words.type))
    padded = _padded(lists)
    first, second = pc.list_element(padded, 0), pc.list_element(padded, 1)
    third = pc.utf8_trim(pc.list_element(padded, 2), " ")
    three = pc.equal(third, "")
    given = pc.if_else(comma, second, first)
    middle = pc.if_else(three, null, second)
    surname = pc.if_else(comma, first, pc.if_else(three, second, third))
    todo = pc.and_(pc.is_null(lists), pc.is_valid(text))
    if not pc.any(todo).as_py():
        return Names(given, middle, surname)
    rest = [_parsed(t) if d else (None, None, None) for t, d in zip(text.to_pylist(), todo.to_pylist(), strict=True)]
    by_library = [pa.array([r[n] for r in rest], pa.string()) for n in range(3)]
    return Names(*(pc.coalesce(f, b) for f, b in zip((given, middle, surname), by_library, strict=True)))


def _all_plain(marks: pa.Array, words: pa.Array) -> pa.Array:
    import numpy as np

    lengths = pc.fill_null(pc.list_value_length(words), 0).to_numpy(zero_copy_only=False)
    owner = np.repeat(np.arange(len(words)), lengths)
    flat = marks.values.to_numpy(zero_copy_only=False)
    low = np.ones(len(words), dtype=bool)
    low[owner[flat == 0]] = False
    return pc.and_(pa.array(low), words.is_valid())


def _padded(lists: pa.Array) -> pa.Array:
    """Return lists of three words, the third empty where there are two."""
    joined = pc.binary_join_element_wise(pc.binary_join(lists, " "), pa.scalar(" "), "")
    return pc.split_pattern(joined, " ", max_splits=2)


def _parsed(text: str) -> tuple[str | None, str | None, str | None]:
    from nameparser import HumanName

    name = HumanName(text)
    given, middle, last = name.first.strip(), name.middle.strip(), name.last.strip()
    if not given and not last:
        last = text
    return given or None, middle or None, last or None


@lru_cache(maxsize=1)
def _special() -> frozenset[str]:
    """Return the words that mean something of their own to nameparser."""
    from nameparser.config import CONSTANTS as C

    sets = (C.titles, C.prefixes, C.suffix_acronyms, C.suffix_not_acronyms, C.suffix_acronyms_ambiguous,
            C.conjunctions, C.bound_first_names, C.first_name_titles, C.non_first_name_prefixes)  # fmt: skip
    return frozenset(str(w).lower() for s in sets for w in s)


def _is_plain(word: str, special: frozenset[str]) -> bool:
    return word.lower() not in special


def read_genders(texts: pa.Array) -> Values:
    """Return f, m or x for the words of several languages."""

    def read(text: str) -> tuple[str | None, ValueReason | None]:
        word = fold(text).replace(" ", "")
        if word in GENDERS:
            return GENDERS[word], None
        return None, ValueReason.BLOCKED_VALUE if is_no_value(text) else ValueReason.UNREADABLE

    return read_distinct(texts, read)


def no_names(n: int) -> Names:
    """Return names of n records that have none."""
    return Names(nothing(n), nothing(n), nothing(n))
