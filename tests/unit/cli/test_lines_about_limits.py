from __future__ import annotations

from typing import Any

import pytest

from rapport.cli.explain import _priced_out, _repaired
from rapport.cli.shared_limits import in_unit, names_of, one_of, shared_lines


def limit(name: str, counts: str, bound: float, used: float, price: float, **more: Any) -> dict[str, Any]:
    return {
        "name": name, "counts": counts, "sense": "at_most", "bound": bound, "used": used, "slack": abs(bound - used),
        "price_micros": price, "binding": price != 0,
    } | more  # fmt: skip


def counts(*limits: dict[str, Any], **more: Any) -> dict[str, Any]:
    allocation = {
        "plan_value_micros": 652_400_000, "bound_micros": 652_900_000, "gap": 0.00076,
        "greedy_value_micros": 612_110_000, "exploration_cost_micros": 19_850_000,
    }  # fmt: skip
    plain = {"explored": 137, "delivered": 2049, "repaired": 22, "harm_micros": 0}
    return plain | {"allocation": allocation, "limits": list(limits)} | more


def test_the_plan_stands_beside_its_bound_and_greedy_and_chance_has_its_cost() -> None:
    lines = shared_lines(counts(limit("x", "contacts", 10, 3, 0.0)), "USD")
    assert lines[0] == (
        "  plan worth USD 652.40; no plan within the limits is worth more than USD 652.90 (gap 0.076%); "
        "greedy by value USD 612.11"
    )
    # 137 / 2049 = .0669.
    assert lines[1] == (
        "  drawn by chance to learn: 137 of 2,049 delivered (6.7%), which costs USD 19.85; "
        "repaired to keep every limit: 22"
    )
    assert lines[2] == "  limits: 0 of 1 bind; all have room"


def test_a_binding_limit_says_what_one_more_of_its_units_would_bring() -> None:
    lines = shared_lines(
        counts(
            limit("print-run", "contacts", 450, 450, 12_000.0),
            limit("mailer-budget", "contact_cost", 11_848_000, 11_848_000, 0.4),
            limit("produce", "offers", 4000, 4000, -2_000.0, sense="at_least"),
            limit("hours", "minutes", 90, 90, 500_000.0),
        ),
        "USD",
    )
    # At stake: 90 x .5 = 45; 4000 x .002 = 8; 450 x .012 = 5.40; 11.848 x .4 = 4.74.
    assert lines[2:] == [
        "  limits: 4 of 4 bind",
        "    hours: 90 of 90 minutes; one more minute would bring USD 0.5000",
        "    produce: 4,000 of at least 4,000 copies; one fewer copy would bring USD 0.0020",
        "    print-run: 450 of 450 contacts; one more contact would bring USD 0.0120",
        "    mailer-budget: 11.85 of USD 11.85; one more USD would bring USD 0.40",
    ]


def test_of_many_limits_the_first_are_named_and_the_others_counted() -> None:
    binding = [limit(f"b{i:02}", "offers", 10, 10, 1000.0 * (20 - i)) for i in range(14)]
    free = [limit(f"f{i:03}", "offers", 1000, i, 0.0) for i in range(986)]
    lines = shared_lines(counts(*binding, *free), "USD")
    assert lines[2] == "  limits: 14 of 1,000 bind"
    assert [line.split(":")[0].strip() for line in lines[3:13]] == [f"b{i:02}" for i in range(10)]
    assert lines[13] == "    and 4 more that bind, in turn.json"
    assert lines[14] == (
        "  room left: f985 985 of 1,000 copies, f984 984 of 1,000 copies, f983 983 of 1,000 copies; "
        "and 983 more with room, in turn.json"
    )


def test_harm_is_told_where_there_is_any() -> None:
    (line,) = [x for x in shared_lines(counts(harm_micros=23_289_407), "USD") if "at risk" in x]
    assert line == "  contacts put USD 23.29 of the customers' worth at risk"


@pytest.mark.parametrize(
    ("amount", "what", "told"),
    [(1.0, "contacts", "1 contact"), (2.5, "minutes", "2.5 minutes"), (1200, "offers", "1,200 copies"),
     (8000, "contact_cost", "USD 0.0080"), (11_848_000, "giveaway", "USD 11.85")],
)  # fmt: skip
def test_amounts_are_told_in_the_units_of_the_limit(amount: float, what: str, told: str) -> None:
    assert in_unit(amount, what, "USD") == told


def test_units_and_names_are_those_a_person_would_say() -> None:
    assert one_of("offers") == ("copy", 1)
    assert one_of("giveaway", "EUR") == ("EUR", 1_000_000)
    assert names_of([]) == "no offer"
    assert names_of(list("abcde")) == "a, b, c and 2 more"


def test_who_is_priced_out_is_told_which_limit_costs_more_than_the_treatment_brings() -> None:
    found = {
        "channel": "email", "level": "individual", "offer_ids": ["Milk"], "value_micros": 12_300,
        "charged_micros": 79_800.0,
        "limits": [
            {"name": "mailer-budget", "counts": "contact_cost", "sense": "at_most", "uses": 8000.0,
             "price_micros": 9.975, "charged_micros": 79_800.0},
            {"name": "produce", "counts": "offers", "sense": "at_least", "uses": 2.0, "price_micros": -1_900.0,
             "charged_micros": -3_800.0},
            {"name": "email capacity", "counts": "contacts", "sense": "at_most", "uses": 1.0, "price_micros": 0.0,
             "charged_micros": 0.0},
        ],
    }  # fmt: skip
    # 8000 micros x 9.975 = 79,800 micros.
    assert _priced_out(found, "USD") == [
        "",
        "Priced out",
        "  email with Milk would bring USD 0.0123, but what it uses of the limits brings more elsewhere: USD 0.0798",
        "  mailer-budget: USD 0.0080 at USD 9.9750 per USD comes to USD 0.0798",
        "  produce: 2 copies count in its favour with USD 0.0038: a minimum",
    ]


def test_a_repair_is_told_in_plain_words() -> None:
    more = {"name": "milk-fund", "counts": "giveaway", "sense": "at_most", "more_used": -20_000.0}
    found = {
        "prices_give": {"channel": "email", "level": "individual", "offer_ids": ["Milk", "Tea"]},
        "limits": [more],
    }
    kept = {"channel": "email", "offer_ids": ["Tea", "Rolls"]}
    assert _repaired(found, kept, "USD") == [
        "",
        "Repaired",
        "  The prices alone would give email with Milk, Tea.",
        "  What they give to all customers together does not fit the limits exactly, so the plan differs here.",
        "  Left out: Milk",
        "  Put in: Rolls",
        "  milk-fund: USD 0.0200 less is used",
    ]
    silent = _repaired(found, {"channel": "silence", "offer_ids": []}, "USD")
    assert silent[4:] == ["  So nothing is said.", "  milk-fund: USD 0.0200 less is used"]
    moved = _repaired(found, {"channel": "till", "offer_ids": ["Milk", "Tea"]}, "USD")
    assert moved[4:] == ["  So it is till instead.", "  milk-fund: USD 0.0200 less is used"]
