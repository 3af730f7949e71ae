"""Which of Rapport's columns a file of purchases, products, customers and the like fills, and which kind it is.

Why it exists: as for people (`rapport.identify.mapping`), by the same evidence. The kind proposed is the one whose
required columns are all filled and which takes up most of the file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from rapport.core.tables import SOURCE_COLUMNS, SourceColumn
from rapport.identify.mapping import (
    LEAST,
    Claim,
    Filled,
    Proposal,
    assign,
    by_word,
    in_order,
    left_over,
    percent,
    said_by,
    traits_among,
    weighed,
)
from rapport.identify.mapping_contents import Contents, look_at
from rapport.identify.mapping_words import SOURCE_NAMES

_WORDS = by_word(SOURCE_NAMES)
_ADDED_UP = frozenset({"discount", "coupon"})
_ONCE = {"customers": "customer_id", "products": "product_id", "campaigns": "campaign_id"}
_COMMA_SHARE = 0.2


def propose_source(columns: Mapping[str, Sequence[str | None]], kind: str | None = None) -> Proposal:
    """Propose the kind and the mapping of a file of purchases, products, customers, interactions and the like.

    Parameters
    ----------
    columns : mapping of str to sequence of str or None
        The file's columns in their order, each with a sample of its values as text.
    kind : str, optional
        A kind of `rapport.core.tables.SOURCE_COLUMNS`, where it is known.

    Returns
    -------
    Proposal
        `missing` names required columns that nothing fills: the file cannot be of that kind as it is.
    """
    seen = {name: look_at(values) for name, values in columns.items()}
    proposals = [_of_kind(k, seen) for k in ([kind] if kind else SOURCE_COLUMNS)]
    return max(proposals, key=lambda p: (not p.missing, _taken_up(p), -len(p.missing)))


def _taken_up(proposal: Proposal) -> float:
    required = {c.name for c in SOURCE_COLUMNS[proposal.kind] if c.required}
    return sum(f.confidence * (1.5 if f.column in required else 1.0) for f in proposal.filled)


def _of_kind(kind: str, seen: Mapping[str, Contents]) -> Proposal:
    declared = {c.name: c for c in SOURCE_COLUMNS[kind]}
    claims = [claim for name, c in seen.items() for claim in _claims(kind, name, c, declared)]
    filled, why_not = assign(claims, _ADDED_UP)
    filled = _required_first(filled, claims, declared)
    sure = [f for f in filled if f.column not in _ADDED_UP or f.confidence >= 0.8 or _alone(f, filled)]
    unmapped = left_over(seen, sure, why_not)
    missing = tuple(n for n, c in declared.items() if c.required and n not in {f.column for f in sure})
    traits = traits_among(unmapped, seen) if kind == "customers" else ()
    decimal = "," if any(_comma(seen[f.file_column], declared[f.column]) for f in sure) else "."
    return Proposal(kind, in_order(sure, seen), unmapped, missing, traits, "," if decimal == "," else ".")


def _alone(f: Filled, filled: Sequence[Filled]) -> bool:
    return sum(g.column == f.column for g in filled) == 1


def _comma(c: Contents, column: SourceColumn) -> bool:
    return column.kind in {"money", "number"} and c.share("decimal_comma") > _COMMA_SHARE


def _required_first(
    filled: list[Filled], claims: Sequence[Claim], declared: Mapping[str, SourceColumn]
) -> list[Filled]:
    """Return what is filled where a required column without one takes its surest from an optional column."""
    for name, column in declared.items():
        if not column.required or any(f.column == name for f in filled):
            continue
        optional = {f.file_column for f in filled if not declared[f.column].required}
        free = [c for c in claims if c.column == name and c.confidence >= LEAST and c.file_column in optional]
        if free:
            best = max(free, key=lambda c: c.confidence)
            filled = [f for f in filled if f.file_column != best.file_column]
            filled.append(Filled(name, best.file_column, round(best.confidence, 2), best.reason))
    return filled


def _id_fit(c: Contents) -> float:
    return 0.7 * (1 - max(c.share("clock"), c.share("long"), 0.9 * c.share("spaced"))) * (0.5 + 0.5 * (c.fill > 0.5))


_FITS: dict[str, tuple[Callable[[Contents], float], str]] = {
    "id": (_id_fit, "codes"),
    "time": (lambda c: c.share("day"), "days or times"),
    "day": (lambda c: c.share("day"), "days"),
    "money": (lambda c: 0.7 * c.share("number"), "numbers"),
    "number": (lambda c: 0.8 * c.share("number"), "numbers"),
    "text": (lambda c: 0.65 * (1 - max(c.share("email"), c.share("day"), 0.8 * c.share("number"))), "texts"),
}


def _claims(kind: str, name: str, c: Contents, declared: Mapping[str, SourceColumn]) -> list[Claim]:
    claims = []
    for column, named in said_by(name, _WORDS).items():
        if column not in declared:
            continue
        fit, meant = _FITS[declared[column].kind]
        how = fit(c)
        if _ONCE.get(kind) == column and c.values and (c.distinct < 0.98 or c.fill < 0.98):
            how, meant = 0.1, "codes, each once"
        told = "empty" if not c.values else percent(min(how, 1.0), f"fit ({meant})")
        claims.append(Claim(column, name, weighed(named, how, not c.values), f"its name; {told}"))
    if "at" in declared and c.share("day") >= 0.9 and not any(claim.column == "at" for claim in claims):
        sure = 0.6 if c.share("clock") >= 0.5 else 0.5
        claims.append(Claim("at", name, sure, f"{percent(c.share('day'), 'days or times')}, whatever its name"))
    return claims
