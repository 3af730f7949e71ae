from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from sample_facts import LIMITS, SHARED, TIERS, empty_facts, limit, money, sample_facts

from rapport.reports.facts import ChallengeFacts, TierFacts
from rapport.reports.render import render_report

HERE = str(Path(__file__).parent)


@pytest.fixture(scope="module")
def page() -> str:
    return render_report(sample_facts())


@pytest.fixture(scope="module")
def bare() -> str:
    return render_report(empty_facts())


class Outline(HTMLParser):
    """Checks that tags close in order and collects what the page refers to."""

    VOID = frozenset({"meta", "br", "link", "img", "input", "hr"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "src", "xlink:href", "action", "data", "srcset"):
                self.targets.append(value or "")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def outline(page: str) -> Outline:
    found = Outline()
    found.feed(page)
    return found


def section(page: str, anchor: str) -> str:
    found = re.search(rf'<section id="{anchor}">.*?</section>', page, re.DOTALL)
    assert found is not None
    return found[0]


def test_the_page_fetches_nothing_and_runs_nothing(page: str) -> None:
    found = outline(page)
    assert found.open == []
    assert not found.tags & {"script", "link", "img", "iframe", "object", "embed"}
    assert all(t.startswith("#") for t in found.targets)
    assert not re.search(r"https?:|//[a-z]|@import|url\((?!#)", page)


def test_every_id_stands_once_and_every_link_of_the_contents_leads_to_one(page: str) -> None:
    found = outline(page)
    assert len(found.ids) == len(set(found.ids))
    assert {t[1:] for t in found.targets} <= set(found.ids)
    assert {r[1:] for r in re.findall(r"url\((#[^)]+)\)", page)} <= set(found.ids)


def test_the_page_has_the_same_bytes_in_another_process(page: str) -> None:
    code = (
        f"import sys, hashlib; sys.path.insert(0, {HERE!r});"
        "from sample_facts import empty_facts, sample_facts; from rapport.reports.render import render_report;"
        "render_report(empty_facts());"  # a process that has drawn before has moved its counters on
        "print(hashlib.sha256(render_report(sample_facts()).encode()).hexdigest())"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == hashlib.sha256(page.encode()).hexdigest()


def test_the_charts_are_loaded_only_when_a_page_is_rendered() -> None:
    code = "import sys, rapport.reports.render; print('altair' in sys.modules, 'vl_convert' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["False", "False"]


@pytest.mark.parametrize(
    ("anchor", "charts"),
    [
        ("goals", 2),  # one a goal
        ("tiers", 2),  # shares, curve
        ("litmus", 1),
        ("shared", 2),  # binding, with room
        ("portfolio", 1),
        ("relevance", 2),  # repeat, explore
        ("backtest", 3),  # one a tier
        ("readout", 2),  # one a measure
    ],
)
def test_each_section_has_its_charts_and_each_chart_says_what_it_shows(page: str, anchor: str, charts: int) -> None:
    svgs = re.findall(r"<svg [^>]*>", section(page, anchor))
    assert len(svgs) == charts
    assert all('role="img" aria-label="' in s for s in svgs)


def test_assumed_figures_carry_a_badge_and_measured_ones_do_not(page: str) -> None:
    tiers = section(page, "tiers")
    # Three assumed figures in each of three tiers; the parameters of the model are measured.
    assert tiers.count('<span class="badge">assumed</span>') == 9
    # Four assumptions of the sample are assumed, the fifth is measured.
    assert section(page, "assumptions").count('<span class="badge">') == 4


def test_every_key_figure_of_the_summary_has_all_tiers_beside_it(page: str) -> None:
    keys = re.findall(r'<div class="key">.*?</dl>', section(page, "summary"), re.DOTALL)
    assert len(keys) == 6
    for key in keys:
        assert re.findall(r"<dt>Tier (\w)</dt>", key) == ["A", "B", "C"]


def test_the_expected_contribution_is_the_sum_of_the_tiers_with_the_range_of_the_lift(page: str) -> None:
    # 1,204 + 881 + 12.30 = 2,097.30; 310 + 96 - 6.10 = 399.90; 2,421 + 1,902 + 31.80 = 4,354.80.
    summary = section(page, "summary").replace("\N{NO-BREAK SPACE}", " ")
    assert "USD 2,097" in summary
    assert "400 to 4,355 (range of the assumed lift)" in summary


def test_a_replay_says_that_nothing_was_sent_and_a_real_turn_does_not(page: str) -> None:
    assert "nothing was really sent" in section(page, "readout")
    assert "nothing was" not in render_report(sample_facts(replay=False))


def test_missing_parts_say_how_to_get_them(bare: str) -> None:
    assert "<code>rapport backtest PROGRAM</code>" in section(bare, "backtest")
    for anchor in ("data", "tiers", "litmus", "shared", "portfolio", "relevance", "backtest", "readout"):
        assert 'class="missing"' in section(bare, anchor)
    assert outline(bare).open == []


def test_an_unknown_value_is_never_shown_as_zero(bare: str) -> None:
    assert "not known" in section(bare, "tiers")
    assert "<svg" not in section(bare, "tiers")


def test_a_figure_that_cannot_be_measured_says_so(page: str) -> None:
    assert "NOT_MEASURABLE: the data to measure it are not there" in section(page, "readout")


def test_names_are_escaped_in_text_and_charts() -> None:
    tiers = tuple(
        TierFacts('<b>&"x', "<script>alert(1)</script>", t.customers, t.total_value, t.value_share, money(1), 0)
        for t in TIERS[:1]
    )
    hostile = sample_facts(
        programme="<script>alert(1)</script>",
        challenges=(ChallengeFacts("<i>", '"><img src=x>'),),
        tiers=tiers,
    )
    page = render_report(hostile)
    found = outline(page)
    assert found.open == []
    assert not found.tags & {"script", "img", "i", "b"}
    assert "Corner Shop &amp; Sons" in render_report(sample_facts())


def test_a_long_table_is_folded_and_a_short_one_is_not(page: str) -> None:
    assert "<details><summary>All measures, by tier" in page
    assert "<details><summary>Worth of each tier" not in page


def words(text: str) -> str:
    """Return the text of a piece of the page, with ordinary spaces."""
    plain = re.sub(r"<svg.*?</svg>", " ", text, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", plain).replace("\N{NARROW NO-BREAK SPACE}", " ").split())


def test_the_limits_stand_with_bound_use_price_and_room_and_those_that_bind_come_first(page: str) -> None:
    rows = [words(r) for r in re.findall(r"<tr><th scope=\"row\">.*?</tr>", section(page, "shared"))]
    # At stake: 710 x .31 = 220.10; 40 x .45 = 18.00; 900 x .002 = 1.80; then the others, the fullest first.
    names = ["paper capacity", "supplier-funds:COFFEE", "promised-fruit", "supplier-funds:TEA", "mail capacity"]
    assert [r.split(" ")[0] for r in rows[:5]] == [n.split(" ")[0] for n in names]
    assert "at most 710" in rows[0]
    assert "710 (100 %)" in rows[0]
    assert "USD 0.31 assumed per piece" in rows[0]
    assert "at most USD 40" in rows[1]
    assert "USD 0.45 assumed per USD" in rows[1]
    assert "at least 900" in rows[2]
    assert rows[3].endswith("room for USD 13.50")
    assert rows[4].endswith("room for 1,659")


def test_the_plan_stands_beside_the_most_that_any_plan_can_be_worth(page: str) -> None:
    said = words(section(page, "shared"))
    assert (
        "Without chance the plan is worth USD 2,112; no plan within the limits can be worth more than USD 2,113"
        in said
    )
    assert (
        "the same limits give USD 1,999, and may miss minima. All three are assumed. Levers count in all three."
        in said
    )
    assert "3 of 5 limits bind." in said
    assert "Gap between them 0.03 %" in said
    assert "119 of 1,551 delivered" in said
    assert "23 of 1,551 delivered" in said
    assert "Levers" not in words(
        section(render_report(sample_facts(shared=replace(SHARED, steered=False))), "shared")
    )


def test_of_a_thousand_limits_those_that_bind_stand_and_the_others_are_counted() -> None:
    many = tuple(
        limit(f"stock:{i}", "offers", 10, 10 if i < 150 else 4, 0.1 if i < 150 else 0.0) for i in range(1000)
    )
    told = section(render_report(sample_facts(shared=replace(SHARED, limits=many))), "shared")
    # 150 bind, 100 of them stand in the table; 850 have room.
    assert len(re.findall(r"<th scope=\"row\">stock:", told)) == 100
    assert "850 more have room and 50 more bind. turn.json has them all." in words(told)
    few = section(render_report(sample_facts(shared=replace(SHARED, limits=many[:160]))), "shared")
    assert "10 more have room and 50 more bind." in words(few)


def test_a_limit_of_nothing_and_a_minimum_far_exceeded_are_drawn() -> None:
    odd = (*LIMITS, limit("none", "contacts", 0, 0, 0.2), limit("least", "offers", 10, 4_000, 0.0, at_least=True))
    told = section(render_report(sample_facts(shared=replace(SHARED, limits=odd))), "shared")
    assert "3,990 above" in words(told)
    assert told.count("<svg ") == 2


def test_the_page_without_anything_declared_still_shows_what_channels_carry() -> None:
    told = section(render_report(sample_facts(shared=replace(SHARED, limits=LIMITS[:1], declared=()))), "shared")
    assert "0 of 1 limits bind." in told
    assert told.count("<svg ") == 1


def test_the_summary_says_how_many_limits_bind_and_how_good_the_plan_is(page: str) -> None:
    told = section(page, "summary")
    said = words(told)
    assert "Every shared limit is kept; 3 of 5 limits bind. Without chance the plan is worth USD 2,112" in said
    assert '<a href="#shared">' in told
    assert "shared limit" not in words(section(render_report(sample_facts(shared=None)), "summary"))


def test_learning_that_costs_less_than_nothing_is_explained(page: str) -> None:
    facts = sample_facts()
    assert "below zero: chance" not in words(section(page, "decision"))
    first, *others = facts.decided
    earns = replace(first, exploration_cost=replace(first.exploration_cost, value=-1.2e6))
    told = section(render_report(replace(facts, decided=(earns, *others))), "decision")
    assert "A cost of learning below zero: chance spoke to customers whom the prices" in words(told)
