"""What the report shows of a backtest: its record turned into figures."""

from __future__ import annotations

from datetime import date
from typing import Any

from rapport.reports.facts import BacktestFacts, BacktestRow, CampaignRow, Figure

HITS = "hits_per_portfolio"
DRAWN = ("expected_contribution", "slots_that_cannot_pay")


def backtest_facts(record: dict[str, Any]) -> BacktestFacts:
    """Return a backtest's record as the report shows it."""
    weeks = record["weeks"]
    rows = [shown for r in record["rows"] for shown in _rows(r)]
    for tier, shares in record["coverage"].items():
        rows += [
            BacktestRow(
                tier,
                policy,
                "catalogue_shown",
                Figure(share, unit="share", note="mean of the weeks, counted"),
                ours=policy == "rapport",
            )
            for policy, share in shares.items()
        ]
    return BacktestFacts(
        rows=tuple(rows),
        hits_measure=HITS,
        more_measures=DRAWN,
        campaigns=tuple(_campaign(c) for c in record["campaigns"]),
        note=(
            f"{len(weeks)} Mondays from {weeks[0]} to {weeks[-1]}, windows of {record['window_days']} days, "
            f"portfolios of {record['portfolio_size']}, {record['households']:,} households on the first; "
            f"decisions as sent by {record['channel']}. "
            "Calibration error: " + "; ".join(_calibration(kind, c) for kind, c in record["calibration"].items())
        ),
    )


def _rows(row: dict[str, Any]) -> list[BacktestRow]:
    """Return a policy's figure and, for a comparator, what Rapport is above it, with the paired interval."""
    tier, policy, measure = row["tier"], row["policy"], row["measure"]
    shown = [BacktestRow(tier, policy, measure, _figure(row, row["unit"], row["basis"]), policy == "rapport")]
    if policy != "rapport":
        less = _figure(row["rapport_minus_policy"], row["unit"], row["basis"])
        shown.append(BacktestRow(tier, f"rapport less {policy}", measure, less, difference=True))
    return shown


def _figure(spread: dict[str, Any], unit: str, basis: Any) -> Figure:
    note = "" if spread["value"] is not None and spread["low"] is not None else "NOT_MEASURABLE"
    return Figure(spread["value"], spread["low"], spread["high"], unit=unit, basis=basis, note=note)


def _calibration(kind: str, found: dict[str, Any]) -> str:
    errors = found["expected_calibration_error"]
    return f"{kind} " + ", ".join(f"{tier} {error:.4f}" for tier, error in errors.items())


def _campaign(campaign: dict[str, Any]) -> CampaignRow:
    measures = tuple((p["policy"], _figure(p, "share", "measured")) for p in campaign["policies"])
    return CampaignRow(
        campaign=campaign["campaign"],
        kind=campaign["kind"],
        starts=date.fromisoformat(campaign["starts"]),
        tier="all",
        households=campaign["households"],
        measures=measures,
    )
