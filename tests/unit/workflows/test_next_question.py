"""What is asked of a customer of a turn, what it is worth, and that nothing is asked twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from customer_memories import ListedMemory
from rapport.core.errors import LookupFailed, UnknownCustomer
from rapport.core.profiles import ANSWERED
from rapport.program.model import Program
from rapport.program.questions import Question
from rapport.wiring import make_engine, open_store
from rapport.workflows.identity_ports import IdentityMemory
from rapport.workflows.identity_records import Trait
from rapport.workflows.next_question import Remembered, Weighed, next_question, record_outcome, remembered
from rapport.workflows.ports import Engine
from rapport.workflows.programs import read_program
from rapport.workflows.question_values import QuestionDesk, answered_scores, best_value, open_questions

NOW = datetime(2026, 3, 2, tzinfo=UTC)
NOTHING = Remembered()
BANDS = ("under 18", "18-34", "35-54", "55+")
AGE = Question(field="age_band", text="How old are you?", answers=BANDS, annoyance=0.0)
MAIL = Question(field="email", text="Where may we write to you?", annoyance=0.0, reply_probability=0.25)
SHOE = Question(field="shoe_size", text="What is your shoe size?", answers=("41", "42"), annoyance=0.01)


@dataclass(frozen=True)
class Shop:
    """A planned turn laid out for questions, an engine, and its programme."""

    desk: QuestionDesk
    engine: Engine

    def asking(self, *questions: Question, at_most: int = 1) -> Shop:
        identify = self.desk.program.identify.model_copy(update={"questions_per_contact": at_most})
        program = self.desk.program.model_copy(update={"questions": questions, "identify": identify})
        return replace(self, desk=replace(self.desk, program=program))

    def weighed(self, customer: str, known: Remembered = NOTHING, channel: str | None = None) -> list[Weighed]:
        return next_question(self.desk, self.engine, customer, known, NOW, channel)

    def standing(self, customer: str, known: Remembered = NOTHING, channel: str | None = None) -> str:
        (found,) = self.weighed(customer, known, channel)
        return str(found.standing)

    def lacking(self, trait: str, held_out: bool = False) -> str:
        missing = pc.is_null(self.desk.states[trait]).to_numpy() & (self.desk.holdout == held_out)
        return str(self.desk.states["customer_id"][int(np.flatnonzero(missing)[0])].as_py())


@pytest.fixture(scope="module")
def opened(composed: Path) -> Iterator[Shop]:
    store = open_store(composed)
    program: Program = read_program(composed / "program.toml")
    with make_engine() as engine:
        yield Shop(open_questions(store, store.require_turn(None), program), engine)


def test_an_address_is_worth_what_the_channel_it_opens_is_worth(opened: Shop) -> None:
    shop = opened.asking(MAIL)
    customer = shop.lacking("email")
    (found,) = shop.weighed(customer)
    assert found.sum is not None
    told = found.plain()
    # Whoever gives an address can be written to for half a cent instead of by letter or not at all.
    assert told["by_answer"][0]["value_micros"] > told["now_micros"] >= 0
    gain = told["by_answer"][0]["value_micros"] - told["now_micros"]
    assert told["worth_micros"] == round(0.25 * gain)
    assert (str(found.standing), told["answered_by"] > 0) == ("ASK", True)


def test_the_age_opens_wine_to_adults_and_leaves_a_minor_as_before(opened: Shop) -> None:
    shop = opened.asking(AGE)
    (found,) = shop.weighed(shop.lacking("age_band"))
    assert found.sum is not None
    assert found.alike is not None
    assert found.sum.probability.sum() == pytest.approx(1.0)
    expected = sum(p * v for p, v in zip(found.sum.probability, found.sum.informed, strict=True)) - found.sum.now
    assert found.sum.worth == pytest.approx(0.5 * expected, abs=1)


def test_an_answer_opens_what_a_rule_closes_and_moves_chances_that_average_to_those_of_now(opened: Shop) -> None:
    desk = opened.desk
    place = desk.place(opened.lacking("age_band"))
    codes = np.where(np.arange(len(desk.states)) % 2 == 0, 0, 1)
    scores = desk.scores.take(pa.array([place] * 3))
    share = np.array([0.3, 0.7])
    told = answered_scores(desk, opened.engine, scores, "age_band", place, BANDS[:2], (codes, share))
    wine = np.flatnonzero(pc.equal(desk.catalogue["category"], "Wine").fill_null(False).to_numpy())
    rule = [r.name for r in desk.program.rules].index("no-alcohol-for-minors") + 1
    now, minor, adult = (np.array(v)[wine] for v in told["excluded"].to_pylist())
    assert len(wine) > 0
    assert (now == rule).all()
    assert (minor == rule).all()
    assert (adult == 0).all()
    chances = np.array(told["base_probability"].to_pylist())
    assert share @ chances[1:] == pytest.approx(chances[0], abs=1e-6)
    assert not np.allclose(chances[1], chances[2])


def test_a_field_that_no_decision_reads_is_worth_its_annoyance_less(opened: Shop) -> None:
    (found,) = opened.asking(SHOE).weighed("K0001")
    assert found.sum is not None
    assert (found.sum.worth, str(found.standing)) == (-10_000, "NOT_WORTH_IT")


def test_a_dear_question_is_not_asked_and_an_answer_that_serves_longer_is_worth_more(opened: Shop) -> None:
    dear = MAIL.model_copy(update={"annoyance": 1e6})
    customer = opened.lacking("email")
    assert opened.asking(dear).standing(customer) == "NOT_WORTH_IT"
    once, ten = (opened.asking(MAIL.model_copy(update={"decisions": d})).weighed(customer)[0].sum for d in (1, 10))
    assert once is not None
    assert ten is not None
    assert ten.worth == pytest.approx(10 * once.worth, abs=10)


def test_a_contact_has_room_for_one_question_or_two(opened: Shop) -> None:
    other = MAIL.model_copy(update={"field": "shoe_size", "annoyance": 0.0, "answers": ("41", "42")})
    both = pc.and_(pc.is_null(opened.desk.states["email"]), pc.is_null(opened.desk.states["age_band"])).to_numpy()
    places = np.flatnonzero(both & ~opened.desk.holdout)
    customer = opened.desk.states["customer_id"][int(places[0])].as_py()
    for at_most in (1, 2):
        shop = opened.asking(other, AGE, MAIL, at_most=at_most)
        found = shop.weighed(customer)
        worth = [w.sum.worth for w in found if w.sum is not None]
        assert worth == sorted(worth, reverse=True)
        asked = [w for w in found if w.standing == "ASK"]
        assert len(asked) == min(at_most, sum(v > 0 for v in worth))


def test_what_is_known_is_not_asked_and_what_is_outdated_is_asked_again(opened: Shop) -> None:
    shop = opened.asking(AGE)
    customer = shop.lacking("age_band")
    assert shop.standing(customer, Remembered(beliefs={"age_band": ("35-54", 0.25)})) == "KNOWN"
    assert shop.standing(customer, Remembered(beliefs={"age_band": ("35-54", 0.24)})) in ("ASK", "NOT_WORTH_IT")
    knows = pc.is_valid(shop.desk.states["age_band"]).to_numpy() & ~shop.desk.holdout
    known = shop.desk.states["customer_id"][int(np.flatnonzero(knows)[0])].as_py()
    assert shop.standing(known) == "KNOWN"
    # Known to the sources of the turn, and yet too old to be believed by what the memory holds.
    assert shop.standing(known, Remembered(beliefs={"age_band": ("35-54", 0.1)})) in ("ASK", "NOT_WORTH_IT")


def test_what_was_answered_or_refused_in_any_channel_is_never_asked_again(opened: Shop) -> None:
    shop = opened.asking(AGE)
    customer = shop.lacking("age_band")
    kept, memory = ListedMemory.of({customer: [7]})
    program = shop.desk.program
    record_outcome(memory, program, customer, ("age_band", "answered", "35-54"), "call", NOW)
    assert shop.standing(customer, remembered(memory, program, customer, NOW), "email") == "ANSWERED"
    assert kept.traits_of(customer) == [Trait(7, "age_band", "35-54", ANSWERED, NOW)]
    years = timedelta(days=5 * 365)
    later = remembered(memory, program, customer, NOW + years)
    found = next_question(shop.desk, shop.engine, customer, later, NOW + years)
    assert found[0].standing in ("ASK", "NOT_WORTH_IT")
    record_outcome(memory, program, customer, ("age_band", "refused", None), "letter", NOW + years)
    later = remembered(memory, program, customer, NOW + 2 * years)
    assert next_question(shop.desk, shop.engine, customer, later, NOW + 2 * years)[0].standing == "REFUSED"


def test_what_was_asked_waits_and_may_be_asked_again_in_time(opened: Shop) -> None:
    shop = opened.asking(AGE)
    customer = shop.lacking("age_band")
    _, memory = ListedMemory.of({customer: [7]})
    program = shop.desk.program
    record_outcome(memory, program, customer, ("age_band", "asked", None), "call", NOW - timedelta(days=89))
    assert shop.standing(customer, remembered(memory, program, customer, NOW)) == "WAITING"
    record_outcome(memory, program, customer, ("age_band", "asked", None), "call", NOW - timedelta(days=90))
    _, fresh = ListedMemory.of({customer: [7]})
    record_outcome(fresh, program, customer, ("age_band", "asked", None), "call", NOW - timedelta(days=90))
    assert shop.standing(customer, remembered(fresh, program, customer, NOW)) != "WAITING"


def test_channel_condition_and_holdout_keep_a_question_back(opened: Shop) -> None:
    customer = opened.lacking("age_band")
    shop = opened.asking(AGE.model_copy(update={"channels": ("call",), "unless": "tier = tier"}))
    assert shop.standing(customer, channel="email") == "CHANNEL"
    assert shop.standing(customer, channel="call") == "UNLESS"
    mail = opened.asking(MAIL)
    held = opened.desk.states["customer_id"][int(np.flatnonzero(opened.desk.holdout)[0])].as_py()
    assert mail.standing(held) == "HELD_OUT"


def test_who_or_what_is_not_there_is_said(opened: Shop) -> None:
    shop = opened.asking(AGE)
    with pytest.raises(UnknownCustomer, match="'nobody' is not among the 300"):
        shop.weighed("nobody")
    with pytest.raises(LookupFailed, match="Did you mean email"):
        shop.weighed("K0001", channel="emial")
    _, memory = ListedMemory.of({"K0001": [7]})
    for outcome, told in (
        (("age", "refused", None), "none asks for 'age'"),
        (("age_band", "answered", "34"), "is '34'; must be one of: under 18"),
        (("age_band", "answered", ""), "must be one of"),
    ):
        with pytest.raises(LookupFailed, match=told):
            record_outcome(memory, shop.desk.program, "K0001", outcome, "call", NOW)  # type: ignore[arg-type]
    with pytest.raises(UnknownCustomer):
        record_outcome(memory, shop.desk.program, "K9", ("age_band", "refused", None), "call", NOW)


def test_a_customer_the_memory_does_not_know_is_one_of_whom_nothing_is_remembered(opened: Shop) -> None:
    memory: IdentityMemory = ListedMemory.of({})[1]
    assert remembered(memory, opened.desk.program, "K0001", NOW) == Remembered()


@pytest.mark.parametrize(
    ("worth", "forced", "value"),
    [([], False, 0), ([-5], False, 0), ([-5, -3], True, -3), ([4, 9], False, 9), ([], True, 0)],
)
def test_the_best_choice_is_a_channel_or_silence(worth: list[int], forced: bool, value: int) -> None:
    assert best_value(worth, forced) == value


def test_the_value_now_is_that_of_the_decision_on_record(opened: Shop, composed: Path) -> None:
    store = open_store(composed)
    decisions: pa.Table = store.read_table(store.require_turn(None), "decisions")
    shop = opened.asking(MAIL)
    customer = shop.lacking("email")
    (row,) = decisions.filter(pc.equal(decisions["customer_id"], customer)).to_pylist()
    net = [v - p for v, p in zip(row["channel_values_micros"], row["channel_prices_micros"], strict=True)]
    (found,) = shop.weighed(customer)
    assert found.sum is not None
    assert found.sum.now == max([0, *net])
