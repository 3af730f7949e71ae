"""A backtest's record as results with comparators and bars, in the one shape that all measured figures have.

Why it exists: README and docs are generated from such files; each figure has its unit, interval, comparator and bar.
"""

from __future__ import annotations

from typing import Any

from rapport.workflows.backtest_relevance import relevance_results

_JUDGED = {
    "hits_per_portfolio": (True, ("all", "A", "B", "C")),
    "expected_contribution": (True, ("all", "A", "B", "C")),
    "slots_that_cannot_pay": (False, ("all", "A", "B", "C")),
}
"""Measures with a bar (better than every comparator), whether higher is better, and the tiers they are judged in."""


def results_of(record: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the results of a backtest: each judged measure and campaign by comparator, then relevance."""
    rows = {(r["measure"], r["tier"], r["policy"]): r for r in record["rows"]}
    results = []
    for measure, (higher, tiers) in _JUDGED.items():
        for tier in tiers:
            ours = rows[measure, tier, "rapport"]
            for (m, t, policy), theirs in rows.items():
                if (m, t) == (measure, tier) and policy != "rapport":
                    results.append(_result(ours, theirs, tier, policy, higher))
    for campaign in record["campaigns"]:
        results += _campaign_results(campaign)
    return results + relevance_results(record)


def _result(ours: dict[str, Any], theirs: dict[str, Any], tier: str, policy: str, higher: bool) -> dict[str, Any]:
    scale = 1e-6 if ours["unit"] == "money" else 1.0
    unit = "currency units" if ours["unit"] == "money" else ours["unit"]
    gain = theirs["rapport_minus_policy"]
    named = f"{ours['measure']}_{'tier_' + tier.lower() if tier != 'all' else tier}_vs_{policy.replace(' ', '_')}"
    where = "all tiers" if tier == "all" else f"tier {tier}"
    return {
        "name": named,
        "label": f"{ours['measure'].replace('_', ' ')}, {where}",
        "value": _scaled(ours["value"], scale),
        "unit": unit,
        "basis": ours["basis"],
        "interval": [_scaled(ours["low"], scale), _scaled(ours["high"], scale)],
        "comparator": policy,
        "comparator_value": _scaled(theirs["value"], scale),
        "difference": {k: _scaled(v, scale) for k, v in gain.items()},
        "bar": _scaled(theirs["value"], scale),
        "meets": None if gain["value"] is None else bool(gain["value"] > 0) is higher and gain["value"] != 0,
    }


def _campaign_results(campaign: dict[str, Any]) -> list[dict[str, Any]]:
    policies = {p["policy"]: p for p in campaign["policies"]}
    if not policies:
        return []
    ours = policies.pop("rapport")
    return [
        {
            "name": f"campaign_{campaign['campaign']}_vs_{policy.split()[0]}",
            "label": f"redeemed coupons among the first {campaign['coupons_each']}, campaign {campaign['campaign']}",
            "value": ours["value"],
            "unit": "share",
            "basis": "measured",
            "interval": [ours["low"], ours["high"]],
            "comparator": policy,
            "comparator_value": theirs["value"],
            "difference": theirs["rapport_minus_policy"],
            "bar": None,
            "meets": None,
        }
        for policy, theirs in policies.items()
    ]


def _scaled(value: float | None, scale: float) -> float | None:
    return None if value is None else value * scale
