"""The queries by which pairs of records are found and weighed.

Why it exists: a query is text that promises a table; putting it together is apart from running it. Names of columns
and conditions come from the declarations of `identify`, never from a file; the names of a file's own columns are
replaced by neutral ones before.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from rapport.identify.blocking import Atom, Rule
from rapport.identify.comparisons import Comparison

_SOUNDS = "translate(substr({0}, 2), 'bfpvcgjkqsxzdtlmnraeiouyhw -''.', '111122222222334556')"


def _sound(column: str) -> str:
    """Return Soundex without its zeros: the first letter and the classes of the consonants that follow."""
    text = _SOUNDS.format(column)
    for digit in "123456":
        text = f"replace(replace({text}, '{digit}{digit}', '{digit}'), '{digit}{digit}', '{digit}')"
    return f"left({column}, 1) || left({text}, 3)"


def _sounds(column: str, name: str) -> str:
    """Return the join of the sound of each value, worked out once a value."""
    sound = f"SELECT value, {_sound('value')} AS sound FROM (SELECT DISTINCT {column} AS value FROM held)"
    return f"LEFT JOIN ({sound}) AS {name} ON held.{column} = {name}.value"


KEPT = (
    "given_name", "middle_name", "surname", "gender", "emails", "email_keys", "phones", "house_number", "street",
    "unit", "city", "region", "postal_code", "person_number", "card_numbers", "device_ids", "organisation",
    "tax_number", "website", "job_title",
)  # fmt: skip
"""Columns of STANDARD that are compared; the day of birth besides."""

_LISTS = ("emails", "email_keys", "phones", "card_numbers", "device_ids")


def held_sql(texts: Sequence[str], filled: Collection[str]) -> str:
    """Return the records in the form in which they are compared, with two hashes that tell equal ones.

    Only `filled` columns of STANDARD are read. Records apart (`alone`) are never taken together with others.
    """
    plain = [
        "NULL::VARCHAR" + ("[]" if c in _LISTS else "") + f" AS {c}"
        if c not in filled
        else f"CASE WHEN len({c}) > 0 THEN list_sort({c}) END AS {c}"
        if c in _LISTS
        else f"nullif({c}, '') AS {c}"
        for c in KEPT
    ]
    plain += [f"nullif({t}, '') AS {t}" for t in texts]
    content = ["system", *(c for c in KEPT if c in filled), "birth", *texts, "CASE WHEN alone THEN record_key END"]
    told = ", ".join(content)
    return (
        f"WITH clean AS (SELECT record_key, system, alone, {', '.join(plain)}, "
        f"strftime(birth_date, '%Y%m%d') AS birth FROM standard) "
        f"SELECT * EXCLUDE (alone), hash({told}) AS one, hash('second', {told}) AS two FROM clean"
    )


def nodes_sql() -> str:
    """Return one row for all records of a system that are alike in everything, with what is derived from them."""
    return (
        "WITH groups AS (SELECT min(record_key) AS record_key, count(*) AS times FROM held GROUP BY one, two), "
        "firsts AS (SELECT *, (row_number() OVER (ORDER BY record_key) - 1)::INTEGER AS node FROM groups) "
        "SELECT firsts.node, firsts.times, held.*, "
        "surnames.sound AS surname_sound, givens.sound AS given_sound, "
        "emails[1] AS email, phones[1] AS phone, "
        "list_transform(emails, lambda x: split_part(split_part(x, '@', 1), '+', 1)) AS locals, "
        "replace(organisation, ' ', '') AS squeezed, "
        "list_sort(list_distinct(list_filter(string_split(organisation, ' '), lambda x: x <> ''))) AS all_words, "
        "CASE WHEN contains(organisation, ' ') THEN "
        "list_aggregate(list_transform(string_split(organisation, ' '), lambda x: left(x, 1)), 'string_agg', '') END "
        "AS acronym, "
        "NULL::VARCHAR[] AS words, firms.sound AS firm_sound FROM held JOIN firsts USING (record_key) "
        f"{_sounds('surname', 'surnames')} {_sounds('given_name', 'givens')} {_sounds('organisation', 'firms')}"
    )


def keys_sql(rule: Rule, atoms: Mapping[str, Atom], table: str = "nodes") -> str:
    """Return node and hash of the key of each record of a table that has one under a rule.

    A list is unfolded beside the row it stands in: joining the row to its list costs ten times as much.
    """
    keys = ", ".join(f"k{i}" for i in range(len(rule.atoms)))
    told, before, after = [], [], []
    for i, name in enumerate(rule.atoms):
        atom = atoms[name]
        told.append(f"unnest(list_distinct({atom.sql})) AS k{i}" if atom.several else f"({atom.sql}) AS k{i}")
        if atom.several:
            before.append(f"{atom.needs} IS NOT NULL")
        after.append(f"k{i} IS NOT NULL" + (f" AND k{i} <> ''" if atom.several else ""))
    some = f"SELECT node, {', '.join(told)} FROM {table}" + (f" WHERE {' AND '.join(before)}" if before else "")
    return f"SELECT node, hash({keys}) AS key FROM ({some}) WHERE {' AND '.join(after)}"


_SLIPS = re.compile(r"damerau_levenshtein\((\w+), (\w+)\) <= (\d+)")


def quick_sql(condition: str) -> str:
    """Return a condition that holds for the same pairs, the costly distance asked only where it can hold.

    A swap of neighbours is one step to Damerau and two to Levenshtein, so the one distance is at most twice the
    other; the latter takes a tenth of the time.
    """
    return _SLIPS.sub(
        lambda m: (
            f"(levenshtein({m[1]}, {m[2]}) <= {2 * int(m[3])} AND damerau_levenshtein({m[1]}, {m[2]}) <= {m[3]})"
        ),
        condition,
    )


def hashes_sql(atoms: Sequence[Atom]) -> str:
    """Return node and, of each atom of one value, the hash of it for each record of `some_nodes`."""
    parts = "".join(f", CASE WHEN ({a.sql}) IS NOT NULL THEN hash({a.sql}) END AS a{i}" for i, a in enumerate(atoms))
    return f"SELECT node{parts} FROM some_nodes ORDER BY node"


def columns_of(comparison: Comparison) -> tuple[str, ...]:
    """Return the columns that the conditions of a comparison name, in order of their names."""
    conditions = " ".join([comparison.null, *(level.sql for level in comparison.levels)])
    words = "".join(ch if ch.isalnum() or ch == "_" else " " for ch in conditions).split()
    return tuple(sorted({w.removesuffix("_l") for w in words if w.endswith("_l")}))


def level_sql(comparison: Comparison) -> str:
    """Return the number of the level that a pair reaches: 0 the best, -1 where nothing can be said."""
    cases = "".join(f" WHEN {quick_sql(level.sql)} THEN {i}" for i, level in enumerate(comparison.levels))
    return f"(CASE WHEN {comparison.null} THEN -1{cases} ELSE {len(comparison.levels)} END)::TINYINT"
