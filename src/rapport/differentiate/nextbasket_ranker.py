"""Learns which candidates are in the next basket, and ranks them.

Why it exists: what pasts, neighbours and popularity say about a pair is weighed by one model with frozen parameters.
A customer who teaches is described by what other groups of customers bought next, never by the own next basket, just
as somebody who is asked is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from rapport.differentiate.nextbasket import Floats, Ints, groups
from rapport.differentiate.nextbasket_features import Rows, Teachers, outcomes, rows_of

GROUPS = 4
TREES = 150
PARAMETERS = {
    "objective": "binary",
    "learning_rate": 0.05,
    "num_leaves": 31,
    "min_data_in_leaf": 100,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 10.0,
    "num_threads": 1,
    "seed": 1,
    "deterministic": True,
    "force_row_wise": True,
    "verbose": -1,
}
"""Chosen once on validation customers of one fold; frozen for everything that is measured."""


def taught_rows(teachers: Teachers) -> Iterator[tuple[Rows, Floats]]:
    """Yield the candidates and outcomes of those who teach, group by group, described by the other groups."""
    for group in groups(teachers.customers, GROUPS):
        others = np.setdiff1d(teachers.customers, group)
        rows = rows_of(teachers.known, Teachers(teachers.known, teachers.target, others), np.sort(group))
        yield rows, outcomes(rows, teachers.target)


def fit_ranker(taught: Iterable[tuple[Rows, Floats]]) -> str:
    """Return the model as text.

    Parameters
    ----------
    taught : iterable of (Rows, float32 array of 0 and 1)

    References
    ----------
    Ke et al. (2017), "LightGBM: a highly efficient gradient boosting decision tree", NIPS.
    """
    import lightgbm

    parts = [(rows.features, found) for rows, found in taught]
    features, found = np.concatenate([f for f, _ in parts]), np.concatenate([y for _, y in parts])
    data = lightgbm.Dataset(features, found, params={"verbose": -1}, free_raw_data=True)
    parts.clear()
    return str(lightgbm.train(PARAMETERS, data, num_boost_round=TREES).model_to_string())


def predict_ranker(model: str, rows: Rows) -> NDArray[np.float64]:
    """Return the chance of each candidate to be in the next basket, shape (rows,), in (0, 1)."""
    import lightgbm

    return np.asarray(lightgbm.Booster(model_str=model).predict(rows.features, num_threads=1), dtype=np.float64)


def ranked(rows: Rows, chance: NDArray[np.float64], asked: Ints, k: int) -> Ints:
    """Return the items of highest chance for each customer, shape (asked, k); -1 where there are fewer candidates."""
    order = np.lexsort((rows.item, -chance, rows.customer))
    who, what = rows.customer[order], rows.item[order]
    begins, ends = np.searchsorted(who, asked), np.searchsorted(who, asked, side="right")
    place = begins[:, None] + np.arange(k)
    there = place < ends[:, None]
    return np.where(there, what[np.minimum(place, len(what) - 1)], -1)
