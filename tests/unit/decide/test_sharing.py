"""Declared limits as what compiled loops read: who uses what, by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rapport.core.errors import LimitInvalid
from rapport.decide.problem import ANYONE, COUNT
from rapport.decide.rows import Ragged
from rapport.decide.sharing import GIVEAWAY, lay_out, limits_for
from rapport.decide.terms import ChannelTerms, Policy, SharedLimit

EMAIL = ChannelTerms("email", 10, 0.5, minutes=0.0)
CALL = ChannelTerms("call", 300, 1.0, minutes=7.5)


def policy(*limits: SharedLimit, scopes: tuple[str, ...] = ("a", "b")) -> Policy:
    return Policy(3, 1.0, 0.0, 4, (EMAIL, CALL), (1, 2, 4), "salt", "v", limits, scopes)


def at_most(counts: str, channels: tuple[int, ...] = (0, 1), **more: Any) -> SharedLimit:
    return SharedLimit("one", counts, False, 5.0, channels, **more)


def scopes_of(*lists: list[int]) -> Ragged:
    values = np.array([v for x in lists for v in x], dtype=np.int32)
    return Ragged(np.concatenate([[0], np.cumsum([len(x) for x in lists])]).astype(np.int64), values)


@pytest.mark.parametrize(
    ("counts", "channels", "uses"),
    [
        ("contacts", (0, 1), [1, 1, 1, 1, 1, 1]),
        ("contacts", (1,), [0, 0, 0, 1, 1, 1]),
        # Channel and level: 10 + 1, 10 + 2, 10 + 4, 300 + 1, ...
        ("contact_cost", (0, 1), [11, 12, 14, 301, 302, 304]),
        # What takes no minutes has no entry.
        ("minutes", (0, 1), [0, 0, 0, 7.5, 7.5, 7.5]),
    ],
)
def test_a_contact_uses_by_route_what_is_counted(counts: str, channels: tuple[int, ...], uses: list[float]) -> None:
    limits, cell = limits_for(lay_out(policy(at_most(counts, channels)), 2), scopes_of([], []), 6)
    assert cell.tolist() == [0, 0]
    found = [limits.contacts.use[limits.contacts.start[r] : limits.contacts.start[r + 1]].sum() for r in range(6)]
    assert found == uses
    assert set(limits.contacts.amount.tolist()) == {COUNT}
    assert (limits.bound.tolist(), limits.at_least.tolist()) == ([5.0], [False])


def test_a_limit_on_some_offers_stands_with_the_offers_and_one_on_all_with_the_cells() -> None:
    some, every = at_most("offers", (1,), offers=(2, 0)), at_most("giveaway", (0,))
    limits, _ = limits_for(lay_out(policy(some, every), 4), scopes_of([]), 6)
    assert limits.by_offer.start.tolist() == [0, 1, 1, 2, 2]
    assert limits.by_offer.limit.tolist() == [0, 0]
    # The second channel: bits 3, 4, 5.
    assert limits.by_offer.routes.tolist() == [0b111000] * 2
    assert limits.by_offer.amount.tolist() == [COUNT] * 2
    assert limits.by_offer.scope.tolist() == [ANYONE] * 2
    assert (limits.by_cell.limit.tolist(), limits.by_cell.routes.tolist()) == ([1], [0b111])
    assert limits.by_cell.amount.tolist() == [GIVEAWAY]


def test_customers_of_the_same_scopes_in_any_order_are_of_one_cell_and_only_they_use_a_scoped_limit() -> None:
    limit = at_most("contacts", (0,), scope=1)
    sharing = lay_out(policy(limit), 0)
    limits, cell = limits_for(sharing, scopes_of([0, 1], [1, 0], [], [1], [0]), 6)
    assert cell[0] == cell[1]
    assert len(set(cell.tolist())) == 4
    uses = [np.diff(limits.contacts.start)[g * 6 : g * 6 + 6].sum() for g in cell]
    assert uses == [3, 3, 0, 3, 0]
    assert [limits.scope_has[1, g] for g in cell] == [True, True, False, True, False]


def test_one_customer_alone_has_the_same_entries_as_among_others() -> None:
    sharing = lay_out(policy(at_most("contacts", scope=0), at_most("offers", scope=1)), 3)
    many, cell = limits_for(sharing, scopes_of([0], [1], []), 6)
    for i, scopes in enumerate(([0], [1], [])):
        alone, zero = limits_for(sharing, scopes_of(scopes), 6)
        assert zero.tolist() == [0]
        for entries, width in ((("contacts"), 6), (("by_cell"), 1)):
            one, all_ = getattr(alone, entries), getattr(many, entries)
            mine = slice(all_.start[cell[i] * width], all_.start[(cell[i] + 1) * width])
            assert one.limit.tolist() == all_.limit[mine].tolist()
            assert one.use.tolist() == all_.use[mine].tolist()


def test_nobody_and_no_limit_at_all_can_be_laid_out() -> None:
    limits, cell = limits_for(lay_out(policy(scopes=()), 0), scopes_of(), 6)
    assert (len(cell), len(limits.bound), len(limits.by_offer.limit)) == (0, 0, 0)


def test_a_limit_that_counts_nothing_known_is_refused_by_name() -> None:
    with pytest.raises(
        LimitInvalid, match=r"limit 'one': counts is 'stamps'; must be one of: contacts, contact_cost"
    ):
        lay_out(policy(at_most("stamps")), 2)
