"""How far the value of a group of customers may be off because the parameters of the lifetime model are estimates.

Why it exists: the errors of single customers average out over a tier, an error of the parameters does not: all
customers share it. So a total has an interval of its own, and one parameter that the data hardly tell need not mean
that the total is hardly told. Nothing is drawn by chance and no fit is made here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rapport.differentiate.lifetime_model import LifetimeModel
from rapport.differentiate.likelihood import Floats
from rapport.differentiate.spend import SpendModel
from rapport.differentiate.value import PurchaseHistory, ValueTerms, expected_contribution, some, some_terms

LARGEST_STEP = 8.0
"""Furthest that a logarithm of a parameter is moved: beyond a factor of 3,000 the forecast no longer changes."""


def nearby_models(model: LifetimeModel) -> tuple[LifetimeModel, ...]:
    """Return eight models, two standard errors either way along each axis of the covariance; none without one.

    The points ``log parameters +- 2 L e_i``, L L' the covariance: with equal weights they have its mean and
    covariance, so the variance of any function that is nearly linear or quadratic along the axes is met.

    References
    ----------
    Julier & Uhlmann (1997), "A new extension of the Kalman filter to nonlinear systems": the symmetric sigma points.
    """
    if model.covariance is None:
        return ()
    covariance = np.array(model.covariance, dtype=np.float64)
    if not np.isfinite(covariance).all():
        return ()
    share, axes = np.linalg.eigh(covariance)
    steps = axes * np.sqrt(np.maximum(share, 0.0))[None, :] * np.sqrt(float(len(share)))
    middle = np.log(np.array(list(model.parameters.values()), dtype=np.float64))
    moved = []
    for step in steps.T:
        for sign in (1.0, -1.0):
            r, alpha, a, b = (float(v) for v in np.exp(middle + np.clip(sign * step, -LARGEST_STEP, LARGEST_STEP)))
            moved.append(replace(model, r=r, alpha=alpha, a=a, b=b))
    return tuple(moved)


def parameter_spread(
    history: PurchaseHistory,
    lifetime: LifetimeModel,
    spend: SpendModel,
    terms: ValueTerms,
    groups: dict[str, NDArray[np.bool_]],
) -> dict[str, float] | None:
    """Return the standard error, in micros, that the parameters give to the value of each group.

    Parameters
    ----------
    history, lifetime, spend, terms :
        As for ``value.value_customers``.
    groups : dict of bool arrays, shape (n,)
        Who belongs to each group; a customer may belong to several.

    Returns
    -------
    dict of float, or None where the model has no covariance (a parameter at its bound, or no model).
    """
    models = nearby_models(lifetime)
    if not models:
        return None
    totals: dict[str, list[float]] = {name: [] for name in groups}
    for model in models:
        worth = expected_contribution(history, model, spend, terms)
        for name, members in groups.items():
            totals[name].append(float(np.sum(worth[members])))
    return {name: _spread(np.array(found)) for name, found in totals.items()}


def spread_by_group(
    history: PurchaseHistory,
    cohorts: Sequence[tuple[NDArray[np.bool_], LifetimeModel]],
    spend: SpendModel,
    terms: ValueTerms,
    groups: dict[str, NDArray[np.bool_]],
) -> dict[str, float] | None:
    """Return what ``parameter_spread`` does where cohorts have models of their own; their errors are independent.

    None where any of the models has no covariance.
    """
    squares = dict.fromkeys(groups, 0.0)
    for members, model in cohorts:
        inside = {name: g[members] for name, g in groups.items()}
        found = parameter_spread(some(history, members), model, spend, some_terms(terms, members), inside)
        if found is None:
            return None
        for name, error in found.items():
            squares[name] += error**2
    return {name: float(np.sqrt(square)) for name, square in squares.items()}


def _spread(totals: Floats) -> float:
    return float(np.sqrt(np.mean((totals - totals.mean()) ** 2)))
