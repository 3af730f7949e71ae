"""The section on what customers could be worth, and the lines of `rapport explain` on it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from growth_sample import GROWTH, amount
from sample_facts import empty_facts, sample_facts

from programs import program_with
from rapport.cli.explain_growth import growth_lines
from rapport.core.money import show_money
from rapport.reports.gather_growth import cost_amount
from rapport.reports.render import render_report


def part(page: str) -> str:
    """Return the section without its unbreakable spaces."""
    start = page.index('id="growth"')
    found = page[start : page.index("</section>", start)]
    return found.replace("\N{NO-BREAK SPACE}", " ").replace("\N{NARROW NO-BREAK SPACE}", " ")


def test_each_tier_has_its_potential_with_interval_and_nothing_stands_over_all() -> None:
    found = part(render_report(sample_facts()))
    for tier, shown in (("A", "85,205"), ("B", "492,277"), ("C", "214,215")):
        assert f"Tier {tier}" in found
        assert shown in found
    assert "36,823 to 161,432" in found
    assert "791,697" not in found  # their sum


def test_what_customers_are_called_is_escaped_and_the_gap_may_be_below_zero() -> None:
    found = part(render_report(sample_facts()))
    assert "age: 35-44 &lt;b&gt;" in found
    assert "\N{MINUS SIGN}329.96" in found
    assert "31 %" in found  # share of wallet
    assert "not known" in found  # of the other


def test_reasons_are_told_in_words_and_costs_of_nothing_are_left_out() -> None:
    found = part(render_report(sample_facts()))
    assert "discounts that the company bears cost more than any other reason" in found
    assert "service and complaints" in found
    assert "bids lost" not in found


def test_prospects_are_marked_as_if_they_become_customers() -> None:
    assert "if they become customers" in part(render_report(sample_facts()))
    known = replace(GROWTH, prospects=replace(GROWTH.prospects, if_customer=False))
    assert "times the conversion rate" in part(render_report(replace(sample_facts(), growth=known)))
    none = replace(GROWTH, prospects=replace(GROWTH.prospects, customers=0))
    assert "Prospects" not in part(render_report(replace(sample_facts(), growth=none)))


def test_a_turn_that_was_scored_before_says_how_to_get_it() -> None:
    assert 'class="missing"' in part(render_report(empty_facts()))


def test_a_shop_without_peers_and_with_nobody_to_grow() -> None:
    bare = replace(GROWTH, peers=(), growable=(), below_zero=(), service=())
    found = part(render_report(replace(sample_facts(), growth=bare)))
    assert "everyone: no trait makes peers" in found
    assert "most growable" not in found
    assert "Customers below zero" not in found


def test_what_serving_costs_is_said_in_words() -> None:
    plain = program_with(cost_to_serve={"per_purchase_day": 0.75}).cost_to_serve
    assert plain is not None
    assert cost_amount(plain, "USD") == "0.75 USD a purchase day"
    more = program_with(cost_to_serve={"per_contact": 6, "handling_share_of_returns": 0.25}).cost_to_serve
    assert more is not None
    assert cost_amount(more, "EUR") == (
        "0.00 EUR a purchase day; 6.00 EUR a contact; 25% of what was paid for returned goods"
    )


def lines(**value: Any) -> list[str]:
    return growth_lines(value, lambda micros: show_money(micros, "EUR"))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({}, []),
        (
            {"below_zero_why": "RETURNS", "cost_to_serve_micros": 2_500_000},
            [
                "  below zero, RETURNS: margin given back for returns, and handling them, costs more than any other "
                "reason",
                "  costs EUR 2.50 a year to serve, beside purchase days",
            ],
        ),
        (
            {"prospect_status": "TOO_FEW_CUSTOMERS", "prospect_value_micros": None, "potential_status": "OK"},
            ["  has not bought yet; what look-alikes bring in their first year is not known (TOO_FEW_CUSTOMERS)"],
        ),
        (
            {
                "prospect_status": "OK",
                "prospect_value_micros": 5_000_000,
                "prospect_value_low_micros": 4_000_000,
                "prospect_value_high_micros": 6_000_000,
            },
            ["  has not bought yet; first year of look-alikes EUR 5.00 (EUR 4.00 to EUR 6.00, 80 %)"],
        ),
        (
            {
                "potential_status": "TOO_FEW_CUSTOMERS",
                "potential_value_micros": 9_000_000,
                "unrealised_micros": 3_000_000,
                "unrealised_low_micros": 1_000_000,
                "unrealised_high_micros": 4_000_000,
                "peer_cell": "age: 18-34",
                "gap_trips_micros": 2_000_000,
                "gap_basket_micros": 2_500_000,
                "gap_variety_micros": -500_000,
                "share_of_wallet": 0.25,
            },
            [
                "  could contribute EUR 9.00 a year like the best of their peers; unrealised EUR 3.00 "
                "(EUR 1.00 to EUR 4.00, 80 %, TOO_FEW_CUSTOMERS)",
                "  peers: age: 18-34",
                "  gap to peers who reached theirs: trips EUR 2.00, basket EUR 2.50, variety EUR -0.50",
                "  share of wallet 25.0%",
            ],
        ),
    ],
)
def test_a_customer_is_explained_by_what_is_known(value: dict[str, Any], said: list[str]) -> None:
    assert lines(**value) == said


def test_the_sample_is_made_of_whole_figures() -> None:
    assert amount(1.0).note
