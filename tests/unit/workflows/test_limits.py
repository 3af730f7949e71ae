"""What is declared of all customers together, worked out for the customers and offers of a turn."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from programs import program_with
from rapport.core.errors import LimitInvalid, OfferInvalid, ProgramInvalid, RuleRefused
from rapport.core.tables import CATALOGUE, SCORES, STATES
from rapport.decide.terms import SharedLimit
from rapport.engines.duckdb_engine import DuckDBEngine
from rapport.program.model import Program
from rapport.workflows.conditions import check_declared, with_tier
from rapport.workflows.limits import (
    Declared,
    Lists,
    declared_limits,
    declares_nothing,
    limit_counts,
    limits_from,
    limits_record,
    open_musts,
)
from rapport.workflows.score import COOLED_DOWN, OWN_CONDITION, exclusions
from state_tables import AS_OF, line, opened, person, seen, tables
from worlds import channel

COLUMNS = [*STATES.names, "age_band"]

# Customer: tier, age band, purchase days.
PEOPLE = [("A", "young", 9), ("A", None, 0), ("B", "old", 3), ("C", "young", 1)]

# Offer: category, supplier, stock, buyers.
OFFERS = [
    ("soup", "Acme", 10, 5),
    ("soup", "B & Co", None, 7),
    ("bread", None, 0, 1),
    ("wine", "Acme", 3, 2),
    (None, "O'Neill", None, 9),
]


@pytest.fixture(scope="module")
def engine() -> Iterator[DuckDBEngine]:
    with DuckDBEngine() as made:
        yield made


def states(people: list[tuple[str, str | None, int]] = PEOPLE) -> pa.Table:
    rows = [
        {"customer_key": i, "customer_id": f"c{i}", "household_key": i, "age_band": age, "purchase_days": days}
        for i, (_, age, days) in enumerate(people)
    ]
    table = pa.Table.from_pylist(rows, schema=pa.schema([*STATES, pa.field("age_band", pa.string())]))
    return with_tier(table, np.array([tier for tier, _, _ in people], dtype=str))


def catalogue(offers: list[tuple[Any, ...]] = OFFERS) -> pa.Table:
    plain = {"item": "i", "name": "n", "depth": 0.2, "margin_share": 0.3, "price_micros": 1, "valid_days": 28}
    rows = [
        {
            **plain,
            "offer_index": i,
            "offer_id": f"o{i}",
            "category": category,
            "supplier": supplier,
            "stock": stock,
            "buyers": buyers,
            "valid_from": AS_OF,
            "basis": "assumed",
        }
        for i, (category, supplier, stock, buyers) in enumerate(offers)
    ]
    return pa.Table.from_pylist(rows, schema=CATALOGUE)


def declare(engine: DuckDBEngine, **parts: list[dict[str, Any]]) -> Declared:
    return declared_limits(engine, programme(**parts), catalogue(), states())


def programme(**parts: list[dict[str, Any]]) -> Program:
    """Return a programme whose parts are named p0, p1, ... where they have no name."""
    named = {what: [{"name": f"p{i}"} | p for i, p in enumerate(given)] for what, given in parts.items()}
    return program_with(channels=[channel("mail"), channel("print"), channel("call")], **named)


def limit(**settings: Any) -> dict[str, Any]:
    return {"name": "x", "counts": "offers"} | settings


def one(engine: DuckDBEngine, **settings: Any) -> SharedLimit:
    (found,) = declare(engine, limits=[limit(**settings)]).limits
    return found


def test_a_limit_without_conditions_is_about_everything(engine: DuckDBEngine) -> None:
    found = declare(engine, limits=[limit(at_most=10)])
    assert found.limits == (SharedLimit("x", "offers", False, 10.0, (0, 1, 2), None, None),)
    assert (found.scopes, found.member.shape) == ((), (4, 0))


def test_money_is_in_micros_and_all_else_as_it_is_said(engine: DuckDBEngine) -> None:
    assert one(engine, counts="giveaway", at_most=0.1).bound == 100_000
    assert one(engine, counts="contact_cost", at_least=2.5).bound == 2_500_000
    assert one(engine, counts="minutes", at_most=90.5).bound == 90.5
    assert one(engine, counts="contacts", at_least=0).at_least


def test_channels_are_their_positions_in_the_programme(engine: DuckDBEngine) -> None:
    assert one(engine, counts="contacts", at_most=1, channels=["call", "mail"]).channels == (0, 2)


def test_a_condition_on_offers_gives_their_positions_and_unknown_does_not_hold(engine: DuckDBEngine) -> None:
    assert one(engine, at_most=1, offers="supplier = 'Acme'").offers == (0, 3)
    assert one(engine, at_most=1, offers="stock < 5").offers == (2, 3)
    assert one(engine, at_most=1, offers="category = 'none'").offers == ()


def test_limits_about_the_same_customers_share_a_scope(engine: DuckDBEngine) -> None:
    said = ["tier = 'A'", "age_band = 'young' or purchase_days = 3", "tier  =  'A'"]
    found = declare(engine, limits=[limit(name=f"l{i}", at_most=1, customers=c) for i, c in enumerate(said)])
    assert found.scopes == ("tier = 'A'", "age_band = 'young' or purchase_days = 3")
    assert [p.scope for p in found.limits] == [0, 1, 0]
    assert found.member.tolist() == [[True, True], [True, False], [False, True], [False, True]]
    assert [p.tolist() for p in found.in_scope.split()] == [[0, 1], [0], [1], [1]]


def test_each_value_of_a_column_of_customers_gets_a_limit(engine: DuckDBEngine) -> None:
    found = declare(engine, limits=[limit(counts="contacts", at_most=5, each="age_band")])
    assert [(p.name, p.bound, p.scope) for p in found.limits] == [("x:old", 5.0, 0), ("x:young", 5.0, 1)]
    assert found.scopes == ("age_band = 'old'", "age_band = 'young'")
    assert [p.tolist() for p in found.in_scope.split()] == [[1], [], [0], [1]]


def test_each_value_among_those_for_whom_the_condition_holds_gets_a_limit(engine: DuckDBEngine) -> None:
    bound = limit(counts="contacts", at_least=1, each="tier", customers="purchase_days > 0")
    found = declare(engine, limits=[bound, bound | {"name": "y", "at_least": 2}])
    assert [p.name for p in found.limits] == ["x:A", "x:B", "x:C", "y:A", "y:B", "y:C"]
    assert found.scopes == tuple(f"(purchase_days > 0) and tier = '{t}'" for t in "ABC")
    assert [p.scope for p in found.limits] == [0, 1, 2, 0, 1, 2]
    assert [p.tolist() for p in found.in_scope.split()] == [[0], [], [1], [2]]


def test_each_value_of_a_column_of_offers_gets_a_limit(engine: DuckDBEngine) -> None:
    found = declare(engine, limits=[limit(at_most=4, each="supplier", customers="tier = 'B'")])
    assert [(p.name, p.offers) for p in found.limits] == [("x:Acme", (0, 3)), ("x:B & Co", (1,)), ("x:O'Neill", (4,))]
    assert [p.scope for p in found.limits] == [0, 0, 0]
    assert [
        p.name for p in declare(engine, limits=[limit(at_most=4, each="category", offers="buyers > 2")]).limits
    ] == ["x:soup"]


def test_amounts_bound_only_the_values_they_name_even_those_nobody_has(engine: DuckDBEngine) -> None:
    amounts = {"O'Neill": 2.0, "Acme": 1.5, "Nobody": 3.0}
    found = declare(engine, limits=[limit(counts="giveaway", each="supplier", amounts=amounts)])
    assert [(p.name, p.bound, p.offers, p.at_least) for p in found.limits] == [
        ("x:Acme", 1_500_000, (0, 3), False),
        ("x:Nobody", 3_000_000, (), False),
        ("x:O'Neill", 2_000_000, (4,), False),
    ]
    least = declare(engine, limits=[limit(each="age_band", amounts={"old": 1, "none": 2}, amounts_are="at_least")])
    assert [(p.name, p.bound, p.scope, p.at_least) for p in least.limits] == [
        ("x:none", 2.0, 0, True),
        ("x:old", 1.0, 1, True),
    ]
    assert [p.tolist() for p in least.in_scope.split()] == [[], [], [1], []]


def test_stock_limits_the_offers_that_have_one(engine: DuckDBEngine) -> None:
    found = declare(engine, limits=[limit(each="offer_id", at_most_from="stock")])
    assert [(p.name, p.bound, p.offers) for p in found.limits] == [
        ("x:o0", 10.0, (0,)),
        ("x:o2", 0.0, (2,)),
        ("x:o3", 3.0, (3,)),
    ]


def test_limits_that_nothing_or_nobody_falls_under_are_kept_and_counted(engine: DuckDBEngine) -> None:
    said = [
        limit(name="empty", at_most=1, offers="buyers > 100"),
        limit(name="nobody", at_least=5, customers="purchase_days > 100"),
        limit(name="ages", counts="contacts", each="age_band", amounts={"young": 1, "ancient": 1}),
        limit(name="all", at_most=1),
    ]
    assert limit_counts(declare(engine, limits=said)) == {
        "limits": 5,
        "limits_without_offers": ["empty"],
        "limits_without_customers": ["nobody", "ages:ancient"],
    }


def test_boosts_multiply_and_levers_that_are_off_do_nothing(engine: DuckDBEngine) -> None:
    levers = [
        {"offers": "category = 'soup'", "boost": 0.5},
        {"offers": "supplier = 'Acme'", "boost": -0.5},
        {"boost": 5.0, "active": False},
    ]
    # 1.5 x 0.5 = 0.75; 1.5; untouched; 0.5; untouched
    assert declare(engine, levers=levers).boost.tolist() == [-0.25, 0.5, 0.0, -0.5, 0.0]
    with pytest.raises(LimitInvalid, match=r"levers p0, p1, p2 raise offer 'o0' to 1331 times .* at most 1000 times"):
        declare(engine, levers=[{"boost": 10.0}] * 3)


def test_an_offer_is_of_one_kind_at_most(engine: DuckDBEngine) -> None:
    kinds = [
        {"name": "soups", "offers": "category = 'soup'", "at_most": 2},
        {"name": "of", "offers": "coalesce(category, '') <> 'soup'", "each": "supplier", "at_most": 1},
        {"name": "none", "offers": "false", "at_most": 3},
    ]
    found = declare(engine, kinds=kinds)
    assert found.kind.tolist() == [0, 0, -1, 1, 2]
    assert found.kind_names == ("soups", "of:Acme", "of:O'Neill", "none")
    assert found.kind_most.tolist() == [2, 1, 1, 3]
    with pytest.raises(
        OfferInvalid, match=r"offer 'o0' is of the kinds soups and all; .*one kind at most.*kinds\.all"
    ):
        declare(engine, kinds=[kinds[0], {"name": "all", "at_most": 1}])


def test_includes_hold_for_customers_and_demand_offers(engine: DuckDBEngine) -> None:
    includes = [
        {"text": "Hello?", "customers": "tier = 'A'"},
        {"offers": "supplier = 'Acme'", "customers": "age_band = 'young'", "forced": True},
        {"offers": "category = 'wine' or category = 'bread'", "customers": "tier <> 'B'"},
    ]
    found = declare(engine, includes=includes)
    assert found.includes.tolist() == [
        [True, True, True],
        [True, False, True],
        [False, False, False],
        [False, True, True],
    ]
    assert found.forced.tolist() == [True, False, False, True]
    assert [m.tolist() for m in found.musts] == [[0, 2, 3], [2, 3], [], [0, 2, 3]]


def test_offers_that_are_excluded_are_not_demanded(engine: DuckDBEngine) -> None:
    program = programme(includes=[{"offers": "supplier = 'Acme'", "customers": "tier <> 'B'"}])
    found = declared_limits(engine, program, catalogue(), states())
    excluded = np.zeros((4, 5), dtype=np.int8)
    excluded[0, 0], excluded[1, :], excluded[3, 1] = 1, COOLED_DOWN, 2
    kept = open_musts(found, excluded, program, states()["customer_id"])
    assert [m.tolist() for m in kept.split()] == [[3], [], [], [0, 3]]


def test_more_demanded_offers_than_fit_are_refused_by_customer(engine: DuckDBEngine) -> None:
    nothing = np.zeros((4, 5), dtype=np.int8)
    ids = states()["customer_id"]
    program = programme(includes=[{"offers": "true", "customers": "tier = 'B'"}]).model_copy(
        update={"policy": program_with(policy={"portfolio_size": 4}).policy}
    )
    found = declared_limits(engine, program, catalogue(), states())
    with pytest.raises(
        LimitInvalid, match=r"includes p0 demand for customer 'c2' 5 offers in the portfolio; at most 4"
    ):
        open_musts(found, nothing, program, ids)
    both = programme(
        includes=[{"offers": "category = 'soup'", "customers": "tier = 'C'"}, {"text": "Hi"}],
        kinds=[{"name": "k", "offers": "buyers > 4", "at_most": 1}],
    )
    found = declared_limits(engine, both, catalogue(), states())
    with pytest.raises(LimitInvalid, match=r"includes p0 demand for customer 'c3' 2 offers of the kind k; at most 1"):
        open_musts(found, nothing, both, ids)


def test_a_programme_that_declares_nothing_gives_nothing(engine: DuckDBEngine) -> None:
    program = program_with()
    found = declared_limits(engine, program, catalogue(), states())
    assert declares_nothing(program)
    assert (found.limits, found.scopes, found.kind_names, found.kind_most.tolist()) == ((), (), (), [])
    assert found.boost.tolist() == [0.0] * 5
    assert found.kind.tolist() == [-1] * 5
    assert not found.forced.any()
    assert [m.tolist() for m in found.musts] == [[]] * 4
    assert open_musts(found, np.zeros((4, 5), np.int8), program, states()["customer_id"]).values.size == 0
    nobody = declared_limits(engine, programme(includes=[{"offers": "true"}]), catalogue(), states([]))
    assert (nobody.member.shape, nobody.musts) == ((0, 0), [])


def test_what_is_written_is_read_again(engine: DuckDBEngine) -> None:
    program = programme(
        limits=[
            limit(at_most=1, each="supplier", customers="tier = 'A'"),
            limit(name="y", counts="contacts", at_most=2),
        ],
        levers=[{"boost": 0.1}],
        kinds=[{"each": "category", "at_most": 1}],
        includes=[{"text": "Hi?", "why": "We ask."}, {"offers": "true"}],
    )
    found = declared_limits(engine, program, catalogue(), states())
    record = json.loads(json.dumps(limits_record(found, program), allow_nan=False))
    assert limits_from(record) == found.limits
    assert record["scopes"] == ["tier = 'A'"]
    assert record["kind_names"] == ["p0:bread", "p0:soup", "p0:wine"]
    assert record["kind"] == [1, 1, 0, 2, -1]
    assert record["includes"] == [
        {"name": "p0", "text": "Hi?", "why": "We ask."},
        {"name": "p1", "text": None, "why": None},
    ]


def test_five_thousand_values_of_each_work(engine: DuckDBEngine) -> None:
    many = 5_000
    people = [("B", f"t{i % many:04d}", 1) for i in range(2 * many)]
    offers = [("c", f"s{i:04d}", i, 1) for i in range(many)]
    amounts = {f"t{i:04d}": i for i in range(many)}
    program = programme(
        limits=[
            limit(each="age_band", amounts=amounts),
            limit(name="s", each="supplier", at_least=1),
            limit(name="o", each="offer_id", at_most_from="stock"),
        ]
    )
    found = declared_limits(engine, program, catalogue(offers), states(people))
    assert len(found.limits) == 3 * many
    assert len(found.scopes) == many
    assert found.in_scope.values.tolist() == [i % many for i in range(2 * many)]
    assert found.limits[4_321] == SharedLimit("x:t4321", "offers", False, 4321.0, (0, 1, 2), None, 4321)
    assert found.limits[many + 7].offers == (7,)
    # In the order of the text of the ids: o0, o1, o10, o100, o1000, ...
    assert [(p.name, p.bound) for p in found.limits[2 * many + 2 : 2 * many + 4]] == [
        ("o:o10", 10.0),
        ("o:o100", 100.0),
    ]


def test_a_trait_called_tier_gives_way_to_the_tier_of_the_programme(engine: DuckDBEngine) -> None:
    table = states().select([*STATES.names, "age_band"]).append_column("tier", pa.array(["x"] * 4))
    assert with_tier(table, np.array(["A", "A", "B", "C"]))["tier"].to_pylist() == ["A", "A", "B", "C"]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (
            {"each": "agee_band"},
            r"each is 'agee_band'; where counts is 'offers' it must be one of: offer_id, item, .*age_b",
        ),
        ({"each": "name"}, "each is 'name'"),
        ({"each": "customer_id"}, "each is 'customer_id'"),
        ({"each": "purchase_days"}, "each is 'purchase_days'"),
        (
            {"each": "supplier", "counts": "minutes"},
            "each is 'supplier'; where counts is 'minutes' it must be one of: tier, top_d",
        ),
    ],
)
def test_each_names_a_text_column_that_what_is_counted_has(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ProgramInvalid, match=rf"^program\.toml: limits\.x\.{told}"):
        check_declared(programme(limits=[limit(at_most=1, **settings)]), COLUMNS)


HOSTILE = [
    "depth > (select max(depth) from limit_offers)",
    "read_csv('/etc/passwd') is not null",
    "nosuch > 1",
    "true; drop table limit_states",
    "true;",
    "true -- more",
    "true /* more */",
    "(" * 4_000 + "true" + ")" * 4_000,
    "(" * 10_000 + "true" + ")" * 10_000,
    "'" + "x" * 1_000_000 + "' = 'x'",
]

PLACES: list[tuple[str, str, dict[str, Any]]] = [
    ("limits", "offers", {"counts": "offers", "at_most": 1}),
    ("limits", "customers", {"counts": "offers", "at_most": 1}),
    ("levers", "offers", {"boost": 0.1}),
    ("kinds", "offers", {"at_most": 1}),
    ("includes", "offers", {}),
    ("includes", "customers", {"text": "Hi"}),
]


class Untouched:
    """An engine that may not be asked anything."""

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was called")


@pytest.mark.parametrize(("what", "about", "rest"), PLACES, ids=[f"{w}.{a}" for w, a, _ in PLACES])
@pytest.mark.parametrize("condition", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_condition_is_refused_with_its_place_and_nothing_is_run(
    what: str, about: str, rest: dict[str, Any], condition: str
) -> None:
    program = programme(**{what: [{"name": "x", about: condition, **rest}]})
    with pytest.raises(RuleRefused, match=rf"^{what}\.x\.{about}: ") as caught:
        check_declared(program, COLUMNS)
    assert len(str(caught.value)) < 2_000
    with pytest.raises(RuleRefused, match=rf"^{what}\.x\.{about}: "):
        declared_limits(Untouched(), program, catalogue(), states())


@pytest.mark.parametrize(("what", "about", "rest"), PLACES, ids=[f"{w}.{a}" for w, a, _ in PLACES])
def test_what_is_no_condition_or_defeats_the_engine_is_told_with_its_place(
    engine: DuckDBEngine, what: str, about: str, rest: dict[str, Any]
) -> None:
    number, text = ("depth", "category") if about == "offers" else ("purchase_days", "tier")
    for condition, told in [(number, "must be a condition"), (f"{text} > 5", "cannot be worked out")]:
        with pytest.raises(RuleRefused, match=rf"^{what}\.x\.{about}: .*{told}"):
            declare(engine, **{what: [{"name": "x", about: condition, **rest}]})


def test_lists_are_the_places_where_a_mask_holds() -> None:
    mask = np.array([[True, False, True], [False, False, False]])
    assert Lists.where(mask).matrix(3).tolist() == mask.tolist()
    assert [p.tolist() for p in Lists.where(mask).split()] == [[0, 2], []]
    assert Lists.where(np.zeros((0, 3), dtype=bool)).split() == []


def test_what_was_bought_or_redeemed_lately_cools_down(tmp_path: Path) -> None:
    given = tables(
        customers=[person("anna"), person("bert"), person("carl"), person("dora"), person("emil")],
        # Seven days: the first that counts is the 31st of December, seven days before the 7th of January.
        transactions=[line("anna", 7, "p1", 2.0), line("bert", 8, "p1", 4.0), line("carl", 0, "p1", 1.0)],
        redemptions=[
            seen("dora", coupon_id="k1", campaign_id="m1", day=AS_OF.replace(day=2)),
            seen("emil", coupon_id="k1", campaign_id="m2", day=AS_OF.replace(day=2)),
            seen("carl", coupon_id="k2", campaign_id=None, day=AS_OF.replace(day=1)),
            seen("bert", coupon_id="k2", campaign_id=None, day=AS_OF),
        ],
        coupons=[
            {"coupon_id": "k1", "product_id": "p2", "campaign_id": "m1"},
            {"coupon_id": "k2", "product_id": "p2", "campaign_id": "m9"},
            {"coupon_id": "k2", "product_id": "p3", "campaign_id": "m9"},
        ],
    )
    offers = [row | {"item": item} for row, item in zip(catalogue().to_pylist()[:2], ["apple", "soap"], strict=True)]
    offered = pa.Table.from_pylist(offers, schema=CATALOGUE)
    query = {"query": "SELECT item FROM purchases"}
    with DuckDBEngine() as engine:
        opened(engine, tmp_path, given)
        from rapport.workflows.state import build_states

        known = build_states(engine, AS_OF)
        found = exclusions(engine, known, offered, program_with(offers={**query, "cool_down_days": 7}))
        without = exclusions(engine, known, offered, program_with(offers=query))
        shut = {"name": "r", "kind": "eligibility", "offers": "item = 'apple'", "why": "So."}
        ruled = exclusions(engine, known, offered, program_with(offers={**query, "cool_down_days": 7}, rules=[shut]))
    by_name = dict(zip(known["customer_id"].to_pylist(), found.tolist(), strict=True))
    assert by_name == {"anna": [-2, 0], "bert": [0, 0], "carl": [0, -2], "dora": [0, -2], "emil": [0, 0]}
    assert not without.any()
    assert dict(zip(known["customer_id"].to_pylist(), ruled.tolist(), strict=True))["anna"] == [1, 0]
    assert OWN_CONDITION != COOLED_DOWN


def test_what_is_declared_stands_together_in_the_scores() -> None:
    first = SCORES.get_field_index("scopes")
    added = [(f.name, str(f.type)) for f in SCORES][first : first + 4]
    whole = "list<item: int32 not null>"
    assert added == [("scopes", whole), ("must_offers", whole), ("includes", whole), ("forced", "bool")]
