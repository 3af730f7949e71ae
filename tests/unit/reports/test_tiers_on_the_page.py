"""Who moved between tiers, and every tier by sub-segment, as the page tells it."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from datetime import date
from html import unescape
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from sample_facts import M, money, sample_facts, share

from rapport.reports.facts import Figure
from rapport.reports.facts_tiers import (
    DisagreementFacts,
    EffectFacts,
    EffectsFacts,
    MigrationFacts,
    MoveFacts,
    SegmentFacts,
    SegmentRow,
    TiersFacts,
    TraitFacts,
)
from rapport.reports.render import render_report


def _move(before: str, after: str, customers: int, then: float | None, now: float | None) -> MoveFacts:
    figures = [Figure(None if v is None else v * M, unit="money", note="sum") for v in (then, now)]
    return MoveFacts(before, after, customers, *figures)


MIGRATION = MigrationFacts(
    by="value",
    hysteresis=0.02,
    kept=7,
    turn_before="2030-W01",
    as_of_before=date(2029, 12, 31),
    moves=(
        _move("A", "A", 90, 9000, 9100),
        _move("A", "B", 4, 300, 200),
        _move("A", "gone", 6, 500, None),
        _move("B", "A", 5, 310, 420),
        _move("B", "B", 195, 4000, 4100),
        _move("B", "C", 0, 0, 0),
        _move("new", "C", 10, None, 20),
    ),
)
ROWS = (
    SegmentRow(
        tier="A",
        label="19-24",
        customers=60,
        share_of_tier=0.6,
        status="OK",
        total=money(6000, 5900, 6100),
        share_of_value=share(0.55, note="of the tier's value"),
        median=money(100, 90, 110),
        below_zero=2,
        expected=money(12, -3, 20),
    ),
    SegmentRow(tier="A", label="65 & over", customers=19, share_of_tier=0.19, status="TOO_FEW_CUSTOMERS"),
)
OPPOSITE = DisagreementFacts(
    kind="ordering",
    measure="value",
    trait="age_band",
    label="19-24",
    tier="B",
    whole=money(40, 30, 50),
    within=money(-10, -12, -8),
    adjusted_p=0.0004,
    everywhere=True,
)
SEGMENTS = SegmentFacts(
    traits=(TraitFacts("age_band", ("19-24", "65 & over"), ROWS),),
    left_out=(("email", "300 values, more than 12"),),
    comparisons=24,
    disagreements=(),
)


def _page(migration: MigrationFacts | None = MIGRATION, **changes: object) -> str:
    segments = replace(SEGMENTS, **{k: v for k, v in changes.items() if k != "effects"})
    effects = changes.get("effects")
    assert effects is None or isinstance(effects, EffectsFacts)
    return render_report(sample_facts(tiers_more=TiersFacts(migration, segments, effects)))


def _said(page: str, anchor: str) -> str:
    section = page[page.index(f'<section id="{anchor}">') :].partition("</section>")[0]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", section)).split()).replace("\u202f", " ")


def test_the_page_says_who_moved_which_way_and_with_what_value() -> None:
    said = _said(_page(), "moves")
    assert "keeps it until they have passed its border by more than 2 % of all ranks: 7 hold a tier" in said
    # 4 down and 5 up of the 90 + 4 + 5 + 195 in both turns.
    assert (
        "Since turn 2030-W01 of 31 December 2029, 9 of the 294 customers in both turns changed tier (3.1 %)" in said
    )
    assert "10 are new and 6 are gone" in said
    assert re.search(r"5 moved up: the turn before expected \w+ 310 of them, this one \w+ 420\.", said)
    assert re.search(r"4 moved down: the turn before expected \w+ 300 of them, this one \w+ 200\.", said)
    assert "Tier A to gone" in said
    assert "New to C" in said
    assert "Tier B to C" not in said


def test_without_a_band_or_with_another_criterion_the_page_says_so() -> None:
    said = _said(_page(replace(MIGRATION, hysteresis=0.0, by="sales_91_micros")), "moves")
    assert "ranked by \u201csales_91_micros\u201d; who passes a border by one rank changes tier" in said


def test_a_first_turn_says_that_nobody_can_have_moved() -> None:
    first = MigrationFacts("value", 0.0, 0, None, None, ())
    assert "No earlier turn was planned, so nobody can have moved." in _said(_page(first), "moves")


def test_a_turn_scored_before_tiers_were_remembered_has_no_such_section() -> None:
    page = _page(None)
    assert 'id="moves"' not in page
    assert 'id="segments"' in page
    assert 'id="segments"' not in render_report(sample_facts())


def test_a_small_group_has_a_status_and_what_is_left_out_is_named() -> None:
    said = _said(_page(), "segments")
    assert "TOO_FEW_CUSTOMERS: too few customers for the method" in said
    assert "email 300 values, more than 12" in said
    assert "65 & over" in said


def test_where_nothing_disagrees_the_page_says_of_how_many_comparisons() -> None:
    assert "Nothing disagrees beyond chance, corrected for 24 comparisons (Holm)" in _said(_page(), "segments")
    assert "30 households on each side" in _said(_page(comparisons=0), "segments")


def test_a_sub_segment_that_says_the_opposite_is_named_with_both_differences() -> None:
    said = _said(_page(disagreements=(OPPOSITE,)), "segments")
    assert "Tiers disagree: 1 sub-segment says the opposite of the whole inside a tier" in said
    assert "Age band 19-24, tier B: value over all customers is" in said
    assert "[30 to 50] more than the others' a customer, in the tier" in said
    assert "[8 to 12] less (adjusted p < 0.001). So it is in every tier that can be compared." in said


def test_a_sub_segment_on_the_other_side_of_zero_is_named() -> None:
    sign = replace(OPPOSITE, kind="sign", everywhere=False, adjusted_p=0.013, whole=money(5, 4, 6))
    said = _said(_page(disagreements=(sign, OPPOSITE)), "segments")
    assert "2 times a sub-segment says the opposite" in said
    assert "[\u221212 to \u22128] a customer, while the tier has" in said
    assert "(adjusted p = 0.013)" in said


def _effect(tier: str, value: float, trait: str = "", label: str = "") -> EffectFacts:
    return EffectFacts(trait, label, tier, 100, 40, money(value, value - 1, value + 1, note="OK"))


@pytest.mark.parametrize("replay", [True, False])
def test_effects_in_opposite_directions_are_named_and_a_replay_says_it_is_chance(replay: bool) -> None:
    few = EffectFacts("age_band", "65+", "A", 9, 1, Figure(None, note="TOO_FEW_CUSTOMERS", unit="money"))
    rows = (_effect("A", 5), _effect("C", -5), few)
    effects = EffectsFacts("margin_per_customer", "OK", 3, rows, ((rows[0], rows[1], 0.001),))
    facts = sample_facts(tiers_more=TiersFacts(MIGRATION, SEGMENTS, effects), replay=replay)
    said = _said(render_report(facts), "segments")
    assert "point in opposite directions, beyond chance (Holm): tier A" in said
    assert "against tier C" in said
    assert ("it is chance nevertheless" in said) is replay
    assert "Tier A, age band 65+ 9 and 1 TOO_FEW_CUSTOMERS: too few customers for the method" in said


def test_without_opposite_effects_the_page_says_how_many_were_compared() -> None:
    none = EffectsFacts("margin_per_customer", "OK", 3, (_effect("A", 5),), ())
    assert "nowhere beyond chance, corrected for 3 comparisons" in _said(_page(effects=none), "segments")
    assert "the held-out are too few" in _said(_page(effects=replace(none, comparisons=0)), "segments")
    assert "what the data hold so far" in _said(_page(effects=replace(none, status="WINDOW_OPEN")), "segments")
    assert "Effects" not in _said(_page(effects=replace(none, rows=())), "segments")


def test_the_same_facts_give_the_same_page() -> None:
    assert _page() == _page()
