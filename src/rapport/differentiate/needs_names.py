"""Names of needs groups: what distinguishes each from the others, in words.

Why it exists: a number says nothing to a marketer. A name is made from the things that a group buys beyond everyone,
judged by evidence and not by share alone, so that neither the common nor the rare crowds it; and it stays while the
group stays. No fitting may enter.

References
----------
Monroe, Colaresi & Quinn (2008), "Fightin' words", section 3.5: log-odds with an informative Dirichlet prior.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from rapport.differentiate.needs_counts import Floats, Vocabulary
from rapport.differentiate.needs_sql import BASKETS, WEEKDAYS, WHAT

PRIOR: Final = 500.0
"""Purchases that everyone's shares weigh in the log-odds."""

MOST_MARKS: Final = 12
STRONG: Final = 1.25
"""Ratio to everyone from which a behaviour stands in a name."""

_BEHAVIOURS: Final[Mapping[tuple[str, str], str]] = {
    ("discount", "discounted"): "on discount",
    ("discount", "full price"): "at full price",
    ("label", "own"): "own label",
    ("label", "other"): "brands",
    ("price", "low"): "low prices",
    ("price", "middle"): "middle prices",
    ("price", "high"): "premium",
    ("hour", "morning"): "in the morning",
    ("hour", "midday"): "at midday",
    ("hour", "afternoon"): "in the afternoon",
    ("hour", "evening"): "in the evening",
    ("hour", "night"): "at night",
    ("basket", "1"): "single items",
    ("basket", "2"): "small baskets",
    ("basket", "6"): "middle baskets",
    ("basket", "16"): "large baskets",
}
_BASKET_VALUES: Final = ("1", "2", "6", "16")

Mark = tuple[str, str, float, float]


def log_odds(counts: Floats, base: Floats, prior: float = PRIOR) -> Floats:
    """Return the z-score of the log-odds of each feature in each group against all other groups.

    Parameters
    ----------
    counts : float64 array, shape (k, V)
        Evidence for each feature in each group, of one view; at least 0.
    base : float64 array, shape (V,)
        Share of each feature over everyone; above 0, sums to 1.
    prior : float
        Purchases that ``base`` weighs.

    Returns
    -------
    float64 array, shape (k, V)
        Equation 22 of Monroe et al. (2008); above 1.96 it is unlikely to be chance. Zeros where there is one group,
        or one feature.
    """
    k, features = counts.shape
    if k < 2 or features < 2:
        return np.zeros_like(counts)
    alpha = prior * base
    mine, rest = counts + alpha, counts.sum(axis=0)[None, :] - counts + alpha
    odds = np.log(mine / (mine.sum(axis=1, keepdims=True) - mine))
    others = np.log(rest / (rest.sum(axis=1, keepdims=True) - rest))
    return np.asarray((odds - others) / np.sqrt(1.0 / mine + 1.0 / rest))


def marks_of(counts: Floats, profile: Floats, base: Floats, words: Vocabulary) -> tuple[tuple[Mark, ...], ...]:
    """Return what distinguishes each group: the strongest things, then the strongest behaviours.

    Parameters
    ----------
    counts, profile : float64 arrays, shape (k, V)
        Evidence by group, and shares by group.
    base : float64 array, shape (V,)
    words : Vocabulary

    Returns
    -------
    tuple of k tuples of (view, value, z-score, ratio of the group's share to everyone's), of z-scores above 1.96
    """
    found: list[tuple[Mark, ...]] = []
    z = np.zeros_like(counts)
    for where in words.views.values():
        z[:, where] = log_odds(counts[:, where], base[where])
    things = np.array([f.view == WHAT for f in words.features])
    for group in range(len(counts)):
        mine: list[Mark] = []
        for kind, most in ((things, MOST_MARKS), (~things, 5)):
            places = np.flatnonzero(kind & (z[group] > 1.96))
            for at in places[np.argsort(-z[group][places], kind="stable")][:most]:
                feature = words.features[at]
                ratio = float(profile[group, at] / base[at])
                mine.append((feature.view, feature.value, round(float(z[group, at]), 2), round(ratio, 3)))
        found.append(tuple(mine))
    return tuple(found)


def make_names(marks: Sequence[Sequence[Mark]], kept: Sequence[str | None]) -> tuple[str, ...]:
    """Return a readable name for each group, no two alike; a name that is kept stays.

    Parameters
    ----------
    marks : of `marks_of`
    kept : sequence of str or None, one for each group
        Name of the same group in the model before.
    """
    names: list[str] = []
    taken = {name for name in kept if name is not None}
    for number, (mine, before) in enumerate(zip(marks, kept, strict=True), start=1):
        if before is not None and before not in names:
            names.append(before)
            continue
        name = next((n for n in _proposals(mine) if n not in taken), None)
        name = name or next(n for i in range(number, 10_000) if (n := f"Group {i}") not in taken)
        taken.add(name)
        names.append(name)
    return tuple(names)


def _proposals(marks: Sequence[Mark]) -> list[str]:
    """Return names of two things, then with a behaviour, then of more things."""
    things = _distinct([in_words(v, value) for v, value, _, _ in marks if v == WHAT])
    ways = [in_words(v, value) for v, value, _, ratio in marks if v != WHAT and ratio >= STRONG]
    if not things:
        return [w[0].upper() + w[1:] for w in ways]
    things = [things[0], *(t[:1].lower() + t[1:] if t[1:2].islower() else t for t in things[1:])]
    first = ", ".join(things[:2])
    found = [f"{first} ({ways[0]})"] if ways else []
    found += [first, *(f"{first} ({w})" for w in ways[1:])]
    return found + [", ".join(things[:n]) for n in range(3, len(things) + 1)]


def _distinct(things: Sequence[str]) -> list[str]:
    """Return things that do not share their first word with one before: two kinds of cheese say what one does."""
    found: list[str] = []
    for thing in things:
        if thing.split()[0].casefold().rstrip("s") not in {f.split()[0].casefold().rstrip("s") for f in found}:
            found.append(thing)
    return found


def in_words(view: str, value: str) -> str:
    """Return a feature as a person says it."""
    if view == WHAT:
        return plain_words(value)
    if view == "weekday":
        return f"on {WEEKDAYS[int(value) - 1]}s"
    if view == "store":
        return f"in store {value}"
    return _BEHAVIOURS.get((view, value), value)


def value_in_words(view: str, value: str) -> str:
    """Return the value of a feature as a heading shows it."""
    if view == "weekday":
        return WEEKDAYS[int(value) - 1]
    if view == "basket":
        return BASKETS[_BASKET_VALUES.index(value)]
    return plain_words(value) if view == WHAT else value


def plain_words(text: str) -> str:
    """Return the name of a thing without shouting: SOFT DRINKS becomes Soft drinks; others stay as they are."""
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r"\s*-\s*(all|all others?|misc|other)$", "", text, flags=re.IGNORECASE) or text
    if text.isupper():
        text = re.sub(
            r"\s*([:/&,-])\s*", lambda m: {":": ": ", "/": "/", "&": " & ", ",": ", ", "-": " - "}[m[1]], text
        )
        text = text.lower()
    return text[:1].upper() + text[1:]
