"""Made-up instances are drawn from a seed and have the shape that their family promises."""

from __future__ import annotations

import numpy as np
import pytest

from rapport.simulate.instance_record import (
    CONTACTS,
    OFFERS,
    CandidateRows,
    Channel,
    Contacts,
    Group,
    Instance,
    InstanceLimit,
    Labels,
    used_by_plan,
)
from rapport.simulate.instances import FAMILIES, make_instance


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("customers", [1, 7, 300])
def test_candidates_of_every_family_are_distinct_and_in_order(family: str, customers: int) -> None:
    instance = make_instance(family, customers, candidates=6, seed=5)
    rows = instance.candidates
    key = rows.customer.astype(np.int64) * len(instance.offers) + rows.offer
    assert (np.diff(key) > 0).all()
    assert np.isfinite(rows.value).all()
    assert (rows.value >= 0).all()
    assert all((amount >= 0).all() for amount in rows.amounts.values())
    assert len({limit.name for limit in instance.limits}) == len(instance.limits)
    assert all(limit.bound >= 0 for limit in instance.limits)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_seed_gives_the_same_instance_and_another_seed_another(family: str) -> None:
    first, again, other = (make_instance(family, 50, candidates=6, seed=s) for s in (1, 1, 2))
    assert first.limits == again.limits
    assert first.candidates.value.tobytes() == again.candidates.value.tobytes()
    assert first.candidates.offer.tobytes() == again.candidates.offer.tobytes()
    if family != "no_offers":
        assert first.candidates.value.tobytes() != other.candidates.value.tobytes()


def test_the_family_of_many_limits_has_a_thousand_stocks_and_a_budget() -> None:
    instance = make_instance("many_limits", 100)
    assert len(instance.limits) == 1001
    assert sum(limit.counts == OFFERS for limit in instance.limits) == 1000
    assert [limit.name for limit in instance.limits if limit.counts == "spend"] == ["budget"]
    assert instance.size == 2
    assert len(instance.candidates.value) == 2000


def test_more_is_promised_than_there_is_where_no_fraction_can_meet_the_limits() -> None:
    instance = make_instance("infeasible_lp", 40, candidates=5, seed=3)
    promise = instance.limits[-1]
    assert promise.at_least
    assert isinstance(promise.offers, tuple)
    assert promise.bound == np.count_nonzero(instance.candidates.offer == promise.offers[0]) + 1


def test_an_odd_sum_of_even_amounts_is_asked_for_where_no_whole_plan_can_meet_the_limits() -> None:
    instance = make_instance("infeasible_integer", 40, candidates=5, seed=3)
    most, least = instance.limits
    assert (instance.candidates.amounts["spend"] == 2.0).all()
    assert most.bound == least.bound
    assert most.bound % 2 == 1
    assert (most.at_least, least.at_least) == (False, True)


def test_a_plan_is_counted_by_channel_group_and_attribute() -> None:
    instance = Instance(
        customers=np.array([10, 11]),
        offers=np.array(["tea", "milk"]),
        channels=(Channel("email"), Channel("call", 0.5)),
        size=2,
        candidates=CandidateRows(
            customer=np.array([0, 0, 1], np.int32),
            offer=np.array([0, 1, 1], np.int32),
            channel=np.full(3, -1, np.int8),
            value=np.array([3.0, 2.0, 1.0]),
            must=np.zeros(3, bool),
            amounts={"spend": np.array([4.0, 6.0, 8.0])},
        ),
        contacts=Contacts(np.array([[0.1, 2.0], [0.1, np.inf]]), {"minutes": np.array([[0.0, 7.0], [0.0, 9.0]])}),
        limits=(
            InstanceLimit("contacts", CONTACTS, 9.0),
            InstanceLimit("calls", CONTACTS, 9.0, channels=(1,)),
            InstanceLimit("minutes", "minutes", 9.0),
            InstanceLimit("money", "cost", 9.0),
            InstanceLimit("milk", OFFERS, 9.0, offers=(1,)),
            InstanceLimit("dairy spend", "spend", 9.0, offers=Group("department", ("dairy",))),
            InstanceLimit("gold offers", OFFERS, 9.0, customers=Group("tier", ("gold",))),
            InstanceLimit("all spend", "spend", 99.0),
        ),
        forced=np.zeros(2, bool),
        customer_labels={"tier": Labels(np.array([0, -1], np.int32), ("gold",))},
        offer_labels={"department": Labels(np.array([-1, 0], np.int32), ("dairy",))},
        through_reach=frozenset({"spend"}),
    )
    # Customer 10 is called (7 minutes, 2.0) with tea and milk at reach one half; 11 gets milk by email (0.1).
    used = used_by_plan(instance, np.array([1, 0]), np.array([0, 1, 2]))
    # Spend of dairy: 6 * 0.5 + 8 = 11; of all: 4 * 0.5 more.
    assert used.tolist() == [2.0, 1.0, 7.0, 2.1, 2.0, 11.0, 2.0, 13.0]
