"""The factor model as JSON: named arrays, with version, day and how well it did.

Why it exists: a model is data that is kept, read again years later and scored with to the same bits. Nothing is
fitted.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np

from rapport.core.errors import StateDamaged
from rapport.core.reasons import Status
from rapport.differentiate.factors import VERSION, FactorFit, FactorModel, FactorSettings, ItemTerms
from rapport.differentiate.factors_als import Folding
from rapport.differentiate.factors_kernel import gram


def factors_to_json(model: FactorModel) -> str:
    """Return a model as JSON text; the same model gives the same text."""
    said: dict[str, Any] = {
        "version": model.version,
        "as_of": model.as_of,
        "learned_from": list(model.learned_from),
        "settings": asdict(model.settings),
        "factors": model.folding.factors.tolist(),
        "items": {name: values.tolist() for name, values in vars(model.items).items()},
        "explore_weights": model.explore_weights.tolist(),
        "repeat_weights": model.repeat_weights.tolist(),
        "explore": _fit(model.explore),
        "repeat": _fit(model.repeat),
    }
    return json.dumps(said, sort_keys=True, allow_nan=False)


def factors_from_json(text: str) -> FactorModel:
    """Return the model of a text; it scores to the same bits.

    Raises
    ------
    StateDamaged
        The text is no factor model, or one of another version.
    """
    try:
        said = json.loads(text)
        version = said["version"]
        if version != VERSION:
            raise StateDamaged(
                f"factor model: is of version {version!r}; must be {VERSION!r}. Fit it again with this version."
            )
        settings = FactorSettings(**said["settings"])
        factors = np.array(said["factors"], dtype=np.float64).reshape(-1, settings.width)
        return FactorModel(
            version=version,
            as_of=said["as_of"],
            learned_from=tuple(said["learned_from"]),
            settings=settings,
            folding=Folding(factors, gram(factors, settings.ridge), settings.weight),
            items=ItemTerms(**{n: np.array(v, dtype=np.float64) for n, v in said["items"].items()}),
            explore_weights=np.array(said["explore_weights"], dtype=np.float64),
            repeat_weights=np.array(said["repeat_weights"], dtype=np.float64),
            explore=_fit_of(said["explore"]),
            repeat=_fit_of(said["repeat"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise StateDamaged(
            f"factor model: cannot be read - {error}; must be the text that factors_to_json gave. Fit it again."
        ) from error


def _fit(fit: FactorFit) -> dict[str, Any]:
    return {n: None if isinstance(v, float) and not np.isfinite(v) else v for n, v in asdict(fit).items()}


def _fit_of(said: dict[str, Any]) -> FactorFit:
    known: dict[str, Any] = {n: float("nan") if v is None else v for n, v in said.items()}
    known["status"] = Status(said["status"])
    return FactorFit(**known)
