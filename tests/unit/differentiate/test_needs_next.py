"""What comes next for a customer and for a group, in a shop of three customers and four products."""

from __future__ import annotations

import numpy as np
import pytest

from rapport.core.reasons import Status
from rapport.differentiate.needs_counts import Feature, Vocabulary
from rapport.differentiate.needs_fit import Groups
from rapport.differentiate.needs_model import NeedsModel
from rapport.differentiate.needs_next import Products, Wants, next_of_customer, next_of_group, next_purchases

PRODUCTS = Products(("Milk", "Tea", "Nuts", "Wine"), ("dairy", "hot", "hot", None))
MODEL = NeedsModel(
    version="needs-test",
    as_of="2030-01-07",
    first_day="2029-01-01",
    level="category",
    status=Status.OK,
    why="Set.",
    customers=3,
    vocabulary=Vocabulary((Feature("what", "dairy"), Feature("what", "hot")), np.array([0.5, 0.5]), 1.0),
    groups=Groups(np.array([0.6, 0.4]), np.array([[0.2, 0.8], [0.9, 0.1]])),
    names=("Hot", "Dairy"),
    marks=((), ()),
)
WANTS = Wants(
    probability=np.array([[0.5, 0.4, 0.1, 0.9], [0.3, 0.2, 0.3, 0.9], [0.6, 0.1, 0.2, 0.9]]),
    bought_before=np.array([[True, False, False, False], [False, True, False, False], [True, False, False, False]]),
    open_to=np.array([[True, True, True, False]] * 3),
    group=np.array([0, 0, 1]),
)


def test_a_customer_owns_what_they_bought_and_gets_next_what_is_open_and_likeliest() -> None:
    found = next_of_customer(WANTS, 0, "anna", MODEL, PRODUCTS, 5)
    assert (found.who, found.group) == ("anna", "Hot")
    assert [(p.name, p.probability) for p in found.owned] == [("Milk", 0.5)]
    # Wine is the likeliest and not open: nothing is proposed that may not be offered.
    assert [(p.name, p.probability) for p in found.next] == [("Tea", 0.4), ("Nuts", 0.1)]
    assert found.owned[0].reasons == ("bought before",)
    # .8 of the group against .5 of everyone; one of the two of the group bought tea, one of all three.
    assert found.next[0].reasons == (
        "1.6 times as usual in their needs group",
        "50% of their needs group buy it, 33% of all customers",
    )


def test_next_of_a_group_is_what_most_are_expected_to_buy_first() -> None:
    rows = WANTS.group == 0
    found = next_of_group(WANTS, rows, "Hot", MODEL, PRODUCTS, 5)
    assert (found.group, found.customers) == ("Hot", 2)
    assert [(p.name, p.expected_buyers) for p in found.owned] == [("Milk", 1.0), ("Tea", 1.0)]
    # Nuts .1 + .3 of two, tea .4 of one who has not bought it, milk .3 of one; equals stand in the catalogue's order.
    assert [p.name for p in found.next] == ["Tea", "Nuts", "Milk"]
    assert [p.expected_buyers for p in found.next] == pytest.approx([0.4, 0.4, 0.3])
    shown = next_purchases(found, WANTS, rows)
    assert [(n.name, n.candidates) for n in shown] == [("Tea", 1), ("Nuts", 2), ("Milk", 1)]
    assert [n.probability for n in shown] == pytest.approx([0.4, 0.2, 0.3])


def test_nobody_and_no_model_give_nothing_and_no_error() -> None:
    nobody = np.zeros(3, dtype=bool)
    found = next_of_group(WANTS, nobody, "none", MODEL, PRODUCTS, 5)
    assert (found.owned, found.next, found.customers) == ((), (), 0)
    alone = next_of_customer(WANTS, 2, "carl", None, PRODUCTS, 1)
    assert alone.group is None
    assert [p.name for p in alone.next] == ["Nuts"]
