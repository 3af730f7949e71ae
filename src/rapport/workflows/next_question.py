"""The next best question for a customer of a turn, or none, and what becomes of it.

Why it exists: a question is put only where the answer is expected to bring more than being asked annoys, and never
twice: not what was answered or refused in any channel, nor what is known from elsewhere. What answers are worth is
worked out in `question_values`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import numpy as np
import pyarrow as pa

from rapport.core.errors import LookupFailed, UnknownCustomer, nearest
from rapport.core.profiles import ANSWERED
from rapport.identify.questions import Alike, Sum, best_questions
from rapport.program.model import Program
from rapport.program.questions import Question
from rapport.program.rules import check_condition
from rapport.workflows.conditions import holds, with_tier
from rapport.workflows.identity_ports import IdentityMemory
from rapport.workflows.identity_records import Answer, AnswerStatus, Trait
from rapport.workflows.ports import Engine
from rapport.workflows.profiles import profile_of
from rapport.workflows.question_values import QuestionDesk, trait_of, weigh


class Standing(StrEnum):
    """Whether a question is asked, or why not."""

    ASK = "ASK"
    ENOUGH = "ENOUGH"
    NOT_WORTH_IT = "NOT_WORTH_IT"
    ANSWERED = "ANSWERED"
    REFUSED = "REFUSED"
    WAITING = "WAITING"
    KNOWN = "KNOWN"
    UNLESS = "UNLESS"
    CHANNEL = "CHANNEL"
    HELD_OUT = "HELD_OUT"


STANDINGS: dict[Standing, str] = {
    Standing.ASK: "ask it: the answer is expected to bring more than asking annoys",
    Standing.ENOUGH: "worth it, but others are worth more and a contact has room for no more",
    Standing.NOT_WORTH_IT: "the answer is expected to bring less than asking annoys",
    Standing.ANSWERED: "the customer has answered it, and the answer still holds",
    Standing.REFUSED: "the customer has refused to answer it",
    Standing.WAITING: "it was asked and waits for an answer",
    Standing.KNOWN: "the answer is known from elsewhere",
    Standing.UNLESS: "its condition `unless` holds",
    Standing.CHANNEL: "it may not be asked in this channel",
    Standing.HELD_OUT: "the customer is held out of everything",
}


@dataclass(frozen=True)
class Remembered:
    """What the memory knows that bears on questions to one customer.

    outcomes : by field, the last answer or refusal, else the last time it was asked
    beliefs : by field, the surviving value and how far it is believed
    """

    outcomes: Mapping[str, Answer] = field(default_factory=dict)
    beliefs: Mapping[str, tuple[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Weighed:
    """One question, whether it is asked, and the sum: probabilities and values by answer, in micros."""

    question: Question
    standing: Standing
    sum: Sum | None = None
    alike: Alike | None = None
    answers: tuple[str, ...] = ()

    def plain(self) -> dict[str, Any]:
        """Return it as plain values."""
        told: dict[str, Any] = {
            "field": self.question.field,
            "text": self.question.text,
            "answers": list(self.question.answers),
            "standing": str(self.standing),
            "why": STANDINGS[self.standing],
        }
        if self.sum is None or self.alike is None:
            return told
        by_answer = zip(self.answers, self.sum.probability.tolist(), self.sum.informed.tolist(), strict=True)
        return told | {
            "worth_micros": self.sum.worth,
            "gain_micros": round(self.sum.gain),
            "now_micros": self.sum.now,
            "reply_probability": self.sum.reply_probability,
            "decisions": self.sum.decisions,
            "annoyance_micros": self.sum.annoyance,
            "by_answer": [{"answer": a, "probability": p, "value_micros": v} for a, p, v in by_answer],
            "answered_by": self.alike.answered,
            "alike": list(self.alike.levels),
        }


def remembered(
    memory: IdentityMemory, program: Program, customer_id: str, as_of: datetime, said: pa.Table | None = None
) -> Remembered:
    """Return what is known of a customer: by the memory, and by what their records say (OBSERVATIONS).

    Nothing where the memory does not know the customer.
    """
    try:
        answers = memory.profiles.answers_of(customer_id)
        rows = profile_of(memory.profiles, program, customer_id, as_of, said)
    except UnknownCustomer:
        return Remembered()
    outcomes: dict[str, Answer] = {}
    for one in (a for a in answers if a.at <= as_of):
        # Refused once is refused for ever; else the latest outcome counts, and an answer more than an asking.
        held = outcomes.get(one.question)
        if held is None or _weight(one) > _weight(held):
            outcomes[one.question] = one
    return Remembered(outcomes, {r["field"]: (r["value"], r["belief"]) for r in rows})


def _weight(answer: Answer) -> tuple[int, datetime]:
    order: dict[AnswerStatus, int] = {"asked": 0, "answered": 1, "refused": 2}
    return order[answer.status], answer.at


def next_question(
    desk: QuestionDesk,
    engine: Engine,
    customer_id: str,
    known: Remembered,
    as_of: datetime,
    channel: str | None = None,
) -> list[Weighed]:
    """Return every question of the programme with its standing, those to ask first, then by worth.

    Parameters
    ----------
    desk : QuestionDesk
    engine : Engine
        Works out the conditions of rules and questions.
    known : Remembered
    as_of : aware datetime
    channel : str, optional
        In which it would be asked; any when absent.

    Raises
    ------
    UnknownCustomer, LookupFailed
        There is no such customer, or no such channel.
    """
    names = [c.name for c in desk.program.channels]
    if channel is not None and channel not in names:
        raise LookupFailed(
            f"channel: not in the programme - {channel!r}; must be one of {', '.join(names)}."
            f"{nearest(channel, names)}"
        )
    place = desk.place(customer_id)
    found = []
    for question in desk.program.questions:
        shut = _settled(desk, question, place, known, as_of) or _unfit(desk, engine, question, place, channel)
        found.append(
            Weighed(question, shut)
            if shut
            else Weighed(question, Standing.NOT_WORTH_IT, *weigh(desk, engine, question, place))
        )
    worth = [w.sum.worth if w.sum else -1 for w in found]
    asked = best_questions(worth, desk.program.identify.questions_per_contact)
    standing = [
        w.standing if w.sum is None else Standing.ASK if q in asked else _unasked(worth[q])
        for q, w in enumerate(found)
    ]
    ranked = sorted(range(len(found)), key=lambda q: (found[q].sum is None, -worth[q], q))
    return [Weighed(found[q].question, standing[q], found[q].sum, found[q].alike, found[q].answers) for q in ranked]


def _unasked(worth: int) -> Standing:
    return Standing.ENOUGH if worth > 0 else Standing.NOT_WORTH_IT


def _settled(
    desk: QuestionDesk, question: Question, place: int, known: Remembered, as_of: datetime
) -> Standing | None:
    """Return why there is nothing to ask: held out, refused, answered, known, or waiting; None where there is."""
    outcome = known.outcomes.get(question.field)
    status = None if outcome is None else outcome.status
    if desk.holdout[place]:
        return Standing.HELD_OUT
    if status == "refused":
        return Standing.REFUSED
    if _holds_still(desk, question, place, known):
        return Standing.ANSWERED if status == "answered" else Standing.KNOWN
    waits = timedelta(days=question.again_after_days)
    if outcome is not None and status == "asked" and as_of - outcome.at < waits:
        return Standing.WAITING
    return None


def _unfit(
    desk: QuestionDesk, engine: Engine, question: Question, place: int, channel: str | None
) -> Standing | None:
    """Return why it is not asked here and of this customer; None where it may be."""
    if channel is not None and question.channels is not None and channel not in question.channels:
        return Standing.CHANNEL
    if question.unless is not None and _unless(desk, engine, question, place):
        return Standing.UNLESS
    return None


def _holds_still(desk: QuestionDesk, question: Question, place: int, known: Remembered) -> bool:
    """Return whether the field is known with enough belief; what only the sources of the turn hold is believed."""
    if question.field in known.beliefs:
        return known.beliefs[question.field][1] >= desk.program.identify.outdated_below
    trait = trait_of(desk, question)
    return trait is not None and desk.states[trait][place].is_valid


def _unless(desk: QuestionDesk, engine: Engine, question: Question, place: int) -> bool:
    where = f"questions.{question.field}.unless"
    row = with_tier(desk.states.slice(place, 1), np.array([desk.scores["tier"][place].as_py()]))
    checked = check_condition(str(question.unless), row.column_names, where)
    engine.register_arrow("asked_states", row)
    return bool(holds(engine, checked, "asked_states", "customer_key", where)[0])


def question_of(program: Program, name: str) -> Question:
    """Return the question that asks for a field; raise LookupFailed where there is none."""
    fields = [q.field for q in program.questions]
    if name not in fields:
        allowed = ", ".join(fields) or "none is there"
        raise LookupFailed(
            f"questions: none asks for {name!r}; must be one of: {allowed}.{nearest(name, fields)} Declare it under "
            "[[questions]] in program.toml."
        )
    return program.questions[fields.index(name)]


def record_outcome(
    memory: IdentityMemory,
    program: Program,
    customer_id: str,
    outcome: tuple[str, AnswerStatus, str | None],
    channel: str,
    at: datetime,
) -> Answer:
    """Remember what became of a question: `outcome` is its field, the status, and the answer if one was given.

    An answer becomes a trait of the customer, believed as answers are.

    Raises
    ------
    LookupFailed
        No question asks for the field, or the answer is none of those offered.
    UnknownCustomer
        The memory has no such customer.
    """
    name, status, value = outcome
    question = question_of(program, name)
    if status == "answered" and (not value or (question.answers and value not in question.answers)):
        allowed = ", ".join(question.answers) or "a text that is not empty"
        raise LookupFailed(
            f"answer to {name}: is {value!r}; must be one of: {allowed}.{nearest(value or '', question.answers)}"
        )
    node = memory.records.node_keys(customer_id)[0]
    answer = Answer(node, name, status, channel, at, value)
    memory.profiles.remember_answers([answer])
    if status == "answered" and value is not None:
        memory.profiles.remember_traits([Trait(node, name, value, ANSWERED, at)])
    return answer
