"""Which of Rapport's columns the columns of a file of people fill: proposed from names and from contents.

Why it exists: a company's files are mapped by a person, and most of that work can be proposed and then looked over.
Each proposal says how sure it is and why; what is not mapped says why not. Pure: texts in, a proposal out. Purchases,
products and the like are in `rapport.identify.mapping_sources`.

Evidence: the name of a column (as it stands 0.95, without words that set it apart 0.85, a part of it 0.6; 0.25 less
where the name is a weak one) and the share of a sample of values that look like what is meant. Contents that agree
raise a name, contents that disagree lower it; contents alone map only what is told by them. Nothing below
`LEAST` is mapped. Rapport's column that can be one column of the file alone takes the surest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rapport.core.people import PERSON_COLUMNS
from rapport.identify.mapping_contents import Contents, look_at, plain
from rapport.identify.mapping_words import BETTER_NAMES, PERSON_NAMES, SETTING_APART

LEAST = 0.5
"""Confidence below which nothing is mapped."""

ROW_NUMBER = "__row"
"""In place of a record id where a file has none: the number of the row."""

_LANGUAGE = frozenset({"language", "languages", "lang", "locale", "sprache", "langue", "idioma", "lingua"})
_SEVERAL = frozenset(c.name for c in PERSON_COLUMNS if c.several)
_IDS = frozenset({"record_id", "person_number", "card_number", "device_id", "household_id", "account_id"})
_PERSONAL = ("given_name", "surname", "middle_name", "birth_date", "gender", "person_number")
_BUSINESS = ("tax_number", "website", "organisation")


@dataclass(frozen=True)
class Filled:
    """A column of the file and the column of Rapport's that it fills; confidence in [0, 1]."""

    column: str
    file_column: str
    confidence: float
    reason: str


@dataclass(frozen=True)
class Unmapped:
    """A column of the file that fills nothing, and why."""

    file_column: str
    reason: str


@dataclass(frozen=True)
class Proposal:
    """A mapping proposed for a file.

    `kind` is ``person``, ``organisation`` or a kind of `rapport.core.tables.SOURCE_COLUMNS`; `filled` is in the order
    of the file, `missing` names required columns of Rapport's that nothing fills; `traits` are unmapped columns
    that look like traits; `decimal` says what stands before decimals.
    """

    kind: str
    filled: tuple[Filled, ...]
    unmapped: tuple[Unmapped, ...]
    missing: tuple[str, ...] = ()
    traits: tuple[str, ...] = ()
    decimal: Literal[".", ","] = "."

    @property
    def record_id(self) -> str | None:
        """The column that is the id of a record; None where there is none."""
        return next((f.file_column for f in self.filled if f.column == "record_id"), None)

    def columns(self) -> dict[str, str | tuple[str, ...]]:
        """Return the mapping as `columns` of a programme: Rapport's column -> the file's, or several."""
        found: dict[str, list[str]] = {}
        for f in self.filled:
            found.setdefault(f.column, []).append(f.file_column)
        return {name: files[0] if len(files) == 1 else tuple(files) for name, files in found.items()}


def propose_people(columns: Mapping[str, Sequence[str | None]]) -> Proposal:
    """Propose the mapping of a file of people or organisations.

    Parameters
    ----------
    columns : mapping of str to sequence of str or None
        The file's columns in their order, each with a sample of its values as text.

    Returns
    -------
    Proposal
        Its kind is ``person`` or ``organisation``. `record_id` is `ROW_NUMBER` where no column can be the id.
    """
    seen = {name: look_at(values) for name, values in columns.items()}
    claims = [claim for name, contents in seen.items() for claim in _claims(name, contents)]
    filled, why_not = assign(claims, _SEVERAL)
    filled = _record_ids(filled, seen)
    kind = _kind(filled, seen)
    filled = _told_by_the_rest(filled, seen, kind)
    unmapped = left_over(seen, filled, why_not)
    return Proposal(kind, in_order(filled, seen), unmapped, (), traits_among(unmapped, seen))


# What is shared with the other kinds of sources


@dataclass(frozen=True)
class Claim:
    """That a column of a file fills one of Rapport's."""

    column: str
    file_column: str
    confidence: float
    reason: str


def said_by(name: str, words: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """Return which of Rapport's columns a name says, and how clearly; `words` is that of `by_word`."""
    tokens = _tokens(name)
    kept = [t for t in tokens if t not in SETTING_APART and not t.isdigit()]
    parts = [tokens[i:j] for i in range(len(tokens)) for j in range(i + 1, len(tokens) + 1)]
    phrases = [(0.95, "".join(tokens)), (0.85, "".join(kept)), *((0.6, "".join(p)) for p in parts)]
    said: dict[str, float] = {}
    for strength, phrase in phrases:
        for column in words.get(phrase, ()):
            weak = 0.25 if phrase in BETTER_NAMES.get(column, ()) else 0.0
            said[column] = max(said.get(column, 0.0), strength - weak)
    return said


def by_word(names: Mapping[str, str]) -> dict[str, list[str]]:
    """Return a lookup from a word to the columns it says."""
    found: dict[str, list[str]] = {}
    for column, words in names.items():
        for word in {column.replace("_", ""), *words.split()}:
            found.setdefault(word, []).append(column)
    return found


def _tokens(name: str) -> list[str]:
    apart = re.sub(r"(?<=[a-zà-ÿ0-9])(?=[A-ZÀ-Þ])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    apart = re.sub(r"(?<=[^\W\d_])(?=[0-9])", " ", apart)
    return [t for t in re.split(r"[\W_]+", plain(apart)) if t]


def weighed(named: float, fit: float, empty: bool) -> float:
    """Return how sure a named column is, given how well its contents fit (0 to 1, 0.5 says nothing)."""
    if empty:
        return named * 0.7
    if fit >= 0.5:
        return named + (0.99 - named) * (fit - 0.5)
    return named * (0.2 + 1.6 * fit)


def assign(claims: Iterable[Claim], several: frozenset[str]) -> tuple[list[Filled], dict[str, str]]:
    """Return what fills what, and for a column that fills nothing why: the surest claim goes first.

    Parameters
    ----------
    claims : iterable of Claim
    several : frozenset of str
        Columns of Rapport's that several columns of the file may fill.
    """
    filled: list[Filled] = []
    taken: dict[str, str] = {}
    used: set[str] = set()
    why_not: dict[str, str] = {}
    for claim in sorted(claims, key=lambda c: -c.confidence):
        if claim.file_column in used:
            continue
        if claim.confidence < LEAST:
            why_not.setdefault(claim.file_column, f"may be {claim.column}, too unsure: {claim.reason}")
        elif claim.column in taken and claim.column not in several:
            why_not.setdefault(claim.file_column, f"{taken[claim.column]} fills {claim.column} better")
        else:
            filled.append(Filled(claim.column, claim.file_column, round(claim.confidence, 2), claim.reason))
            taken[claim.column] = claim.file_column
            used.add(claim.file_column)
    return filled, why_not


def in_order(filled: Iterable[Filled], seen: Mapping[str, Contents]) -> tuple[Filled, ...]:
    """Return what is filled in the order of the file's columns."""
    place = {name: n for n, name in enumerate(seen)}
    return tuple(sorted(filled, key=lambda f: place.get(f.file_column, -1)))


def left_over(
    seen: Mapping[str, Contents], filled: Iterable[Filled], why_not: Mapping[str, str]
) -> tuple[Unmapped, ...]:
    """Return the columns of the file that fill nothing, each with the reason."""
    used = {f.file_column for f in filled}
    reasons = {n: "empty" if not c.values else why_not.get(n, "nothing tells what it is") for n, c in seen.items()}
    return tuple(Unmapped(n, reasons[n]) for n in seen if n not in used)


def traits_among(unmapped: Iterable[Unmapped], seen: Mapping[str, Contents]) -> tuple[str, ...]:
    """Return unmapped columns whose few values repeat, so that they can be traits."""
    return tuple(
        u.file_column
        for u in unmapped
        if 2 <= (c := seen[u.file_column]).values <= 50 and c.distinct <= 0.5 and c.fill >= 0.05
    )


def percent(share: float, what: str) -> str:
    """Return a share in words."""
    return f"{share * 100:.0f} % {what}"


# People and organisations

_WORDS = by_word(PERSON_NAMES)


def _no_code(c: Contents) -> float:
    """How far values may be ids: no e-mail addresses, no days with a clock, no long texts."""
    wrong = max(c.share("email"), c.share("clock"), c.share("long"), c.share("spaced") * 0.8)
    return 0.6 - 0.6 * wrong


def _record_fit(c: Contents) -> float:
    if c.fill < 0.98 or c.distinct < 0.98:
        return 0.05
    return (0.9 if c.fill == 1.0 and c.distinct == 1.0 else 0.6) * min(1.0, _no_code(c) / 0.6)


def _name_fit(c: Contents) -> float:
    return 0.75 * (1 - c.share("digits_inside")) * (1 - c.share("email"))


_FITS: dict[str, tuple[Callable[[Contents], float], str]] = {
    "record_id": (_record_fit, "each value once"),
    "full_name": (_name_fit, "without digits"),
    "given_name": (_name_fit, "without digits"),
    "middle_name": (_name_fit, "without digits"),
    "surname": (_name_fit, "without digits"),
    "gender": (lambda c: c.share("gender") if c.values <= 12 else 0.0, "words of gender"),
    "birth_date": (lambda c: max(c.share("born"), 0.3 * c.share("day")), "days to be born on"),
    "email": (lambda c: c.share("email"), "e-mail addresses"),
    "phone": (lambda c: max(c.share("sure_phone"), 0.75 * c.share("phone")), "phone numbers"),
    "address": (lambda c: max(c.share("street"), c.share("digits_inside"), 0.4), "with a street"),
    "house_number": (lambda c: max(c.share("house_number"), 0.7 * c.share("short")), "house numbers"),
    "street": (lambda c: max(c.share("street"), 0.5) * (1 - c.share("email")), "with a street"),
    "unit": (lambda c: 0.55 * (1 - c.share("email")), "texts"),
    "city": (lambda c: 0.8 * (1 - c.share("digits_inside")), "without digits"),
    "region": (lambda c: 0.6 * (1 - c.share("email")) if c.share("number") < 0.9 else 0.3, "texts"),
    "postal_code": (lambda c: max(c.share("postal"), 0.5 * c.share("short")), "postal codes"),
    "country": (lambda c: max(c.share("country"), 0.45 * (c.values <= 250)), "countries"),
    "person_number": (_no_code, "codes"),
    "card_number": (lambda c: max(_no_code(c), c.share("card")), "codes"),
    "device_id": (lambda c: max(_no_code(c), c.share("uuid")), "codes"),
    "household_id": (_no_code, "codes"),
    "organisation": (lambda c: 0.6 * (1 - max(c.share("email"), c.share("number"), c.share("day"))), "texts"),
    "tax_number": (lambda c: max(_no_code(c), c.share("tax_number")), "codes"),
    "website": (lambda c: c.share("url"), "web addresses"),
    "account_id": (lambda c: _no_code(c) if c.share("business") < 0.3 else 0.1, "codes"),
    "job_title": (lambda c: 0.6 * (1 - max(c.share("digits_inside"), c.share("gender"))), "without digits"),
    "updated_at": (lambda c: c.share("day"), "days or times"),
}
"""How well contents fit each column (0.5 says nothing), and what they are when they do."""


def _claims(name: str, c: Contents) -> list[Claim]:
    claims = []
    for column, named in said_by(name, _WORDS).items():
        fit, meant = _FITS[column]
        how = fit(c)
        told = "empty" if not c.values else percent(min(how, 1.0), f"fit ({meant})")
        claims.append(Claim(column, name, weighed(named, how, not c.values), f"its name; {told}"))
    if c.values:
        # Codes of languages look like those of countries.
        apart = {"country"} if _LANGUAGE & set(_tokens(name)) else set()
        claims += [Claim(n, name, sure, why) for n, sure, why in _told_by_contents(c) if n not in apart]
    return claims


def _told_by_contents(c: Contents) -> list[tuple[str, float, str]]:
    """Return what the values alone tell: column, confidence, reason; only what is told well enough."""
    one_word = 1 - c.share("spaced")
    many = c.distinct > 0.02 and c.values > 2
    told = [
        ("email", 0.95, c.share("email"), 0.5, "e-mail addresses"),
        ("phone", 0.85, c.share("sure_phone") if many else 0.0, 0.5, "written as phone numbers are"),
        ("website", 0.75, c.share("url"), 0.6, "web addresses"),
        ("birth_date", 0.65, c.share("born") if c.values > 30 else 0.0, 0.9, "days to be born on"),
        ("country", 0.65, c.share("country") if c.values <= 100 else 0.0, 0.9, "countries"),
        ("gender", 0.7, c.share("gender") if c.values <= 6 else 0.0, 0.95, "words of gender"),
        ("device_id", 0.62, c.share("uuid"), 0.9, "ids of devices"),
        ("tax_number", 0.62, c.share("tax_number") if c.distinct > 0.7 else 0.0, 0.9, "written as tax numbers are"),
        ("given_name", 0.9, c.share("given") * one_word * c.share("worded"), 0.3, "given names"),
        ("full_name", 0.9, min(c.share("people_words"), 2 * c.share("given")), 0.6, "given names beside other words"),
        ("organisation", 0.9, c.share("business") * (1 - c.share("digits_inside")), 0.45, "names of businesses"),
        ("street", 0.8, c.share("street") if many else 0.0, 0.5, "with words of streets"),
        ("postal_code", 0.55, _postal_alone(c), 0.95, "written as postal codes are"),
    ]
    return [
        (column, max(LEAST, most * share), f"{percent(share, what)}, whatever its name")
        for column, most, share, least, what in told
        if share >= least
    ]


def _postal_alone(c: Contents) -> float:
    """Share of postal codes where nothing but them can be meant: repeated, and no small numbers."""
    return c.share("postal") if 0.001 < c.distinct < 0.9 and c.values > 10 and c.share("day") < 0.5 else 0.0


def _record_ids(filled: list[Filled], seen: Mapping[str, Contents]) -> list[Filled]:
    """Return what is filled with a record id: one named so, else a column whose every value stands once."""
    if any(f.column == "record_id" for f in filled):
        return filled
    used = {f.file_column: f for f in filled}
    once = [n for n, c in seen.items() if c.values and c.fill == 1.0 and c.distinct == 1.0]
    for name in once:
        if name in used and used[name].column in {"account_id", "household_id"}:
            moved = replace(
                used[name], column="record_id", confidence=0.7, reason="an id whose every value stands once"
            )
            return [moved if f.file_column == name else f for f in filled]
    codes = [n for n in once if n not in used and seen[n].share("code") >= 0.95 and _no_code(seen[n]) > 0.5]
    known = [n for n in once if n in used and used[n].column in {*_IDS, "tax_number"}]
    mails = [n for n in once if n in used and used[n].column == "email"]
    for names, sure, why in (
        (codes, 0.65, "codes, each value once"),
        (known, 0.6, "no other id is there, and each value stands once"),
        (mails, 0.55, "no id is there, and each address stands once"),
    ):
        if names:
            return [*filled, Filled("record_id", names[0], sure, why)]
    why = (
        "no column is filled everywhere with values that differ; the row's number stands in, which a new file changes"
    )
    return [*filled, Filled("record_id", ROW_NUMBER, 0.2, why)]


def _kind(filled: Iterable[Filled], seen: Mapping[str, Contents]) -> str:
    """Return whether records are about persons or organisations."""
    by_column = {f.column: f for f in filled}
    if any(n in by_column and by_column[n].confidence >= 0.6 for n in _PERSONAL):
        return "person"
    named = by_column.get("full_name")
    if named is not None:
        c = seen[named.file_column]
        people = 3 * min(c.share("given"), c.share("people_words"))
        business = 0.2 + c.share("business") + 0.3 * c.share("digits_inside")
        told = 0.15 if any(n in by_column for n in _BUSINESS) else 0.0
        return "organisation" if business + told > people + 0.3 * ("email" in by_column) else "person"
    return "organisation" if any(n in by_column for n in _BUSINESS) and "email" not in by_column else "person"


def _told_by_the_rest(filled: list[Filled], seen: Mapping[str, Contents], kind: str) -> list[Filled]:
    """Return what is filled once the columns are seen together."""
    by_column = {f.column: f for f in filled}

    def moved(old: str, new: str, why: str) -> None:
        if old in by_column and new not in by_column:
            was = by_column.pop(old)
            by_column[new] = replace(was, column=new, reason=f"{was.reason}; {why}")
            filled[filled.index(was)] = by_column[new]

    if kind == "organisation":
        moved("full_name", "organisation", "the records are about organisations")
    if "given_name" in by_column:
        moved("full_name", "surname", "given names have a column of their own")
    elif "surname" in by_column and seen[by_column["surname"].file_column].share("people_words") >= 0.6:
        moved("surname", "full_name", "more than one word")
    if "given_name" in by_column and "surname" not in by_column:
        given = seen[by_column["given_name"].file_column]
        if given.share("people_words") >= 0.5:
            moved("given_name", "full_name", "more than one word")
    if "city" in by_column or "postal_code" in by_column:
        moved("address", "street", "towns or postal codes have a column of their own")
    return filled
