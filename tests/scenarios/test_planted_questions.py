"""In a market with planted traits, questions chosen by their worth bring more than the same number of others."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rapport.simulate.questions import REFUSED, QuestionWorld, simulate_questions
from rapport.workflows.bench_questions import bench_questions, outcomes_of


def test_questions_by_worth_beat_random_and_the_best_fixed_ones() -> None:
    market = simulate_questions(QuestionWorld(), 2_000, seed=11)
    found = outcomes_of(market, 11)
    each = {name: o.gain.sum() / o.asked.sum() for name, o in found.items()}
    assert each["ours"] > max(each["random"], each["fixed"], 0.0)
    assert found["ours_first"].gain.mean() > 0.0


def test_nothing_is_asked_where_answers_are_worth_less_than_asking_annoys() -> None:
    market = simulate_questions(QuestionWorld(annoyance=1_000.0), 100, seed=1)
    assert outcomes_of(market, 1)["ours"].asked.sum() == 0


def test_the_market_is_the_one_declared() -> None:
    world = QuestionWorld(reply=0.6, right=0.8)
    market = simulate_questions(world, 20_000, seed=5)
    said = market.said != REFUSED
    assert abs(said.mean() - 0.6) < 0.01
    assert abs((market.said == market.truth)[said].mean() - 0.8) < 0.01
    again = simulate_questions(world, 100, seed=5)
    assert (again.truth == market.truth[:100]).all()


def test_the_bench_gives_its_figures_with_intervals() -> None:
    told: list[str] = []
    figures = {r["name"]: r for r in bench_questions(Path(), True, told.append)}
    assert len(told) == 2
    for name in ("question_value_per_asked", "question_gain_over_random", "question_gain_over_fixed"):
        low, high = figures[name]["interval"]
        assert low < figures[name]["value"] < high
    assert np.isclose(
        figures["question_gain_over_fixed"]["value"],
        figures["question_value_per_asked"]["value"] - figures["question_value_fixed"]["value"],
        atol=1e-3,
    )
