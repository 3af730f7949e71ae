"""What customers could give is planted in made-up shops, and found again within a stated error."""

from __future__ import annotations

import numpy as np
import pytest

from rapport.core.keys import uniform
from rapport.differentiate.payoff_spread import split_variance
from rapport.differentiate.potential import PotentialModel, most_growable, potential
from rapport.simulate.potential import PotentialWorld, SimulatedPotential, simulate_potential

QUANTILE = 0.80
SEEDS = range(10)
ALIKE = PotentialWorld(needs_spread=0.0, age_spread=0.0, income_spread=0.0)


def _finest(made: SimulatedPotential) -> tuple[PotentialModel, np.ndarray, np.ndarray]:
    """Return the model, the finest cells, and the true quantile of each, micros."""
    model, found = potential(made.actual_micros, made.labels)
    cells, first = np.unique(found.cell, return_index=True)
    return model, cells, made.quantile_micros(QUANTILE)[first]


def _errors(world: PotentialWorld, customers: int) -> dict[str, np.ndarray]:
    """Return logarithmic errors of every finest cell over the seeds, its size, and whether the interval holds it."""
    parts: dict[str, list[np.ndarray]] = {k: [] for k in ("completed", "own", "coarser", "size", "held")}
    for seed in SEEDS:
        model, cells, true = _finest(simulate_potential(world, customers, seed))
        row = {labels: i for i, labels in enumerate(model.labels)}
        # Two levels up: the cell before the last label (each label has a level that asks whether it is known).
        above = [row[model.labels[c][:-2]] for c in cells]
        parts["completed"].append(np.log(model.potential_micros[cells] / true))
        parts["own"].append(np.log(model.own_micros[cells] / true))
        parts["coarser"].append(np.log(model.own_micros[above] / true))
        parts["size"].append(model.customers[cells])
        parts["held"].append((model.low_micros[cells] <= true) & (true <= model.high_micros[cells]))
    return {k: np.concatenate(v) for k, v in parts.items()}


def _rms(errors: np.ndarray) -> float:
    return float(np.sqrt(np.mean(errors**2)))


def test_the_shop_has_the_quantile_that_its_maker_states() -> None:
    # One cell of 200,000: the standard error of a share of .8 is .0009.
    world = PotentialWorld(needs=1, ages=1, incomes=1, missing_share=0.0)
    made = simulate_potential(world, 200_000, seed=1)
    true = made.quantile_micros(QUANTILE)
    assert np.ptp(true) == 0.0
    assert np.mean(made.actual_micros <= true[0]) == pytest.approx(QUANTILE, abs=0.003)


def test_planted_potential_is_found_within_a_quarter_and_better_than_by_own_or_coarser_peers_alone() -> None:
    # Measured over 20 seeds of 2,500 customers: .237 completed, .629 own peers alone, .286 the coarser cell alone.
    found = _errors(PotentialWorld(), 2500)
    assert _rms(found["completed"]) < 0.27
    assert _rms(found["completed"]) < 0.9 * _rms(found["coarser"]) < 0.9 * _rms(found["own"])
    large = found["size"] >= 100
    assert _rms(found["completed"][large]) < 0.09
    assert abs(np.mean(found["completed"])) < 0.04


def test_the_interval_holds_the_planted_potential_about_as_often_as_it_says() -> None:
    # Stated .80; measured .775 over cells of all sizes in shops of 2,500, .79 in shops of 10,000.
    found = _errors(PotentialWorld(), 2500)
    assert 0.72 < np.mean(found["held"]) < 0.86
    assert 0.68 < np.mean(found["held"][found["size"] < 6]) < 0.88


def test_labels_that_say_nothing_are_found_to_say_nothing() -> None:
    found = _errors(ALIKE, 2500)
    assert _rms(found["completed"]) < 0.06
    assert np.mean(found["held"]) > 0.80
    model, _, _ = _finest(simulate_potential(ALIKE, 2500, seed=0))
    assert max(model.alike) < 0.03


def test_the_most_growable_have_more_left_to_give_than_others() -> None:
    made = simulate_potential(PotentialWorld(), 10_000, seed=2)
    _, found = potential(made.actual_micros, made.labels)
    left = made.ceiling_micros - made.actual_micros
    top = most_growable(found, made.keys)[:1000]
    # Served like the best of their peers is not their own ceiling, which nothing seen can tell. Measured: 3.0 times
    # the average, where a ranking that knew every ceiling would find 4.4 times.
    assert np.mean(left[top]) > 2.5 * np.mean(left)


@pytest.mark.parametrize("skewed", [False, True])
def test_the_interval_of_the_share_between_segments_holds_the_planted_share(skewed: bool) -> None:
    # Forty segments whose means lie evenly in [-1, 1]; within them normal, or lognormal with sigma .8.
    means = np.linspace(-1.0, 1.0, 40)
    within = np.exp(0.64) * (np.exp(0.64) - 1.0) if skewed else 1.0
    true = np.var(means) / (np.var(means) + within)
    keys, held = np.arange(2000), 0
    for draw in range(100):
        group = (uniform(keys, f"group/{draw}") * 40).astype(np.int64)
        # Box and Muller: normal numbers without the code under test.
        u, v = (np.maximum(uniform(keys, f"{n}/{draw}"), 1e-12) for n in "uv")
        normal = np.sqrt(-2.0 * np.log(u)) * np.cos(2.0 * np.pi * v)
        found = split_variance(means[group] + (np.exp(0.8 * normal) if skewed else normal), group, keys)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= true <= found.high
    # 95 in 100 stated; 89 is below it by 2.8 standard errors.
    assert held >= 89
