"""Which columns of two records are compared, in which levels of agreement, and what is expected of each level.

Why it exists: what counts as agreeing must be declared once, for training, for scoring a whole file and for scoring
one new record. The conditions are SQL over columns ending in ``_l`` and ``_r``; nothing is run here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

PERSON, ORGANISATION = "person", "organisation"
NAME, BORN, PLACE, REACH, NUMBER, FIRM, OTHER = "name", "born", "place", "reach", "number", "firm", "other"


@dataclass(frozen=True)
class Level:
    """One level of agreement: its name, its condition, and the share of true pairs expected in it before any data."""

    name: str
    sql: str
    expected: float


@dataclass(frozen=True)
class Comparison:
    """How one thing is compared: the first level whose condition holds; `differ` where none does.

    `null` is the condition under which nothing can be said. `frequency` names the column whose frequent values count
    for less in the first level. `family` tells which comparisons tend to agree together among strangers. `same` names
    the columns of which an equal value, or a value shared by two lists, is the first level: such pairs need no query.
    """

    name: str
    columns: tuple[str, ...]
    null: str
    levels: tuple[Level, ...]
    family: str
    frequency: str | None = None
    same: tuple[str, ...] = ()

    @property
    def needed(self) -> str | None:
        """Return the column without which, on either side, nothing can be said; None where there is no such one."""
        return self.columns[0] if self.null.startswith(_null(self.columns[0])) else None

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of all levels, the best first, `differ` last."""
        return (*(level.name for level in self.levels), "differ")

    @property
    def expected(self) -> tuple[float, ...]:
        """Return the expected share of true pairs in each level, `differ` last."""
        return (*(level.expected for level in self.levels), 1.0 - sum(level.expected for level in self.levels))


@dataclass(frozen=True)
class Fill:
    """What is known of a column before comparing: share of records with a value, and chance that two agree."""

    filled: float
    distinct: int
    agree: float


def _null(column: str) -> str:
    return f"{column}_l IS NULL OR {column}_r IS NULL"


def _same(column: str) -> str:
    return f"{column}_l = {column}_r"


def _alike(column: str, least: float) -> str:
    return f"jaro_winkler_similarity({column}_l, {column}_r) >= {least}"


def _typed(column: str) -> str:
    """Return that two names differ as by a slip: alike, and by two letters at most."""
    alike, two, one = _alike(column, 0.92), _slips(column, 2), _slips(column, 1)
    return f"({alike} AND {two}) OR ({one} AND length({column}_l) > 2)"


def _slips(column: str, most: int) -> str:
    return f"damerau_levenshtein({column}_l, {column}_r) <= {most}"


def _any(column: str) -> str:
    return f"list_has_any({column}_l, {column}_r)"


_SWAPPED = "given_name_l = surname_r AND given_name_r = surname_l AND given_name_l <> surname_l"
_INITIAL = (
    "((length(given_name_l) = 1 OR length(given_name_r) = 1) AND given_name_l[1] = given_name_r[1]) "
    "OR (length(given_name_l) >= 3 AND length(given_name_r) >= 3 AND "
    "(starts_with(given_name_l, given_name_r) OR starts_with(given_name_r, given_name_l)))"
)
# Namesakes have addresses alike because of their names, which have been counted.
_NAMED_ALIKE = (
    "given_name_l = given_name_r AND surname_l = surname_r AND NOT list_has_any(emails_l, emails_r) "
    "AND NOT list_has_any(email_keys_l, email_keys_r) "
    "AND jaro_winkler_similarity(locals_l[1], locals_r[1]) >= 0.85 "
    "AND NOT (list_has_any(locals_l, locals_r) AND regexp_matches(locals_l[1], '[0-9]{2}'))"
)
_COMPOUND = (
    "length(surname_l) >= 3 AND length(surname_r) >= 3 AND (contains(surname_l, surname_r) "
    "OR contains(surname_r, surname_l))"
)
_YEAR = "left(birth_l, 4) = left(birth_r, 4)"
_DAY_MONTH = f"{_YEAR} AND birth_l[5:6] = birth_r[7:8] AND birth_l[7:8] = birth_r[5:6]"
_TWO_OF_THREE = f"({_YEAR})::INT + (birth_l[5:6] = birth_r[5:6])::INT + (right(birth_l, 2) = right(birth_r, 2))::INT >= 2"
# Days are of one length, so that one slip changes one digit or two that are neighbours.
_ONE_DIGIT = f"hamming(birth_l, birth_r) <= 2 AND {_slips('birth', 1)}"


def _overlap(column: str, least: float) -> str:
    return (
        f"len(list_intersect({column}_l, {column}_r)) >= {least} * "
        f"(len({column}_l) + len({column}_r) - len(list_intersect({column}_l, {column}_r)))"
    )


def _text(
    name: str, column: str, family: str, expected: tuple[float, float, float] = (0.72, 0.12, 0.05)
) -> Comparison:
    return Comparison(
        name,
        (column,),
        _null(column),
        (
            Level("exact", _same(column), expected[0]),
            Level("slip", f"{_alike(column, 0.92)} OR {_slips(column, 1)}", expected[1]),
            Level("alike", f"{_alike(column, 0.82)} OR contains({column}_l, {column}_r) "
                  f"OR contains({column}_r, {column}_l)", expected[2]),
        ),
        family,
        column,
        (column,),
    )  # fmt: skip


def _number(name: str, column: str, family: str, expected: tuple[float, float] = (0.85, 0.08)) -> Comparison:
    return Comparison(
        name,
        (column,),
        _null(column),
        (Level("exact", _same(column), expected[0]), Level("slip", _slips(column, 1), expected[1])),
        family,
        column,
        (column,),
    )


def _list(name: str, column: str, family: str, expected: float = 0.8) -> Comparison:
    return Comparison(name, (column,), _null(column), (Level("exact", _any(column), expected),), family, None, (column,))


COMPARISONS: tuple[Comparison, ...] = (
    Comparison(
        "given_name",
        ("given_name", "surname"),
        _null("given_name"),
        (
            Level("exact", _same("given_name"), 0.72),
            Level("swapped", _SWAPPED, 0.02),
            Level("slip", _typed("given_name"), 0.10),
            Level("short", _INITIAL, 0.04),
            Level("alike", f"{_alike('given_name', 0.80)} OR given_sound_l = given_sound_r", 0.04),
        ),
        NAME,
        "given_name",
        ("given_name",),
    ),
    Comparison(
        "surname",
        ("surname", "given_name"),
        # Where names stand in each other's column, that is counted once, with the given name.
        f"{_null('surname')} OR ({_SWAPPED})",
        (
            Level("exact", _same("surname"), 0.75),
            Level("slip", _typed("surname"), 0.10),
            Level("compound", _COMPOUND, 0.02),
            Level("alike", f"{_alike('surname', 0.82)} OR surname_sound_l = surname_sound_r", 0.04),
        ),
        NAME,
        "surname",
        ("surname",),
    ),
    _text("middle_name", "middle_name", NAME),
    Comparison(
        "birth_date",
        ("birth",),
        _null("birth"),
        (
            Level("exact", _same("birth"), 0.82),
            Level("slip", f"({_DAY_MONTH}) OR ({_ONE_DIGIT})", 0.08),
            Level("part", _TWO_OF_THREE, 0.04),
            Level("year", _YEAR, 0.02),
        ),
        BORN,
        "birth",
        ("birth",),
    ),
    Comparison(
        "place",
        ("postal_code", "city"),
        "(postal_code_l IS NULL OR postal_code_r IS NULL) AND (city_l IS NULL OR city_r IS NULL)",
        (
            Level("exact", _same("postal_code"), 0.68),
            Level("city", f"{_same('city')} OR {_alike('city', 0.92)}", 0.10),
            Level("slip", _slips("postal_code", 1), 0.04),
        ),
        PLACE,
        "postal_code",
        ("postal_code",),
    ),
    _number("postal_code", "postal_code", PLACE, (0.74, 0.08)),
    _text("city", "city", PLACE, (0.70, 0.12, 0.03)),
    Comparison(
        "region", ("region",), _null("region"), (Level("exact", _same("region"), 0.88),), PLACE, "region",
        ("region",),
    ),
    _text("street", "street", PLACE, (0.62, 0.12, 0.05)),
    _number("house_number", "house_number", PLACE, (0.68, 0.07)),
    _text("unit", "unit", PLACE, (0.6, 0.1, 0.05)),
    Comparison(
        "email",
        ("emails", "email_keys"),
        f"{_null('emails')} OR ({_NAMED_ALIKE})",
        (
            Level("exact", f"{_any('emails')} OR {_any('email_keys')}", 0.70),
            Level("local part", "list_has_any(locals_l, locals_r)", 0.08),
            Level("slip", _alike("email", 0.96), 0.05),
            Level("alike", "jaro_winkler_similarity(locals_l[1], locals_r[1]) >= 0.92", 0.03),
        ),
        REACH,
        "email",
        ("emails", "email_keys"),
    ),
    Comparison(
        "phone",
        ("phones", "phone"),
        _null("phones"),
        (
            Level("exact", _any("phones"), 0.72),
            Level("slip", _slips("phone", 1), 0.06),
            Level("end", "right(phone_l, 6) = right(phone_r, 6)", 0.01),
        ),
        REACH,
        "phone",
        ("phones",),
    ),
    _number("person_number", "person_number", NUMBER, (0.86, 0.08)),
    _number("tax_number", "tax_number", NUMBER, (0.86, 0.08)),
    _list("card_number", "card_numbers", NUMBER),
    _list("device_id", "device_ids", NUMBER, 0.4),
    Comparison(
        "organisation",
        ("organisation", "words"),
        _null("organisation"),
        (
            Level("exact", _same("organisation"), 0.45),
            Level("squeezed", "squeezed_l = squeezed_r OR (len(words_l) > 0 AND words_l = words_r)", 0.15),
            Level("slip", f"({_alike('squeezed', 0.94)} AND {_slips('squeezed', 2)}) OR ({_overlap('words', 0.99)} "
                  "AND len(words_l) > 0)", 0.14),
            Level("close", f"{_alike('squeezed', 0.92)} OR {_overlap('words', 0.6)} "
                  "OR acronym_l = squeezed_r OR acronym_r = squeezed_l", 0.10),
            Level("alike", f"{_alike('squeezed', 0.84)} OR {_overlap('words', 0.33)}", 0.08),
        ),
        FIRM,
        "organisation",
        ("organisation",),
    ),
    _text("website", "website", FIRM, (0.75, 0.08, 0.03)),
    _text("job_title", "job_title", OTHER, (0.4, 0.1, 0.1)),
    Comparison(
        "gender", ("gender",), _null("gender"), (Level("exact", _same("gender"), 0.97),), NAME, "gender",
        ("gender",),
    ),
)  # fmt: skip
"""Every comparison of the standard columns; those that a file can feed are chosen by `choose_comparisons`."""


CONTACT = Comparison(
    "contact",
    ("surname", "given_name"),
    _null("surname"),
    (
        Level("exact", f"{_same('surname')} AND ({_same('given_name')} OR given_name_l IS NULL "
              "OR given_name_r IS NULL)", 0.40),
        Level("slip", f"({_typed('surname')} OR {_same('surname')}) AND ({_alike('given_name', 0.80)} OR {_INITIAL})",
              0.10),
    ),
    NAME,
    "surname",
)  # fmt: skip
"""Who speaks for an organisation: another person speaks little against it, and a person is not compared by it."""


def _shared_words(column: str, least: float) -> str:
    """Return that two texts of three words or more share so many of them."""
    left, right = (f"list_distinct(string_split({column}_{side}, ' '))" for side in ("l", "r"))
    both = f"len(list_intersect({left}, {right}))"
    return f"({both} >= 2 AND {both} >= {least} * (len({left}) + len({right}) - {both}))"


def generic(column: str) -> Comparison:
    """Return the comparison of a column whose meaning is not known: text by text."""
    return Comparison(
        column,
        (column,),
        _null(column),
        (
            Level("exact", _same(column), 0.68),
            Level("slip", f"({_alike(column, 0.92)} OR {_slips(column, 1)}) OR {_shared_words(column, 0.75)}", 0.12),
            Level("words", _shared_words(column, 0.45), 0.04),
            Level("alike", f"{_alike(column, 0.80)} OR contains({column}_l, {column}_r) "
                  f"OR contains({column}_r, {column}_l)", 0.06),
        ),
        OTHER,
        column,
        (column,),
    )  # fmt: skip


LEAST_FILLED = 0.02
MOST_AGREE = 0.9
"""A column filled less, or in which two strangers agree more often, tells nothing."""


def choose_comparisons(
    fills: Mapping[str, Fill],
    texts: Iterable[str],
    city_follows: bool,
    region_follows: bool,
    about: str = PERSON,
) -> tuple[Comparison, ...]:
    """Return the comparisons that the filled columns can feed.

    Parameters
    ----------
    fills : mapping of str to Fill
        What is known of each column, by the first name in a comparison's `columns`.
    texts : iterable of str
        Further columns whose meaning is not known.
    city_follows, region_follows : bool
        The city follows from the postal code, the region from the city: then they are no evidence of their own.
    about : str
        Whether a record is a person's or an organisation's; of an organisation a person is the contact only.
    """
    left_out = {"city", "postal_code"} if city_follows else {"place"}
    if region_follows:
        left_out.add("region")
    known = COMPARISONS
    if about == ORGANISATION:
        left_out |= {"given_name", "surname", "middle_name", "gender", "birth_date", "job_title"}
        known = (*COMPARISONS, CONTACT)
    chosen = [c for c in known if c.name not in left_out and _tells(fills.get(c.columns[0]))]
    chosen += [generic(t) for t in texts if _tells(fills.get(t))]
    return tuple(chosen)


def _tells(fill: Fill | None) -> bool:
    return fill is not None and fill.filled >= LEAST_FILLED and fill.distinct >= 2 and fill.agree <= MOST_AGREE


@dataclass(frozen=True)
class Strangers:
    """A way in which two who are not one customer agree all the same: the comparisons in which they do.

    `chance` is true where they agree because the value is common, so that a rare one still speaks for one customer.
    `at_home` is how many of them there are at least for each two of one household.
    """

    name: str
    agree: tuple[str, ...]
    chance: bool = False
    at_home: float = 0.0


_HOME = ("surname", "place", "postal_code", "city", "region", "street", "house_number", "unit", "phone")
_WORK = ("organisation", "website", "place", "postal_code", "city", "region", "street", "house_number", "phone")
HOUSEHOLD = "one household"
TWINS, NAMED_AFTER = 0.015, 0.02
"""Twins, and children named after a parent, for each two of one household: assumed; more where the pairs tell so."""
STRANGERS: tuple[Strangers, ...] = (
    Strangers("anyone", ()),
    Strangers(HOUSEHOLD, _HOME),
    Strangers("one household, one mailbox", (*_HOME, "email")),
    Strangers("twins", (*_HOME, "birth_date"), at_home=TWINS),
    Strangers("named after the father", (*_HOME, "given_name", "gender"), at_home=NAMED_AFTER),
    Strangers("namesakes", ("given_name", "surname", "gender", "email"), chance=True),
    Strangers("one company", _WORK),
    Strangers("one chain", ("organisation", "website", "email", "phone")),
    Strangers("one building", ("place", "postal_code", "city", "region", "street", "house_number")),
)
"""Kinds of strangers. What agrees because two live together is no evidence that they are one."""
STRANGE_FIRMS: tuple[Strangers, ...] = (
    Strangers("anyone", ()),
    Strangers("one chain", ("organisation", "website", "email", "phone")),
    Strangers("one building", ("place", "postal_code", "city", "region", "street", "house_number")),
    Strangers("one office", ("place", "postal_code", "city", "region", "street", "house_number", "phone", "contact")),
)
"""Kinds of strangers among organisations: branches of one chain, and firms that share a house or an office."""
