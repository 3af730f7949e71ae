"""What each answer of a customer would change in the decision, in money.

Why it exists: what an answer would bring is told by the one decision function, on the customer's own row with the
answer written in; no second way of deciding may enter.

What an answer changes in the row: offers that rules and conditions open or close; channels that need the trait; and
the chances of buying, by how customers who gave the answer differ from all. Limits' scopes, plays and includes stay
those of the turn.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rapport.core.errors import StageMissing, UnknownCustomer
from rapport.core.money import to_micros
from rapport.core.tables import STATES
from rapport.decide.decide import decide_under
from rapport.decide.describe import Terms
from rapport.decide.terms import Prices, Repairs
from rapport.identify.load_sql import name_traits
from rapport.identify.questions import UNKNOWN, Alike, Sum, answer_probabilities, probabilities_given
from rapport.program.model import Program
from rapport.program.questions import Question
from rapport.workflows.plan import decision_rows, terms_from
from rapport.workflows.ports import Engine
from rapport.workflows.score import COOLED_DOWN, VETOED, exclusions
from rapport.workflows.state_ports import Store

GIVEN = "(given)"
"""Stands for whatever a customer says where the answers are not listed."""

LEARNERS = 20_000
"""Customers whose chances tell what an answer says of taste, at most: the first by key, which is by hash."""

MOST_LEVELS = 12
"""A trait with more values than this does not say who is alike."""


@dataclass(frozen=True)
class QuestionDesk:
    """A turn laid out for questions: tables of all customers, and what decides."""

    program: Program
    turn: str
    states: pa.Table
    scores: pa.Table
    catalogue: pa.Table
    terms: Terms
    prices: Prices
    holdout: NDArray[np.bool_]

    def place(self, customer_id: str) -> int:
        """Return the row of a customer; raise UnknownCustomer."""
        at = pc.index(self.states["customer_id"], pa.scalar(customer_id)).as_py()
        if at < 0:
            raise UnknownCustomer(
                f"customer {customer_id!r} is not among the {len(self.states):,} of turn {self.turn}. Ids are those "
                "of the sources, or of customers where the programme identifies people."
            )
        return int(at)


def open_questions(store: Store, turn: str, program: Program) -> QuestionDesk:
    """Return a planned turn laid out for questions; raise StageMissing where it has not been planned."""
    if not store.has_table(turn, "decisions"):
        raise StageMissing(f"turn {turn} has no decisions yet. Run: rapport plan with the programme's folder")
    folder = store.turn_folder(turn)
    offers = store.read_table(turn, "catalogue")
    declared = store.read_json(folder / "limits.json") or {}
    catalogue, models, policy, prices = terms_from(store.read_json(folder / "terms.json"), offers, declared)
    holdout = pc.equal(store.read_table(turn, "decisions")["arm"], "holdout").to_numpy()
    return QuestionDesk(
        program=program,
        turn=turn,
        states=store.read_table(turn, "states"),
        scores=store.read_table(turn, "scores"),
        catalogue=offers,
        terms=Terms.of(catalogue, models, policy),
        # Repairs are for the decisions of the turn alone, not for decisions after an answer.
        prices=Prices(prices.limit_micros, prices.explorable, Repairs.none(policy.portfolio_size)),
        holdout=np.asarray(holdout, dtype=np.bool_),
    )


def trait_of(desk: QuestionDesk, question: Question) -> str | None:
    """Return the column of the states that the answer fills, None where there is none."""
    (name,) = name_traits([question.field])
    return name if name in desk.states.column_names else None


def weigh(desk: QuestionDesk, engine: Engine, question: Question, place: int) -> tuple[Sum, Alike, tuple[str, ...]]:
    """Return what asking a customer of the turn is worth, who was alike, and the answers in the order of the sum."""
    answers = question.answers or (GIVEN,)
    trait = trait_of(desk, question)
    codes = _codes(desk, trait, answers)
    alike = answer_probabilities(codes, len(answers), *_features(desk, trait, place))
    values = _values(desk, engine, trait, place, answers, (codes, alike.probability))
    whole = Sum(
        probability=alike.probability,
        informed=values[1:],
        now=int(values[0]),
        reply_probability=question.reply_probability,
        decisions=question.decisions,
        annoyance=to_micros(question.annoyance),
    )
    return whole, alike, answers


def _codes(desk: QuestionDesk, trait: str | None, answers: Sequence[str]) -> NDArray[np.int64]:
    """Return which answer each customer's trait is, UNKNOWN for none of them."""
    if trait is None:
        return np.full(len(desk.states), UNKNOWN, dtype=np.int64)
    if list(answers) == [GIVEN]:
        return np.where(desk.states[trait].is_valid().to_numpy(), 0, UNKNOWN).astype(np.int64)
    text = desk.states[trait].cast(pa.string())
    found = pc.fill_null(pc.index_in(text, value_set=pa.array(answers)), UNKNOWN)
    return np.asarray(found.to_numpy(), dtype=np.int64)


def _features(desk: QuestionDesk, trait: str | None, place: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return what else is known of all customers, and of one, as codes: tier, needs group, department, traits."""
    columns = [desk.scores["tier"], desk.scores["needs_group"], desk.states["top_department"]]
    columns += [desk.states[n] for n in desk.states.column_names if n not in STATES.names and n != trait]
    coded = []
    for column in columns:
        encoded = column.combine_chunks().dictionary_encode()
        if 2 <= len(encoded.dictionary) <= MOST_LEVELS:
            coded.append(pc.fill_null(encoded.indices, UNKNOWN).to_numpy().astype(np.int64))
    features = np.stack(coded, axis=1) if coded else np.zeros((len(desk.states), 0), dtype=np.int64)
    return features, features[place]


def _values(
    desk: QuestionDesk,
    engine: Engine,
    trait: str | None,
    place: int,
    answers: Sequence[str],
    known: tuple[NDArray[np.int64], NDArray[np.float64]],
) -> NDArray[np.int64]:
    """Return the value of the best decision now, then after each answer, (1 + A,) micros."""
    times = np.full(len(answers) + 1, place, dtype=np.int64)
    scores = desk.scores.take(pa.array(times)).combine_chunks()
    if trait is not None:
        scores = answered_scores(desk, engine, scores, trait, place, answers, known)
    states = desk.states.take(pa.array(times)).combine_chunks()
    rows = decision_rows(states, scores, desk.turn, np.zeros(len(times), dtype=np.bool_))
    decided = decide_under(rows, desk.terms, desk.prices)
    return np.array([best_value(*row) for row in _channel_sums(decided, scores)], dtype=np.int64)


def _channel_sums(decided: pa.Table, scores: pa.Table) -> list[tuple[list[int], bool]]:
    """Return for each decision the worth of the open channels at the prices, and whether one must be taken."""
    worth = [
        [v - p for v, p in zip(values, prices, strict=True)]
        for values, prices in zip(
            decided["channel_values_micros"].to_pylist(), decided["channel_prices_micros"].to_pylist(), strict=True
        )
    ]
    return list(zip(worth, pc.fill_null(scores["forced"], False).to_pylist(), strict=True))


def best_value(worth: list[int], forced: bool) -> int:
    """Return the worth of the best choice: of the best channel, or of silence, which is 0, unless it is forced."""
    return max(worth, default=0) if forced else max([0, *worth])


def answered_scores(
    desk: QuestionDesk,
    engine: Engine,
    scores: pa.Table,
    trait: str,
    place: int,
    answers: Sequence[str],
    known: tuple[NDArray[np.int64], NDArray[np.float64]],
) -> pa.Table:
    """Return the customer's scores as they are, then as they would be after each answer."""
    excluded, base, before, reachable = (
        np.array(desk.scores[n][place].as_py())
        for n in ("excluded", "base_probability", "bought_before", "reachable")
    )
    state = _answered_states(desk, trait, place, answers)
    played, offers = _without_plays(desk)
    told = exclusions(engine, state, offers, desk.program)
    # Cooling down, vetoes and whom a play is for do not hang on the answer.
    kept = np.isin(excluded, (COOLED_DOWN, VETOED)) | played
    told = np.where(kept[None, :], excluded[None, :], told)
    chances = probabilities_given(base.astype(np.float64), known[1], *_taste(desk, known[0], len(answers), before))
    needs = [c.needs is not None and name_traits([c.needs])[0] == trait for c in desk.program.channels]
    columns = {
        "excluded": np.concatenate([excluded[None, :], told]),
        "base_probability": np.concatenate([base[None, :], chances]),
        "reachable": np.concatenate([reachable[None, :], np.repeat([reachable | needs], len(answers), axis=0)]),
    }
    for name, matrix in columns.items():
        kind = scores.schema.field(name)
        scores = scores.set_column(scores.schema.get_field_index(name), kind, pa.array(matrix.tolist(), kind.type))
    return _demanded_open(scores, columns["excluded"])


def _without_plays(desk: QuestionDesk) -> tuple[NDArray[np.bool_], pa.Table]:
    """Return which offers stand for plays, and the catalogue with no condition on those."""
    played = np.zeros(len(desk.catalogue), dtype=np.bool_)
    if desk.terms.catalogue.plays is not None:
        played[desk.terms.catalogue.plays.offer] = True
    at, kind = desk.catalogue.schema.get_field_index("eligible"), desk.catalogue.schema.field("eligible")
    plain = pc.if_else(pa.array(played), pa.scalar(None, kind.type), desk.catalogue["eligible"].combine_chunks())
    return played, desk.catalogue.set_column(at, kind, plain)


def _demanded_open(scores: pa.Table, excluded: NDArray[Any]) -> pa.Table:
    """Return the scores with only open offers among those demanded."""
    must = [[j for j in v or [] if excluded[r][j] == 0] for r, v in enumerate(scores["must_offers"].to_pylist())]
    kind = scores.schema.field("must_offers")
    return scores.set_column(scores.schema.get_field_index("must_offers"), kind, pa.array(must, kind.type))


def _answered_states(desk: QuestionDesk, trait: str, place: int, answers: Sequence[str]) -> pa.Table:
    """Return the customer's state once for each answer, with keys that keep their order."""
    states = desk.states.take(pa.array(np.full(len(answers), place))).combine_chunks()
    for name, values in ((trait, pa.array(answers)), ("customer_key", pa.array(range(len(answers)), pa.int64()))):
        kind = states.schema.field(name)
        states = states.set_column(states.schema.get_field_index(name), kind, values.cast(kind.type))
    return states


def _taste(
    desk: QuestionDesk, codes: NDArray[np.int64], answer_count: int, before: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return sums and counts by answer, and the mean, of the chances of customers alike in what they bought."""
    rows = np.flatnonzero(codes != UNKNOWN)[:LEARNERS]
    offers = len(desk.catalogue)
    if not len(rows):
        none = np.zeros((answer_count, offers))
        return none, none, np.zeros(offers)
    part = desk.scores.select(["base_probability", "bought_before"]).take(pa.array(rows)).combine_chunks()
    chances, bought = (
        part[n].combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(-1, offers)
        for n in part.column_names
    )
    alike = bought.astype(np.bool_) == before[None, :]
    counted = np.where(alike, chances, 0.0).astype(np.float64)
    mine = codes[rows]
    totals = np.stack([counted[mine == a].sum(axis=0) for a in range(answer_count)])
    counts = np.stack([alike[mine == a].sum(axis=0) for a in range(answer_count)]).astype(np.float64)
    return totals, counts, counted.sum(axis=0) / np.maximum(alike.sum(axis=0), 1)
