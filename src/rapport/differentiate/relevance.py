"""Who will buy which item in the coming window: fit and predict.

Why it exists: a decision needs P(customer buys item within the window) for every customer and every item.
What a customer has bought before and what they never bought obey other laws, so *repeat* and *explore* are
two models, each calibrated on households it has not seen. Nothing on or after ``as_of`` may enter, and no
effect of an offer: these are probabilities without us.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rapport.core.keys import uniform
from rapport.core.reasons import Status
from rapport.differentiate.relevance_calibration import (
    apply_calibration,
    auc,
    calibration_error,
    fit_calibration,
    log_loss,
)
from rapport.differentiate.relevance_features import (
    EXPLORE_FEATURES,
    REPEAT_FEATURES,
    ChunkFeatures,
    relevance_features,
)
from rapport.differentiate.relevance_history import PurchaseHistory, bought_between
from rapport.differentiate.relevance_items import fit_item_statistics
from rapport.differentiate.relevance_record import (
    MODEL_VERSION,
    ModelDiagnostics,
    PairModel,
    RelevanceModel,
    RelevanceSettings,
)

_CHUNK = 256
_AT_ONCE = 2
_MIN_KIND = 50
_FIT_SHARE, _CALIBRATE_SHARE = 0.8, 0.1
_PAIR_STEP = np.int64(0x9E3779B97F4A7C1 * 2 + 1)
_PARAMS: dict[str, object] = {
    "objective": "binary",
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "seed": 1,
    "max_bin": 127,
    "feature_pre_filter": False,
    "verbosity": -1,
}
_REPEAT_PARAMS: dict[str, object] = {
    "learning_rate": 0.07,
    "num_leaves": 15,
    "min_data_in_leaf": 300,
    "lambda_l2": 5.0,
    "max_bin": 63,
    "feature_fraction": 0.6,
}
_LOOSE_PARAMS: dict[str, object] = {
    **_REPEAT_PARAMS,
    "learning_rate": 0.1,
    "feature_fraction": 0.7,
    "extra_trees": True,
}
"""Splits at random thresholds: such trees err elsewhere than the first ones, so the mean of both errs less."""
_EXPLORE_PARAMS: dict[str, object] = {
    "learning_rate": 0.1,
    "num_leaves": 15,
    "min_data_in_leaf": 200,
    "lambda_l2": 5.0,
}


@dataclass(frozen=True)
class _Rows:
    """Rows of one kind of pair, with weights."""

    x: NDArray[np.float32]
    y: NDArray[np.bool_]
    weight: NDArray[np.float64]


def _stack(parts: list[_Rows]) -> _Rows:
    return _Rows(
        x=np.concatenate([p.x for p in parts]),
        y=np.concatenate([p.y for p in parts]),
        weight=np.concatenate([p.weight for p in parts]),
    )


@dataclass(frozen=True)
class _Learner:
    """One set of trees of a kind: its parameters, and how many rows it draws for itself."""

    params: dict[str, object]
    rows: int


@dataclass(frozen=True)
class _Kind:
    """What differs between repeat and explore."""

    name: str
    features: tuple[str, ...]
    learners: tuple[_Learner, ...]
    trees: int
    keep_positives: bool


def _kinds(settings: RelevanceSettings) -> tuple[_Kind, _Kind]:
    return (
        _Kind(
            "repeat",
            REPEAT_FEATURES,
            (_Learner(_REPEAT_PARAMS, settings.repeat_rows), _Learner(_LOOSE_PARAMS, settings.repeat_rows_loose)),
            settings.repeat_trees,
            False,
        ),
        _Kind(
            "explore",
            EXPLORE_FEATURES,
            (_Learner(_EXPLORE_PARAMS, settings.explore_rows),),
            settings.explore_trees,
            True,
        ),
    )


def _cells(features: ChunkFeatures, kind: _Kind) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    if kind.name == "repeat":
        return features.customer.astype(np.int64), features.item.astype(np.int64)
    return features.explore_cells()


def _matrix(
    features: ChunkFeatures, kind: _Kind, u: NDArray[np.int64], i: NDArray[np.int64], keep: NDArray[np.bool_]
) -> NDArray[np.float32]:
    if kind.name == "repeat":
        return features.repeat_rows()[keep]
    return features.explore_rows(u[keep], i[keep])


def _draw_rows(
    features: ChunkFeatures,
    kind: _Kind,
    bought: NDArray[np.bool_],
    keys: NDArray[np.int64],
    limit: int,
    salt: str,
) -> _Rows:
    """Return the rows of one kind to learn from: at most the given number, less likely ones weighted up."""
    u, i = _cells(features, kind)
    y = bought[u, i]
    share = min(1.0, limit / max(len(u), 1))
    with np.errstate(over="ignore"):
        keep = uniform(keys[u] + i * _PAIR_STEP, salt) < share
    weight = np.full(len(u), 1.0 / share)
    if kind.keep_positives:
        keep, weight = keep | y, np.where(y, 1.0, weight)
    return _Rows(_matrix(features, kind, u, i, keep), y[keep], weight[keep])


def _fit_booster(rows: _Rows, kind: _Kind, learner: _Learner) -> str:
    import lightgbm

    enough = min(int(rows.y.sum()), int((~rows.y).sum())) >= _MIN_KIND
    if not enough:
        return ""
    params = {**_PARAMS, **learner.params}
    data = lightgbm.Dataset(
        rows.x, label=rows.y.astype(np.float32), weight=rows.weight, params=params, feature_name=list(kind.features)
    )
    return str(lightgbm.train(params, data, num_boost_round=kind.trees).model_to_string())


def raw_scorer(texts: tuple[str, ...]) -> Callable[[NDArray[np.float32]], NDArray[np.float64]]:
    """Return the function that gives the mean raw score of boosters, added in their order; 0 where there is none."""
    if not texts:
        return lambda x: np.zeros(len(x))
    import lightgbm

    boosters = [lightgbm.Booster(model_str=text) for text in texts]

    def score(x: NDArray[np.float32]) -> NDArray[np.float64]:
        total = np.zeros(len(x))
        if len(x):
            for booster in boosters:
                total += np.asarray(booster.predict(x, raw_score=True, num_threads=1), dtype=np.float64)
        return total / len(boosters)

    return score


def _share_bought(*parts: _Rows) -> float:
    """Return the share of pairs that were bought, half a purchase and one pair added (Krichevsky & Trofimov 1981).

    Where there is too little to learn from, the constant must come from what was seen: calibration with hardly any
    rows would stay near one half.
    """
    bought = sum(float(p.weight @ p.y) for p in parts)
    return (bought + 0.5) / (sum(float(p.weight.sum()) for p in parts) + 1.0)


def _grow(kinds: Sequence[_Kind], fits: Mapping[str, list[_Rows]]) -> dict[str, tuple[str, ...]]:
    """Return the boosters of each kind. Each is grown by one thread, so that it is the same on any machine; all at
    once."""
    jobs = [
        (rows, kind, learner) for kind in kinds for rows, learner in zip(fits[kind.name], kind.learners, strict=True)
    ]
    with ThreadPoolExecutor(len(jobs)) as pool:
        grown = list(pool.map(lambda job: _fit_booster(*job), jobs))
    found: dict[str, tuple[str, ...]] = {kind.name: () for kind in kinds}
    for (_, kind, _), text in zip(jobs, grown, strict=True):
        found[kind.name] += (text,) if text else ()
    return found


def _finish(kind: _Kind, boosters: tuple[str, ...], fit: _Rows, calibrate: _Rows, held_out: _Rows) -> PairModel:
    score = raw_scorer(boosters)
    knots, probabilities = fit_calibration(score(calibrate.x), calibrate.y)
    if not boosters:
        probabilities = np.full(len(knots), _share_bought(fit, calibrate, held_out))
    p = apply_calibration(score(held_out.x), knots, probabilities)
    n = len(p)
    diagnostics = ModelDiagnostics(
        status=Status.OK if boosters else Status.TOO_FEW_CUSTOMERS,
        train_rows=len(fit.y),
        train_positives=int(fit.y.sum()),
        held_out_pairs=n,
        held_out_share=float(held_out.y.mean()) if n else float("nan"),
        mean_probability=float(p.mean()) if n else float("nan"),
        log_loss=log_loss(p, held_out.y) if n else float("nan"),
        auc=auc(p, held_out.y),
        calibration_error=calibration_error(p, held_out.y) if n else float("nan"),
    )
    return PairModel(boosters, kind.features, knots, probabilities, diagnostics)


def _window_starts(history: PurchaseHistory, as_of: int, settings: RelevanceSettings) -> tuple[int, ...]:
    first = int(history.trip_day.min(initial=as_of))
    starts = [as_of - settings.window_days - k * settings.step_days for k in range(settings.n_windows)]
    kept = [s for s in starts if s - first >= settings.window_days]
    if not kept:
        raise ValueError(
            f"fit_relevance: the history has {as_of - first} days before as_of; must be at least "
            f"{2 * settings.window_days}. Choose a later day or a shorter window."
        )
    return tuple(kept)


def fit_relevance(history: PurchaseHistory, as_of: int, settings: RelevanceSettings | None = None) -> RelevanceModel:
    """Return the relevance model learned from rows before ``as_of``.

    Parameters
    ----------
    history : PurchaseHistory
        All customers, or a sample by ranges of the key; rows on or after ``as_of`` are left out here.
    as_of : int
        Days since 1970-01-01. The outcomes of every training window end before it.
    settings : RelevanceSettings, optional

    Returns
    -------
    RelevanceModel

    Raises
    ------
    ValueError
        Where the history is shorter than two windows.

    References
    ----------
    Ke et al. (2017), "LightGBM", NIPS; Steck (2019), "Embarrassingly shallow autoencoders", WWW;
    Platt (1999), "Probabilistic outputs for support vector machines"; Geurts, Ernst & Wehenkel (2006), "Extremely
    randomized trees", Machine Learning 63(1).
    """
    chosen = settings or RelevanceSettings()
    past = history.before(as_of)
    starts = _window_starts(past, as_of, chosen)
    learners = past
    if past.n_customers > chosen.max_customers:
        share = chosen.max_customers / past.n_customers
        learners = past.of_selected(uniform(past.customer_keys, f"{chosen.salt}/learners") < share)
    stats = fit_item_statistics(learners, as_of, chosen.window_days, chosen.ridge_share)
    split = uniform(learners.customer_keys, f"{chosen.salt}/split")
    groups = (
        learners.of_selected(split < _FIT_SHARE),
        learners.of_selected((split >= _FIT_SHARE) & (split < _FIT_SHARE + _CALIBRATE_SHARE)),
        learners.of_selected(split >= _FIT_SHARE + _CALIBRATE_SHARE),
    )
    kinds = _kinds(chosen)
    fit: dict[str, list[list[_Rows]]] = {k.name: [[] for _ in k.learners] for k in kinds}
    rest: dict[str, list[_Rows]] = {k.name: [] for k in kinds}
    for number, start in enumerate(starts):
        then = fit_item_statistics(learners, start, chosen.window_days, chosen.ridge_share)
        for group in groups if number == 0 else groups[:1]:
            features = relevance_features(group, then, start)
            bought = bought_between(group, start, start + chosen.window_days)
            for kind in kinds:
                place = f"{chosen.salt}/{kind.name}/{number}"
                if group is not groups[0]:
                    rest[kind.name].append(_draw_rows(features, kind, bought, group.customer_keys, 2**62, place))
                    continue
                for which, learner in enumerate(kind.learners):
                    limit, salt = learner.rows // len(starts), place if which == 0 else f"{place}/{which}"
                    rows = _draw_rows(features, kind, bought, group.customer_keys, limit, salt)
                    fit[kind.name][which].append(rows)
    stacked = {k.name: [_stack(parts) for parts in fit[k.name]] for k in kinds}
    boosters = _grow(kinds, stacked)
    models = [_finish(k, boosters[k.name], stacked[k.name][0], *rest[k.name]) for k in kinds]
    return RelevanceModel(MODEL_VERSION, as_of, chosen, starts, models[0], models[1], stats)


def predict_relevance(
    model: RelevanceModel, history: PurchaseHistory, as_of: int | None = None
) -> NDArray[np.float64]:
    """Return the probability that each customer buys each item within the window.

    Parameters
    ----------
    model : RelevanceModel
    history : PurchaseHistory
        Of any customers, over the model's catalogue; rows on or after ``as_of`` are left out here.
    as_of : int, optional
        Days since 1970-01-01; the model's own day by default.

    Returns
    -------
    float64 array, shape (n_customers, n_items), in (0, 1): P(purchase on as_of <= day < as_of + window_days).
        Bit-identical for a customer alone, in any chunk and in any order.
    """
    day = model.as_of if as_of is None else as_of
    repeat, explore = raw_scorer(model.repeat.boosters), raw_scorer(model.explore.boosters)
    out = np.empty((history.n_customers, history.n_items))

    def one(first: int) -> None:
        stop = min(first + _CHUNK, history.n_customers)
        features = relevance_features(history.of_customers(first, stop), model.items, day)
        block = out[first:stop]
        block[features.customer, features.item] = apply_calibration(
            repeat(features.repeat_rows()), model.repeat.raw_knots, model.repeat.probability_knots
        )
        u, i = features.explore_cells()
        block[u, i] = apply_calibration(
            explore(features.explore_rows(u, i)), model.explore.raw_knots, model.explore.probability_knots
        )

    # Chunks write to blocks of their own; two at a time bound the memory.
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(one, range(0, history.n_customers, _CHUNK)))
    return out
