"""Which pairs of records are compared at all: those that share a key of a blocking rule.

Why it exists: a million records have half a billion pairs of a thousand each; a rule keeps those that agree in a
thing or two. Rules are declared as keys in SQL over one record's columns, and chosen by the pairs they would make.
Nothing is run here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations


@dataclass(frozen=True)
class Atom:
    """A thing in which two records may agree: SQL giving a text, or a list of texts where `several`.

    `column` is the comparison it belongs to; `alone` that it may be a rule without a second atom.
    """

    name: str
    column: str
    sql: str
    needs: str
    several: bool = False
    alone: bool = False


ATOMS: tuple[Atom, ...] = (
    Atom("email", "email", "list_concat(emails, email_keys)", "emails", True, True),
    Atom("mailbox", "email", "list_filter(locals, lambda x: length(x) >= 4)", "emails", True, True),
    Atom("phone", "phone", "phones", "phones", True, True),
    Atom("phone end", "phone", "list_transform(phones, lambda x: right(x, 6))", "phones", True, True),
    Atom("person number", "person_number", "person_number", "person_number", False, True),
    Atom("tax number", "tax_number", "tax_number", "tax_number", False, True),
    Atom("card", "card_number", "card_numbers", "card_numbers", True, True),
    Atom("device", "device_id", "device_ids", "device_ids", True, True),
    Atom("website", "website", "website", "website", False, True),
    Atom("birth date", "birth_date", "birth", "birth", False, True),
    Atom("birth year", "birth_date", "birth[:4]", "birth"),
    Atom("birth day", "birth_date", "birth[5:8]", "birth"),
    Atom("surname sound", "surname", "surname_sound", "surname"),
    Atom("given sound", "given_name", "given_sound", "given_name"),
    Atom("names", "given_name+surname",
         "CASE WHEN given_name < surname THEN given_name || ' ' || surname ELSE surname || ' ' || given_name END",
         "surname", False, True),
    Atom("surname start", "surname", "surname[:3]", "surname"),
    Atom("given start", "given_name", "given_name[:2]", "given_name"),
    Atom("postal code", "postal_code", "postal_code", "postal_code"),
    Atom("city", "city", "city[:6]", "city"),
    Atom("street", "street", "street", "street"),
    Atom("street start", "street", "street[:5]", "street"),
    Atom("house number", "house_number", "house_number", "house_number"),
    Atom("organisation", "organisation", "squeezed", "organisation", False, True),
    Atom("word", "organisation", "words", "organisation", True, True),
    Atom("organisation start", "organisation", "squeezed[:6]", "organisation", False, True),
    Atom("organisation sound", "organisation", "firm_sound", "organisation", False, True),
    Atom("acronym", "organisation", "[acronym, squeezed]", "organisation", True, True),
)  # fmt: skip
"""What rules are made of."""


def text_atoms(column: str) -> tuple[Atom, ...]:
    """Return the atoms of a column whose meaning is not known."""
    return (
        Atom(column, column, column, column, False, True),
        Atom(f"{column} start", column, f"{column}[:5]", column),
    )


@dataclass(frozen=True)
class Rule:
    """Pairs agree in all of these atoms."""

    atoms: tuple[str, ...]

    @property
    def name(self) -> str:
        """Return the rule in words."""
        return " + ".join(self.atoms)


def possible_rules(atoms: Sequence[Atom]) -> list[Rule]:
    """Return every atom that may stand alone, and every two of different columns."""
    rules = [Rule((a.name,)) for a in atoms if a.alone]
    for one, other in combinations(atoms, 2):
        if _parts(one).isdisjoint(_parts(other)) and not (one.several and other.several):
            rules.append(Rule((one.name, other.name)))
    return rules


def _parts(atom: Atom) -> frozenset[str]:
    parts = frozenset(atom.column.split("+"))
    return parts | {"place"} if parts & {"postal_code", "city"} else parts


def choose_rules(
    pairs: Mapping[Rule, float], budget: float, largest: float, most: int, alone: Collection[str]
) -> tuple[Rule, ...]:
    """Return the rules that together stay within a budget of pairs, the most selective first.

    Parameters
    ----------
    pairs : mapping of Rule to float
        Pairs that each rule would make with all its blocks.
    budget : float
        Pairs that all may make together.
    largest : float
        Pairs that one rule makes at most, because its largest blocks are left out.
    most : int
        Rules at most.
    alone : collection of str
        Atoms that are rules of their own already; a rule that holds one of them adds nothing.
    """
    chosen: list[Rule] = []
    total = 0.0
    used: dict[str, int] = {}
    rest = dict(sorted(pairs.items(), key=lambda item: (len(item[0].atoms), item[1], item[0].name)))
    while rest and len(chosen) < most:
        rule = min(rest, key=lambda r: (rest[r] * 2.0 ** sum(used.get(a, 0) for a in r.atoms), r.name))
        made = rest.pop(rule)
        implied = any(set(c.atoms) < set(rule.atoms) for c in chosen) or any(
            a in alone for a in rule.atoms if len(rule.atoms) > 1
        )
        if implied or made > budget or total + min(made, largest) > budget:
            continue
        chosen.append(rule)
        total += min(made, largest)
        for atom in rule.atoms:
            used[atom] = used.get(atom, 0) + 1
    return tuple(chosen)


@dataclass(frozen=True)
class TrainingRule:
    """Columns that pairs agree in while the other comparisons learn from them."""

    columns: tuple[str, ...]

    @property
    def name(self) -> str:
        """Return the rule in words."""
        return " + ".join(self.columns)

    @property
    def sql(self) -> str:
        """Return the rule as a condition on two records."""
        return " AND ".join(f"l.{c} = r.{c}" for c in self.columns)


_TRAINING: tuple[tuple[str, ...], ...] = (
    ("email",), ("phone",), ("person_number",), ("birth",), ("surname", "given_name"), ("street", "house_number"),
    ("organisation",), ("tax_number",), ("website",), ("surname", "postal_code"), ("given_name", "postal_code"),
    ("street", "postal_code"), ("surname", "city"), ("organisation", "city"),
)  # fmt: skip
MOST_TRAINING = 4


def training_rules(columns: Collection[str], texts: Sequence[str]) -> tuple[TrainingRule, ...]:
    """Return at most four rules to learn under that share no column, of those that the columns allow."""
    chosen: list[TrainingRule] = []
    seen: set[str] = set()
    for rule in (*_TRAINING, *((t,) for t in texts)):
        if set(rule) <= set(columns) and not seen & set(rule) and len(chosen) < MOST_TRAINING:
            chosen.append(TrainingRule(rule))
            seen |= set(rule)
    return tuple(chosen)
