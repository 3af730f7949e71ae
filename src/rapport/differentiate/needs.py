"""Needs groups: learned from a sample of customers, named, and compared with those of the turn before.

Why it exists: customers differ in what they need as well as in what they are worth, and the same need wants the same
word in every turn. Puts together the vocabulary, the choice of a number, the fit and the names. No query may enter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import pyarrow as pa

from rapport.core.reasons import Status
from rapport.differentiate.needs_choice import Chosen, Split, choose_number, figures_of, match_groups
from rapport.differentiate.needs_counts import (
    Counts,
    Feature,
    Floats,
    Integers,
    Vocabulary,
    evidence,
    read_counts,
    shares,
    vocabulary_from,
)
from rapport.differentiate.needs_fit import Groups, expected_counts, fit_groups, fold_in
from rapport.differentiate.needs_model import EVERYONE, NeedsModel
from rapport.differentiate.needs_names import make_names, marks_of
from rapport.differentiate.needs_sql import WHAT

LEAST_CUSTOMERS: Final = 100
"""Customers with purchases below which nothing is said of groups."""

LEAST_PURCHASES: Final = 500
"""Held-out purchases below which numbers of groups cannot be compared."""

LEAST_BUYERS: Final = 10
"""Customers, and one in two hundred of those learned from, that a thing needs to be in the vocabulary."""

SAME_GROUP: Final = 0.8
"""Cosine of two profiles from which a group is the one of the model before, and keeps its name."""

FIT_ROUNDS: Final = 150


@dataclass(frozen=True)
class NeedsSettings:
    """How needs groups are learned.

    Attributes
    ----------
    groups : "auto" or int
        Number of groups; ``auto`` compares numbers up to ``most_groups``.
    level : {'item', 'category', 'department'}
    views : tuple of str
        Views of behaviour beside what is bought.
    most_groups : int
    most_features : int
        Things in the vocabulary at most, those with most buyers.
    most_compared, most_fitted : int
        Customers that numbers are compared on, and that the groups are fitted to, at most.
    salt : str
    """

    groups: Literal["auto"] | int = "auto"
    level: str = "category"
    views: tuple[str, ...] = ("discount", "label", "price", "weekday", "hour", "basket")
    most_groups: int = 8
    most_features: int = 400
    most_compared: int = 2_500
    most_fitted: int = 6_000
    salt: str = "needs"


@dataclass(frozen=True)
class Known:
    """When the sample was counted: ISO days, and how many days its held-out end has."""

    as_of: str
    first_day: str
    held_out_days: int


def fit_needs(
    counted: pa.Table,
    keys: Integers,
    known: Known,
    settings: NeedsSettings,
    before: NeedsModel | None = None,
    told: Callable[[], None] = lambda: None,
) -> NeedsModel:
    """Return the needs groups of a sample of customers.

    Parameters
    ----------
    counted : Table of `needs_sql.needs_counts_sql`
    keys : int64 array, shape (n,)
        Customers of the sample, ascending; more than ``settings.most_fitted`` are cut.
    known : Known
    settings : NeedsSettings
    before : NeedsModel, optional
        Of an earlier turn; groups that are the same keep their names.
    told : callable
        Called after each number of groups that was tried.

    Returns
    -------
    NeedsModel
        With one group, and the status that says why, where there is too little to compare numbers of groups.
    """
    keys = keys[: settings.most_fitted]
    bought = counted.filter(_among(counted, keys))
    active = len(np.unique(bought["customer_key"].to_numpy()))
    words = vocabulary_from(bought, settings.views, settings.most_features, max(LEAST_BUYERS, -(-active // 200)))
    if words is None or active < LEAST_CUSTOMERS:
        why = f"{active} customers with purchases; at least {LEAST_CUSTOMERS} are needed to look for groups."
        return _of_everyone(words, known, settings, active, (Status.TOO_FEW_CUSTOMERS, why))
    if len(words.values(WHAT)) < 2:
        why = (
            f"Only one {settings.level} is bought by {LEAST_BUYERS} customers or more, so nothing can be told apart."
        )
        return _of_everyone(words, known, settings, active, (Status.NOT_MEASURABLE, why))
    most = min(settings.most_groups, active // 25)
    chosen = _compared(bought, keys, words, known, settings, most, told)
    if settings.groups == "auto":
        if chosen is None:
            why = f"Fewer than {LEAST_PURCHASES} purchases are held out, so no number of groups can be compared."
            return _of_everyone(words, known, settings, active, (Status.NOT_MEASURABLE, why))
        k = chosen.k
    else:
        k = min(settings.groups, active)
    both = evidence(read_counts(bought, keys, words, "both"), words)
    base = shares(both, words)
    groups = fit_groups(both, base, list(words.views.values()), k, f"{settings.salt}/fit", FIT_ROUNDS)
    return _named(both, Vocabulary(words.features, base, words.covered), groups, chosen, known, settings, before)


def _among(counted: pa.Table, keys: Integers) -> pa.Array:
    key = counted["customer_key"].to_numpy()
    at = np.minimum(np.searchsorted(keys, key), max(len(keys) - 1, 0))
    return pa.array(keys[at] == key if len(keys) else np.zeros(len(key), dtype=np.bool_))


def _compared(
    bought: pa.Table,
    keys: Integers,
    words: Vocabulary,
    known: Known,
    settings: NeedsSettings,
    most: int,
    told: Callable[[], None],
) -> Chosen | None:
    """Return the numbers of groups that were compared, None where too little is held out."""
    some = keys[: settings.most_compared]
    part = bought.filter(_among(bought, some))
    before, later = (read_counts(part, some, words, column) for column in ("before", "later"))
    # Who had bought nothing before the end is not foretold by anybody.
    rows = before.of_view(words.views[WHAT]).totals() > 0
    split = Split(some[rows], words, before.of_rows(rows), later.of_rows(rows), known.held_out_days)
    if split.later.of_view(words.views[WHAT]).value.sum() < LEAST_PURCHASES:
        return None
    if settings.groups == "auto":
        return choose_number(split, most, settings.salt, told)
    return figures_of(split, min(settings.groups, len(split.keys)), settings.salt)


def _named(
    counts: Counts,
    words: Vocabulary,
    groups: Groups,
    chosen: Chosen | None,
    known: Known,
    settings: NeedsSettings,
    before: NeedsModel | None,
) -> NeedsModel:
    member = fold_in(counts, groups)
    groups = Groups(member.sum(axis=0) / max(len(member), 1), groups.profile)
    marks = marks_of(expected_counts(counts, member, groups), groups.profile, words.base, words)
    names = make_names(marks, names_before(groups, words, before)) if groups.k > 1 else (EVERYONE,)
    status = Status.OK if chosen is not None else Status.NOT_MEASURABLE
    return NeedsModel(
        version="",
        as_of=known.as_of,
        first_day=known.first_day,
        level=settings.level,
        status=status,
        why=_why(groups.k, chosen, settings),
        customers=int((counts.totals() > 0).sum()),
        vocabulary=words,
        groups=groups,
        names=names,
        marks=marks,
        compared=chosen.compared if chosen else (),
        held_out=chosen.held_out if chosen else None,
        kept_from="" if before is None else before.version,
    ).versioned()


def _why(k: int, chosen: Chosen | None, settings: NeedsSettings) -> str:
    if settings.groups != "auto":
        return f"The programme sets {k} groups."
    if k == 1:
        return (
            "No groups hold: no number of them was both found again in two halves of the customers and better than "
            "popularity on held-out purchases."
        )
    assert chosen is not None
    held = [c.k for c in chosen.compared if c.k > 1 and c.stable and c.gain_low > 0]
    return (
        f"Of the numbers whose groups are found again in two halves of the customers and foretell held-out purchases "
        f"better than popularity ({', '.join(map(str, held))}), {k} is the smallest within one standard error of the "
        "best."
    )


def names_before(groups: Groups, words: Vocabulary, before: NeedsModel | None) -> list[str | None]:
    """Return for each group the name that it had in an earlier model, None where it was not there.

    Profiles are compared over the things that both models know; a group is the same from a cosine of `SAME_GROUP`.
    """
    if before is None or before.k < 2 or groups.k < 2:
        return [None] * groups.k
    old = {f: i for i, f in enumerate(before.vocabulary.features)}
    shared = [(i, old[f]) for i, f in enumerate(words.features) if f.view == WHAT and f in old]
    if len(shared) < 2:
        return [None] * groups.k
    now, then = (np.array(c) for c in zip(*shared, strict=True))
    features = tuple(Feature(*words.features[i]) for i in now)
    base = words.base[now] / words.base[now].sum()
    both = Vocabulary(features, base, 1.0)
    mine, theirs = (_only(groups, now), _only(before.groups, then))
    partner, cosine = match_groups(mine, theirs, base, both)
    return [
        before.names[p] if p >= 0 and c >= SAME_GROUP else None
        for p, c in zip(partner.tolist(), cosine.tolist(), strict=True)
    ]


def _only(groups: Groups, places: Integers) -> Groups:
    part = groups.profile[:, places]
    return Groups(groups.share, part / part.sum(axis=1, keepdims=True))


def _of_everyone(
    words: Vocabulary | None, known: Known, settings: NeedsSettings, active: int, told: tuple[Status, str]
) -> NeedsModel:
    """Return the model of one group, with the status and the words that say why."""
    words = words if words is not None else Vocabulary((), np.zeros(0), 0.0)
    return NeedsModel(
        version="",
        as_of=known.as_of,
        first_day=known.first_day,
        level=settings.level,
        status=told[0],
        why=told[1],
        customers=active,
        vocabulary=words,
        groups=Groups(np.ones(1), words.base[None, :].copy()),
        names=(EVERYONE,),
        marks=((),),
    ).versioned()


def main_group(member: Floats, bought: np.ndarray) -> tuple[Integers, Floats]:
    """Return the group of the largest weight, the first of equals, and that weight; -1 and NaN without a purchase.

    Parameters
    ----------
    member : float64 array, shape (n, k)
    bought : bool array, shape (n,)
    """
    main = member.argmax(axis=1).astype(np.int64)
    weight = member[np.arange(len(member)), main]
    return np.where(bought, main, -1), np.where(bought, weight, np.nan)
