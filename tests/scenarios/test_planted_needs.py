"""Needs that were planted in made-up shops are found again; where none were planted, none are found."""

from __future__ import annotations

import datetime as dt
from functools import cache

import numpy as np
import pyarrow as pa
import pytest

from needs_shops import AS_OF, needs_in
from rapport.differentiate.needs_choice import adjusted_rand
from rapport.simulate.needs import NeedsWorld, SimulatedNeeds, simulate_needs
from rapport.workflows.needs import NeedsOfTurn


@cache
def _shop(groups: int, customers: int = 500, seed: int = 1) -> tuple[SimulatedNeeds, NeedsOfTurn]:
    made = simulate_needs(NeedsWorld(groups=groups), customers, seed)
    found = needs_in(made)
    assert found is not None
    return made, found


def _partners(made: SimulatedNeeds, found: NeedsOfTurn) -> list[int]:
    """Return the found group in which most customers of each planted group are."""
    table = np.zeros((made.member.shape[1], found.model.k))
    np.add.at(table, (made.main, found.main), 1)
    return [int(row.argmax()) for row in table]


@pytest.mark.parametrize("groups", [2, 4, 5])
def test_the_number_of_planted_groups_and_who_is_in_them_are_found(groups: int) -> None:
    made, found = _shop(groups)
    assert found.model.k == groups
    assert adjusted_rand(made.main, found.main) >= 0.9


def test_weights_and_profiles_of_planted_groups_are_found_within_stated_errors() -> None:
    made, found = _shop(4)
    partners = _partners(made, found)
    assert sorted(partners) == [0, 1, 2, 3]
    names = found.model.vocabulary.values("what")
    at = [names.index(n) for n in made.item_names]
    for group, partner in enumerate(partners):
        true, mine = made.profile[group], found.model.groups.profile[partner][at]
        base = made.profile.mean(axis=0)
        # Counts weigh as logarithms, so the shares are flatter than the chances; what stands out is the same.
        deviation = [(p - b) / np.sqrt(b) for p, b in ((true, base), (mine, found.model.vocabulary.base[at]))]
        cosine = deviation[0] @ deviation[1] / np.sqrt((deviation[0] ** 2).sum() * (deviation[1] ** 2).sum())
        assert cosine >= 0.9
    # Weights of mixtures are known up to how far apart the groups' corners are put, so they are held by their order:
    # all weights correlate with the true ones; drawn to the middle, the main weight is .56 where .80 was planted.
    assert np.corrcoef(found.member[:, partners].ravel(), made.member.ravel())[0, 1] >= 0.9
    assert np.corrcoef(found.weight, made.member.max(axis=1))[0, 1] >= 0.5


def test_who_buys_on_discount_is_ordered_as_planted() -> None:
    made, found = _shop(4)
    lines = made.tables["transactions"]
    cut = (lines["discount_micros"].to_numpy() > 0).astype(float)
    main = found.main[np.searchsorted(made.keys, lines["customer_key"].to_numpy())]
    shares = [cut[main == p].mean() for p in _partners(made, found)]
    assert shares == sorted(shares)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_shop_without_groups_has_one(seed: int) -> None:
    _, found = _shop(1, customers=400, seed=seed)
    assert found.model.k == 1
    assert found.model.names == ("everyone",)
    assert found.model.why.startswith("No groups hold")


def test_what_is_bought_on_or_after_the_day_changes_nothing() -> None:
    made, found = _shop(4)
    later = made.tables["transactions"].slice(0, 5000)
    day = pa.array([AS_OF + dt.timedelta(days=i % 30) for i in range(len(later))])
    later = later.set_column(later.schema.get_field_index("day"), "day", day)
    more = dict(made.tables) | {"transactions": pa.concat_tables([made.tables["transactions"], later])}
    again = needs_in(made, more)
    assert again is not None
    assert again.model.version == found.model.version
    assert again.weight.tobytes() == found.weight.tobytes()
