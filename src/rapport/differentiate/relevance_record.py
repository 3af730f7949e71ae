"""The relevance model as data: what `fit_relevance` learned and how good it was, and its JSON form.

Why it exists: a model must be saved, compared and read by another process without running code from a file.
So it is a frozen record of text and named arrays; no pickle and no open booster may enter.
"""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rapport.core.reasons import Status
from rapport.differentiate.relevance_items import ItemStatistics

MODEL_VERSION = "relevance-2"


@dataclass(frozen=True)
class RelevanceSettings:
    """How a relevance model is fitted.

    Attributes
    ----------
    window_days : int
        Length of the outcome window, in days.
    n_windows, step_days : int
        Past windows to learn from, and the days between their starts. The last one ends on ``as_of``.
    repeat_rows, repeat_rows_loose, explore_rows : int
        Rows to train on at most; above, pairs (in explore the ones without a purchase) are drawn by key. Repeat has
        two sets of trees, the second (*loose*) draws its own rows.
    repeat_trees, explore_trees : int
        Boosting rounds.
    ridge_share : float
        Ridge of the item-to-item weights as a share of the customers.
    max_customers : int
        Customers to learn from at most, drawn by key; more add little.
    salt : str
        Fixes every draw.
    """

    window_days: int = 28
    n_windows: int = 3
    step_days: int = 28
    repeat_rows: int = 400_000
    repeat_rows_loose: int = 300_000
    explore_rows: int = 200_000
    repeat_trees: int = 150
    explore_trees: int = 60
    ridge_share: float = 0.3
    max_customers: int = 6_000
    salt: str = "relevance"


@dataclass(frozen=True)
class ModelDiagnostics:
    """Quality on households the model has not seen, in the last past window.

    ``log_loss`` in nats, ``auc`` and the shares in [0, 1], ``calibration_error`` the expected calibration
    error in ten groups of equal size; NaN where the held-out households have one kind of outcome only.
    """

    status: Status
    train_rows: int
    train_positives: int
    held_out_pairs: int
    held_out_share: float
    mean_probability: float
    log_loss: float
    auc: float
    calibration_error: float


@dataclass(frozen=True)
class PairModel:
    """One of the two models.

    Attributes
    ----------
    boosters : tuple of str
        LightGBM's text form of each; the raw score is their mean. Empty where there was too little to learn, then
        it is 0.
    features : tuple of str
        Names of the columns, in order.
    raw_knots, probability_knots : float64 arrays, shape (n_knots,)
        Calibration: probability by linear interpolation over the booster's raw score; both ascend strictly.
    diagnostics : ModelDiagnostics
    """

    boosters: tuple[str, ...]
    features: tuple[str, ...]
    raw_knots: NDArray[np.float64]
    probability_knots: NDArray[np.float64]
    diagnostics: ModelDiagnostics


@dataclass(frozen=True)
class RelevanceModel:
    """P(purchase in the window) for customer x item: two pair models and the item statistics they read.

    Attributes
    ----------
    version : str
    as_of : int
        Days since 1970-01-01; nothing on or after it was used.
    settings : RelevanceSettings
    window_starts : tuple of int
        First days of the past windows learned from, the last one first.
    repeat, explore : PairModel
        For pairs bought before, and never bought before, the day of scoring.
    items : ItemStatistics
        As of ``as_of``.
    """

    version: str
    as_of: int
    settings: RelevanceSettings
    window_starts: tuple[int, ...]
    repeat: PairModel
    explore: PairModel
    items: ItemStatistics


def _pack(array: NDArray[Any]) -> dict[str, Any]:
    kind = "<f4" if array.dtype == np.float32 else "<f8"
    data = base64.b64encode(np.ascontiguousarray(array, dtype=kind).tobytes()).decode("ascii")
    return {"kind": kind, "shape": list(array.shape), "data": data}


def _unpack(packed: dict[str, Any]) -> NDArray[Any]:
    native = np.float32 if packed["kind"] == "<f4" else np.float64
    flat = np.frombuffer(base64.b64decode(packed["data"]), dtype=packed["kind"])
    return flat.reshape(packed["shape"]).astype(native)


def _pair_to_dict(model: PairModel) -> dict[str, Any]:
    return {
        "boosters": list(model.boosters),
        "features": list(model.features),
        "raw_knots": _pack(model.raw_knots),
        "probability_knots": _pack(model.probability_knots),
        "diagnostics": asdict(model.diagnostics),
    }


def _pair_from_dict(data: dict[str, Any]) -> PairModel:
    diagnostics = data["diagnostics"]
    return PairModel(
        boosters=tuple(data["boosters"]),
        features=tuple(data["features"]),
        raw_knots=_unpack(data["raw_knots"]),
        probability_knots=_unpack(data["probability_knots"]),
        diagnostics=ModelDiagnostics(**{**diagnostics, "status": Status(diagnostics["status"])}),
    )


def relevance_to_json(model: RelevanceModel) -> str:
    """Return the model as JSON text, the same bytes for the same model; arrays in base64, little-endian."""
    return json.dumps(
        {
            "version": model.version,
            "as_of": model.as_of,
            "settings": asdict(model.settings),
            "window_starts": list(model.window_starts),
            "repeat": _pair_to_dict(model.repeat),
            "explore": _pair_to_dict(model.explore),
            "items": {
                "as_of": model.items.as_of,
                "window_days": model.items.window_days,
                "arrays": {name: _pack(a) for name, a in sorted(model.items.arrays().items())},
            },
        },
        sort_keys=True,
    )


def relevance_from_json(text: str) -> RelevanceModel:
    """Return the model that `relevance_to_json` wrote.

    Raises
    ------
    ValueError
        Where the text was written by another version of the model.
    """
    data = json.loads(text)
    if data.get("version") != MODEL_VERSION:
        raise ValueError(
            f"relevance model: the version is {data.get('version')!r}; must be {MODEL_VERSION!r}. "
            "Fit the model again."
        )
    items = data["items"]
    return RelevanceModel(
        version=data["version"],
        as_of=data["as_of"],
        settings=RelevanceSettings(**data["settings"]),
        window_starts=tuple(data["window_starts"]),
        repeat=_pair_from_dict(data["repeat"]),
        explore=_pair_from_dict(data["explore"]),
        items=ItemStatistics(
            as_of=items["as_of"],
            window_days=items["window_days"],
            **{name: _unpack(a) for name, a in items["arrays"].items()},
        ),
    )
