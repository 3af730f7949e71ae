"""The worth of information in textbook cases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport.core.errors import LookupFailed
from rapport.identify.questions import (
    UNKNOWN,
    Sum,
    answer_probabilities,
    best_questions,
    probabilities_given,
    signal_worth,
    value_of_answers,
    value_of_signals,
)

# The oil wildcatter of Raiffa (1968), "Decision analysis", in thousands: drill or not, a well that is dry, wet or
# soaking; a seismic test tells of no, open or closed structure.
WELL = np.array([[-70.0, 0.0], [50.0, 0.0], [200.0, 0.0]])
CHANCE = np.array([0.5, 0.3, 0.2])
TEST = np.array([[0.6, 0.3, 0.1], [0.3, 0.4, 0.3], [0.1, 0.4, 0.5]])


def test_matches_raiffa_1968_oil_wildcatter_perfect_information() -> None:
    found = value_of_answers(WELL, CHANCE)
    assert (found.now, found.informed, found.worth) == pytest.approx((20.0, 55.0, 35.0))
    assert (found.best_now, found.best) == (0, (1, 0, 0))


def test_matches_raiffa_1968_oil_wildcatter_seismic_test() -> None:
    # With the test, whose cost of 10 is not counted here, 32.5 are expected: 22.5 after its cost.
    found = value_of_signals(WELL, CHANCE, TEST)
    assert found.informed == pytest.approx(32.5)
    assert found.worth == pytest.approx(12.5)
    assert found.best == (1, 0, 0)


def test_many_customers_at_once_are_worth_what_each_is_alone() -> None:
    other = np.array([0.1, 0.2, 0.7])
    found = signal_worth(np.stack([WELL, WELL]), np.stack([CHANCE, other]), TEST)
    assert found[0] == pytest.approx(12.5)
    # Nothing that the test can say makes it better not to drill where soaking is so likely.
    assert found[1] == pytest.approx(0.0)


@given(
    st.lists(st.lists(st.floats(-1e6, 1e6), min_size=3, max_size=3), min_size=2, max_size=5),
    st.lists(st.floats(0.01, 1.0), min_size=5, max_size=5),
)
def test_knowing_is_worth_nothing_or_more_and_no_signal_is_worth_more_than_the_truth(
    values: list[list[float]], weights: list[float]
) -> None:
    v = np.array(values)
    p = np.array(weights[: len(v)]) / sum(weights[: len(v)])
    mixed = np.full((len(v), len(v)), 0.5 / len(v)) + np.eye(len(v)) * 0.5
    whole, part = value_of_answers(v, p).worth, value_of_signals(v, p, mixed).worth
    assert -1e-6 <= part <= whole + 1e-6
    assert value_of_signals(v, p, np.eye(len(v))).worth == pytest.approx(whole, abs=1e-6)


def test_what_is_no_probability_is_refused() -> None:
    for values, chance in ((WELL, CHANCE * 2), (WELL, CHANCE[:2]), (WELL * np.nan, CHANCE)):
        with pytest.raises(LookupFailed):
            value_of_answers(values, chance)
    with pytest.raises(LookupFailed, match="row for each of 3 answers"):
        value_of_signals(WELL, CHANCE, TEST * 2)


def test_answers_of_customers_alike_outweigh_those_of_all() -> None:
    answers = np.array([0] * 60 + [1] * 60)
    alike, noise = np.repeat([0, 1], 60), np.tile([0, 1], 60)
    found = answer_probabilities(answers, 2, np.stack([noise, alike], axis=1), np.array([0, 1]))
    # All: (60 + 1) / (120 + 2) = 0.5; alike: (60 + 10 x 0.5) / (60 + 10).
    assert found.probability == pytest.approx([5 / 70, 65 / 70])
    assert (found.answered, found.levels) == (120, (120, 60))


def test_nobody_who_answered_says_nothing_and_what_is_unknown_is_passed_over() -> None:
    nobody = answer_probabilities(np.full(5, UNKNOWN), 4, np.zeros((5, 1), dtype=np.int64), np.array([0]))
    assert nobody.probability == pytest.approx([0.25] * 4)
    known = answer_probabilities(np.array([0, 0, 1]), 2, np.array([[0], [0], [1]]), np.array([UNKNOWN]))
    assert known.probability == pytest.approx([3 / 5, 2 / 5])


def test_chances_after_an_answer_average_to_those_before_it() -> None:
    share = np.array([0.2, 0.8])
    totals, counts = np.array([[30.0], [10.0]]), np.array([[100.0], [100.0]])
    found = probabilities_given(np.array([0.1]), share, totals, counts, np.array([0.2]))
    assert share @ found == pytest.approx([0.1])
    # (30 + 25 x 0.2) / (125 x 0.2) = 1.4 and (10 + 5) / 25 = 0.6, over their mean 0.2 x 1.4 + 0.8 x 0.6 = 0.76.
    assert found[:, 0] == pytest.approx([0.1 * 1.4 / 0.76, 0.1 * 0.6 / 0.76])


def test_a_question_is_worth_the_gain_times_the_chance_of_an_answer_less_the_annoyance() -> None:
    told = Sum(np.array([0.25, 0.75]), np.array([400, 200]), 150, 0.5, 3, 20)
    # 0.25 x 400 + 0.75 x 200 - 150 = 100.
    assert (told.gain, told.worth) == (100.0, 130)
    assert best_questions([5, -1, 9, 0], 2) == [2, 0]
    assert best_questions([-1, 0], 2) == []
