"""Learn from records which evidence makes two of them one customer.

Why it exists: what is compared, which pairs are looked at and what agreement is worth are chosen from the records
themselves, without labels. What is learned is frozen in a model; who is one customer is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from rapport.identify.blocking import Atom, Rule, choose_rules, possible_rules, training_rules
from rapport.identify.comparisons import PERSON, Comparison, Fill, choose_comparisons
from rapport.identify.link_model import LinkModel, apart_matrix, atoms_of, kinds_of_strangers, least_at_home
from rapport.identify.link_threshold import Thresholds
from rapport.identify.mixture import (
    Observed,
    Shares,
    bits_of,
    first_shares,
    fit_mixture,
    log_odds,
    probability,
    sum_levels,
)
from rapport.identify.value_frequency import frequencies_of_customers
from rapport.workflows.link_ports import Estimates, Floats, Linker, Scored, Weights
from rapport.workflows.resolve_judge import Given, totals_of

COLUMNS = (
    "given_name", "middle_name", "surname", "birth", "postal_code", "city", "region", "street", "house_number",
    "unit", "emails", "phones", "person_number", "tax_number", "card_numbers", "device_ids", "organisation",
    "website", "job_title", "gender",
)  # fmt: skip
FOLLOWS_CITY, FOLLOWS_REGION = 0.6, 0.9
"""Share of pairs of one postal code in one city from which on the two are one piece of evidence; of one city in
one region, likewise."""
LEAST_PAIRS, PAIRS_A_RECORD, PAIRS_OF_MANY = 300_000, 14.0, 5.0
"""Pairs that all rules together may make: at least the first, else so many a record."""
FOR_FEW = frozenset(
    {
        "street start",
        "given start",
        "phone end",
        "city",
        "surname start",
        "organisation sound",
        "birth year",
        "birth day",
    }
)
"""Atoms that many records agree in by chance: not tried where there are many."""
MANY = 60_000
"""Records from which on fewer rules are tried."""
SAMPLE_PAIRS = 150_000
FEW_MATCHES = 30.0
ROUNDS, ROUNDS_OF_FEW = 2, 3
LIKELY = 0.2
"""Pairs less likely than that say nothing of how many customers bear a value."""
SEVERAL = 0.02
"""Further records a record from which on values are frequent for that: then weights are learned once more."""


@dataclass(frozen=True)
class Found:
    """What was chosen before anything was learned: comparisons, rules, blocks left out, pairs."""

    comparisons: tuple[Comparison, ...]
    frequencies: pa.Table
    rules: tuple[Rule, ...]
    skip: pa.Table
    pairs: int
    fills: dict[str, Fill]
    about: str


def choose(linker: Linker, records: int, texts: Sequence[str], about: str = PERSON) -> Found | None:
    """Choose comparisons and rules from the records and find the pairs; None where nothing tells records apart."""
    fills = linker.fills((*COLUMNS, *texts))
    comparisons = choose_comparisons(
        fills,
        texts,
        _follows(linker, fills, "city", "postal_code", FOLLOWS_CITY),
        _follows(linker, fills, "region", "city", FOLLOWS_REGION),
        about,
    )
    if not comparisons:
        return None
    frequencies = linker.frequencies(comparisons, None, True)
    atoms = atoms_of(tuple(texts))
    usable = [
        a for a in atoms.values() if a.needs in fills and fills[a.needs].filled > 0 and _compared(a, comparisons)
    ]
    rules, most = _rules(linker, usable, records)
    pairs, skip = linker.find_pairs(rules, atoms, None, most, None)
    return Found(comparisons, frequencies, rules, skip, pairs, fills, about)


def _follows(linker: Linker, fills: dict[str, Fill], column: str, of: str, least: float) -> bool:
    filled = fills[column].filled > 0 and fills[of].filled > 0
    return filled and linker.follows(column, of) >= least


def _compared(atom: Atom, comparisons: tuple[Comparison, ...]) -> bool:
    names = {c.name for c in comparisons} | {"postal_code", "city"}
    return set(atom.column.split("+")) <= names


def _rules(linker: Linker, usable: list[Atom], records: int) -> tuple[tuple[Rule, ...], float]:
    """Return the rules within the budget of pairs, and the pairs that one may make at most."""
    if records > MANY:
        usable = [a for a in usable if a.name not in FOR_FEW]
    atoms = {a.name: a for a in usable}
    budget = max(float(LEAST_PAIRS), (PAIRS_OF_MANY if records > MANY else PAIRS_A_RECORD) * records)
    most = 14 if records > MANY else 40
    counted = linker.rule_pairs(possible_rules(usable), atoms, budget)
    single = {r: n for r, n in counted.items() if len(r.atoms) == 1}
    largest = budget / 4
    rules = list(choose_rules(single, budget, largest, most, ()))
    double = {r: n for r, n in counted.items() if len(r.atoms) == 2}
    spent = sum(min(single[r], largest) for r in rules)
    # Who lives together must be seen, or nobody would learn how many do.
    home = Rule(("street", "house number"))
    if double.get(home, np.inf) <= budget and spent + largest <= budget:
        rules.append(home)
        spent += min(double.pop(home), largest)
    rules += choose_rules(double, budget - spent, largest, most - len(rules), {r.atoms[0] for r in rules if r != home})
    # A value that stands alone but too often is used all the same, without its largest blocks.
    if records <= MANY:
        rules += [r for r in sorted(single, key=lambda r: r.name) if r not in rules]
    return tuple(rules), largest


def learn(linker: Linker, found: Found, given: Given, limits: Thresholds, texts: Sequence[str]) -> LinkModel:
    """Return the model: Splink's estimates of m and u, then m and the shares of matches and kinds of strangers.

    Weights are learned again once it is known about how many customers, not records, bear each value.
    """
    records, totals = len(given.record_key), totals_of(given)
    comparisons = found.comparisons
    columns = {c for c, f in found.fills.items() if f.filled > 0.05 and f.agree < 0.2}
    columns |= {"email"} if "emails" in columns else set()
    columns |= {"phone"} if "phones" in columns else set()
    estimates = linker.estimate(comparisons, training_rules(columns, texts))
    m, u, status = _start(comparisons, estimates)
    kinds = kinds_of_strangers(comparisons, found.about)
    apart = apart_matrix(comparisons, kinds)
    expected = tuple(np.array(c.expected) for c in comparisons)
    start = m, first_shares(totals, records, len(kinds))
    own: tuple[float, ...] = (0.0,) * len(comparisons)
    frequencies = found.frequencies
    whole = records <= MANY
    for turn in range(ROUNDS_OF_FEW if whole else ROUNDS):
        bits = tuple(bits_of(mk, uk) for mk, uk in zip(m, u, strict=True))
        usual = tuple(float(uk[0]) for uk in u)
        weights = Weights(comparisons, tuple(tuple(map(float, b)) for b in bits), usual, own, kinds)
        scored = linker.score(weights, -1e9, None if whole else SAMPLE_PAIRS)
        across = given.system[scored.left] != given.system[scored.right]
        seen = Observed(
            scored.level,
            scored.weight - sum_levels(scored.level, bits, apart),
            across,
            np.full(len(scored.left), found.pairs / max(len(scored.left), 1)),
            totals,
            apart,
            least_at_home(kinds),
        )
        fitted = fit_mixture(seen, start[0], u, expected, start[1])
        start = fitted.m, fitted.shares
        again = 2.0 * fitted.matches / records
        if whole and turn < ROUNDS_OF_FEW - 1:
            chance = _chances(seen, fitted.m, fitted.u, fitted.shares)
            frequencies = _of_customers(linker, found, given, scored, chance)
        elif not whole:
            own = tuple(float(f"{again * mk[0] / records:.6g}") for mk in fitted.m)
            if again < SEVERAL:
                break
    if fitted.matches < FEW_MATCHES:
        status = (*status, "FEW_TRUE_PAIRS")
    return LinkModel(
        compared=tuple(c.name for c in comparisons),
        texts=tuple(texts),
        m=_rounded(fitted.m),
        u=_rounded(fitted.u),
        usual=tuple(float(f"{uk[0]:.6g}") for uk in fitted.u),
        own=own,
        shares=fitted.shares,
        thresholds=limits,
        rules=found.rules,
        skip=found.skip,
        frequencies=frequencies,
        trained=estimates.trained,
        status=status,
        about=found.about,
    )


def _chances(seen: Observed, m: tuple[Floats, ...], u: tuple[Floats, ...], shares: Shares) -> Floats:
    """Return the probability of each pair with what has been learned."""
    bits = tuple(bits_of(mk, uk) for mk, uk in zip(m, u, strict=True))
    return probability(log_odds(sum_levels(seen.level, bits, seen.apart) + seen.adjust, seen.across, shares))


def _of_customers(linker: Linker, found: Found, given: Given, scored: Scored, chance: Floats) -> pa.Table:
    """Settle and return the frequencies of values among customers, by the pairs taken for one so far."""
    likely = chance >= LIKELY
    left, right = scored.left[likely], scored.right[likely]
    times = given.times.astype(np.float64)
    pairs = np.where(left == right, times[left] * (times[left] - 1.0) / 2.0, times[left] * times[right])
    pairs = pairs * chance[likely]
    columns = {c.frequency: k for k, c in enumerate(found.comparisons) if c.frequency is not None}
    told = linker.values(left, right, tuple(columns))
    counted = found.frequencies
    parts = [counted.filter(pa.array([c == "word" for c in counted["column"].to_pylist()], pa.bool_()))]
    for column, k in columns.items():
        agreed = scored.level[likely, k] == 0
        values = told[f"{column}_l"].filter(pa.array(agreed)).to_pylist()
        parts.append(frequencies_of_customers(counted, column, values, pairs[agreed]))
    order = [("column", "ascending"), ("value", "ascending")]
    return linker.frequencies(found.comparisons, pa.concat_tables(parts).sort_by(order), True)


def _start(
    comparisons: tuple[Comparison, ...], estimates: Estimates
) -> tuple[tuple[Floats, ...], tuple[Floats, ...], tuple[str, ...]]:
    """Return m and u to begin with: Splink's where it has any, held to what is expected."""
    ms, us, status = [], [], []
    for c, m, u in zip(comparisons, estimates.m, estimates.u, strict=True):
        expected = np.array(c.expected)
        mk = np.array(m) if m and sum(m) > 0.5 else expected
        # Half expected, half learned: a session that has swapped matches and strangers is righted by what follows.
        ms.append(_whole(0.5 * mk + 0.5 * expected))
        uk = np.array(u) if u and sum(u) > 0.5 else 1.0 - expected
        us.append(_whole(np.maximum(uk, 0.3 / max(estimates.u_pairs, 100))))
        if not m:
            status.append(f"NOT_TRAINED:{c.name}")
    return tuple(ms), tuple(us), tuple(status)


def _whole(shares: Floats) -> Floats:
    found: Floats = np.maximum(shares, 1e-9) / np.maximum(shares, 1e-9).sum()
    return found


def _rounded(shares: tuple[Floats, ...]) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(float(f"{x:.6g}") for x in part) for part in shares)
