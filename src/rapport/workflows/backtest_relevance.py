"""What a backtest says of relevance in a few figures with a bar: hits, never-bought items, coupons, calibration.

Why it exists: tables of every policy in every tier answer many questions; whether relevance is as good as it must be
is answered by a handful of figures, each with interval, comparator and bar. No model and no table may enter.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from rapport.measure.bootstrap import HouseholdDraws
from rapport.measure.ranking import calibration_table
from rapport.workflows.backtest_explore import BUYERS, EXPLORERS, MODEL, RULES
from rapport.workflows.backtest_weeks import RAPPORT, Week

FREQUENCY = "personal frequency"
CALIBRATION_BAR = 0.01
_JOURNEY_SIGN = ("13", "2017-08-08", 207)
"""A campaign of the Complete Journey: id, first day, coupons in its pool."""
_BARS = {"hits_vs_frequency": 1.04, "explore_vs_popular": 1.06}
_COUPON_BARS = {"13": 0.665, "18": 0.690}
"""Bars for the Complete Journey; another company's data have none."""


def relevance_record(weeks: list[Week], salt: str) -> dict[str, Any]:
    """Return hits against personal frequency and hits among never-bought items, with paired intervals."""
    draws = HouseholdDraws(np.concatenate([w.keys for w in weeks]), f"{salt}:backtest")
    ours, theirs = (np.concatenate([w.ranked[p]["hits"] for w in weeks]) for p in (RAPPORT, FREQUENCY))
    explored = {p: np.concatenate([w.explored[p] for w in weeks]) for p in EXPLORERS}
    ones = np.ones(len(ours))

    def plain(above: Any, below: Any) -> dict[str, float | None]:
        spread = draws.ratio(above, below)
        return {"value": spread.value, "low": spread.low, "high": spread.high}

    return {
        "hits_vs_frequency": {**plain(ours, theirs), "comparator_hits": float(theirs.mean())},
        "explore": [
            {"policy": p, **plain(explored[p], ones)}
            | ({"rapport_over_policy": plain(explored[MODEL], explored[p])} if p in RULES else {})
            for p in EXPLORERS
        ],
    }


def pooled_calibration(weeks: list[Week], groups: int) -> dict[str, Any]:
    """Return observed against predicted of all pairs together, and of the pairs that the portfolios showed.

    The second is the harder test: portfolios pick the highest probabilities, so they collect what is too high.
    """
    cells = [(w.probability.ravel(), w.bought.ravel()) for w in weeks]
    shown = [
        (
            np.take_along_axis(w.probability, np.maximum(w.shown[RAPPORT], 0), axis=1)[w.shown[RAPPORT] >= 0],
            np.take_along_axis(w.bought, np.maximum(w.shown[RAPPORT], 0), axis=1)[w.shown[RAPPORT] >= 0],
        )
        for w in weeks
    ]
    found = {}
    for name, parts in (("together", cells), ("portfolio", shown)):
        predicted = np.concatenate([p for p, _ in parts]).astype(np.float64)
        table = calibration_table(predicted, np.concatenate([b for _, b in parts]), groups)
        found[name] = {
            "expected_calibration_error": {"all": table.expected_calibration_error},
            "bins": [
                {"predicted": float(p), "observed": float(o), "count": int(n)}
                for p, o, n in zip(table.predicted, table.observed, table.count, strict=True)
            ],
        }
    return found


def is_journey(record: dict[str, Any]) -> bool:
    """Return whether the past campaigns are those of the Complete Journey, for which the bars were set."""
    signs = [(c["campaign"], c["starts"], c["pool"]) for c in record["campaigns"]]
    return _JOURNEY_SIGN in signs


def relevance_results(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the judged figures of relevance in the shape of all measured results."""
    if "relevance" not in record:
        return []
    journey = is_journey(record)
    size = record["portfolio_size"]
    prefix = "journey_" if journey else ""
    hits = record["relevance"]["hits_vs_frequency"]
    results = [
        _result(
            f"{prefix}hits_vs_frequency",
            f"hits of {size}, as a multiple of personal frequency's",
            "ratio",
            hits,
            (FREQUENCY, 1.0),
            _BARS["hits_vs_frequency"] if journey else None,
        )
        | {"comparator_hits": hits["comparator_hits"]}
    ]
    by = {r["policy"]: r for r in record["relevance"]["explore"]}
    for rule in RULES:
        named = "popular" if rule == BUYERS else rule.replace(" ", "_").replace("-", "_")
        bar = _BARS["explore_vs_popular"] if journey and rule == BUYERS else None
        label = f"hits of {size} never bought before, as a multiple of those of: {rule}"
        results.append(
            _result(f"{prefix}explore_vs_{named}", label, "ratio", by[rule]["rapport_over_policy"], (rule, 1.0), bar)
            | {"comparator_hits": by[rule]["value"]}
        )
    for campaign in record["campaigns"]:
        results += _coupon_result(campaign, _COUPON_BARS.get(campaign["campaign"]) if journey else None)
    return results + [_calibration_result(kind, c) for kind, c in record["calibration"].items()]


def _result(
    name: str, label: str, unit: str, spread: dict[str, Any], comparator: tuple[str, Any], bar: float | None
) -> dict[str, Any]:
    value = spread["value"]
    return {
        "name": name,
        "label": label,
        "value": value,
        "unit": unit,
        "basis": "measured",
        "interval": [spread["low"], spread["high"]],
        "comparator": comparator[0],
        "comparator_value": comparator[1],
        "bar": bar,
        "meets": None if bar is None or value is None else bool(value >= bar),
    }


def _coupon_result(campaign: dict[str, Any], bar: float | None) -> list[dict[str, Any]]:
    policies = {p["policy"]: p for p in campaign["policies"]}
    if not policies:
        return []
    theirs = next(p for name, p in policies.items() if name.startswith("past baskets"))
    name = f"coupons_c{campaign['campaign']}_top{campaign['coupons_each']}"
    label = (
        f"redeemed coupons among the first {campaign['coupons_each']} of the pool, campaign {campaign['campaign']}"
    )
    return [
        _result(name, label, "share", policies["rapport"], (theirs["policy"], theirs["value"]), bar)
        | {"difference": theirs["rapport_minus_policy"]}
    ]


def _calibration_result(kind: str, found: dict[str, Any]) -> dict[str, Any]:
    error = found["expected_calibration_error"]["all"]
    spread = {"value": error, "low": None, "high": None}
    label = f"expected calibration error of the probabilities, {kind}"
    mean = sum(b["observed"] * b["count"] for b in found["bins"]) / max(sum(b["count"] for b in found["bins"]), 1)
    judged = _result(f"calibration_error_{kind}", label, "share", spread, ("mean outcome", mean), CALIBRATION_BAR)
    return judged | {"interval": None, "meets": error <= CALIBRATION_BAR}
