"""Backtest: past weeks and campaigns replayed, two questions kept apart, every figure beside its comparators.

Why it exists: *relevance* asks who would buy what; *decision* asks what sending adds. A good decision has fewer
hits, because it does not pay people for what they do anyway.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rapport.core.errors import SourceEmpty
from rapport.measure.bootstrap import HouseholdDraws, Spread
from rapport.measure.ranking import calibration_table, coverage
from rapport.program.model import Program
from rapport.workflows.backtest_campaigns import (
    BASKETS,
    CHANCE,
    COUPONS_EACH,
    POPULAR,
    CampaignResult,
    replay_campaigns,
)
from rapport.workflows.backtest_relevance import pooled_calibration, relevance_record
from rapport.workflows.backtest_weeks import POLICIES, RAPPORT, Week, replay_week
from rapport.workflows.ports import Engine, Progress

SCOPES = ("all", "A", "B", "C")
CALIBRATION_GROUPS = 10


@dataclass(frozen=True)
class Question:
    """One measure of a policy: a sum over households divided by another."""

    name: str
    about: str
    above: str
    below: str | None
    unit: str
    basis: str
    higher_is_better: bool


QUESTIONS = (
    Question("hits_per_portfolio", "relevance", "hits", None, "hits", "measured", True),
    Question("recall", "relevance", "hits", "bought", "share", "measured", True),
    Question("hits_of_repeat_portfolio", "relevance", "hits_repeat", None, "hits", "measured", True),
    Question("hits_of_explore_portfolio", "relevance", "hits_explore", None, "hits", "measured", True),
    Question("expected_contribution", "decision", "expected_contribution", None, "money", "assumed", True),
    Question(
        "contribution_with_actual_giveaway",
        "decision",
        "contribution_with_actual_giveaway",
        None,
        "money",
        "assumed",
        True,
    ),
    Question("expected_giveaway", "decision", "expected_giveaway", None, "money", "assumed", False),
    Question("actual_giveaway", "decision", "actual_giveaway", None, "money", "assumed", False),
    Question("slots_that_cannot_pay", "decision", "slots_that_cannot_pay", "slots", "share", "assumed", False),
    Question("contacts", "decision", "contacts", None, "share", "measured", True),
)
"""What is asked of every policy. Measured figures rest on what was bought; assumed ones on margin, lift and reach."""


def choose_weeks(engine: Engine, window_days: int, weeks: int, last: date | None) -> list[date]:
    """Return the last Mondays with one window of data after them and three before, oldest first.

    Parameters
    ----------
    last : date or None
        The last Monday wanted; a day within a week means that week's Monday.
    """
    span = engine.query("SELECT min(day) AS first, max(day) AS last FROM transactions").to_pylist()[0]
    latest: date = span["last"] + timedelta(days=1) - timedelta(days=window_days)
    end = min(last, latest) if last else latest
    end -= timedelta(days=end.weekday())
    found = [end - timedelta(days=7 * w) for w in range(weeks)][::-1]
    return [d for d in found if d - timedelta(days=3 * window_days) >= span["first"]]


def run_backtest(
    engine: Engine, program: Program, base: Path, days: list[date], kind: str | None, progress: Progress
) -> dict[str, Any]:
    """Replay weeks and the campaigns of a kind; return the record as plain values.

    Parameters
    ----------
    engine : Engine
        With the loaded tables.
    days : list of date
        Days of decision; each window must lie in the data, and three windows before it.
    kind : str or None
        Kind of past campaign to replay; None where there are none.

    Raises
    ------
    SourceEmpty
        No day has enough data before and after it.
    """
    if not days:
        raise SourceEmpty(
            "backtest: no Monday has three windows of data before it and one after it; load a longer history, or "
            "shorten offers.validity_days."
        )
    progress.start("replay weeks", len(days))
    weeks = []
    for day in days:
        weeks.append(replay_week(engine, program, base, day))
        progress.advance(1)
    progress.finish()
    campaigns = []
    if kind is not None:
        progress.start("replay campaigns", None)
        campaigns = replay_campaigns(engine, kind)
        progress.finish()
    progress.start("draw intervals", None)
    record = {
        "weeks": [w.as_of.isoformat() for w in weeks],
        "window_days": program.offers.validity_days,
        "portfolio_size": program.policy.portfolio_size,
        "households": len(weeks[0].keys),
        "offers": [w.offers for w in weeks],
        "channel": program.channels[0].name,
        "rows": _week_rows(weeks, program.policy.salt),
        "coverage": _coverage(weeks),
        "calibration": {**_calibration(weeks), **pooled_calibration(weeks, CALIBRATION_GROUPS)},
        "relevance": relevance_record(weeks, program.policy.salt),
        "campaigns": [_campaign_record(c, program.policy.salt) for c in campaigns],
    }
    progress.finish()
    return record


def _week_rows(weeks: list[Week], salt: str) -> list[dict[str, Any]]:
    keys = np.concatenate([w.keys for w in weeks])
    tiers = np.concatenate([w.tiers for w in weeks])
    draws = HouseholdDraws(keys, f"{salt}:backtest")
    rows = []
    for question in QUESTIONS:
        sums = {p: _sums(weeks, question, p) for p in POLICIES}
        for scope in SCOPES:
            inside = (tiers == scope) if scope != "all" else np.ones(len(tiers), dtype=np.bool_)
            part = {p: (a * inside, b * inside) for p, (a, b) in sums.items()}
            rows += [_row(draws, question, scope, p, part) for p in POLICIES]
    return rows


def _sums(weeks: list[Week], question: Question, policy: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    parts = [(w.ranked if question.about == "relevance" else w.decided)[policy] for w in weeks]
    above = np.concatenate([p[question.above] for p in parts])
    below = np.ones(len(above)) if question.below is None else np.concatenate([p[question.below] for p in parts])
    return above, below


def _row(
    draws: HouseholdDraws, question: Question, scope: str, policy: str, part: dict[str, tuple[Any, Any]]
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "question": question.about,
        "measure": question.name,
        "tier": scope,
        "policy": policy,
        "unit": question.unit,
        "basis": question.basis,
        **_plain(draws.ratio(*part[policy])),
    }
    if policy != RAPPORT:
        row["rapport_minus_policy"] = _plain(draws.difference(part[RAPPORT], part[policy]))
    return row


def _plain(spread: Spread) -> dict[str, float | None]:
    return {"value": spread.value, "low": spread.low, "high": spread.high}


def _coverage(weeks: list[Week]) -> dict[str, dict[str, float]]:
    """Return the share of the catalogue that a week's portfolios show, averaged over weeks, per tier and policy."""
    found: dict[str, dict[str, float]] = {}
    for scope in SCOPES:
        found[scope] = {}
        for policy in POLICIES:
            shares = [
                coverage(w.shown[policy] if scope == "all" else w.shown[policy][w.tiers == scope], w.offers)
                for w in weeks
            ]
            found[scope][policy] = sum(shares) / len(shares)
    return found


def _calibration(weeks: list[Week]) -> dict[str, Any]:
    """Return, for repeat and explore pairs, observed against predicted, overall and the error in each tier."""
    found: dict[str, Any] = {}
    for kind in ("repeat", "explore"):
        picks = [w.bought_before if kind == "repeat" else ~w.bought_before for w in weeks]
        predicted = np.concatenate([w.probability[p] for w, p in zip(weeks, picks, strict=True)]).astype(np.float64)
        bought = np.concatenate([w.bought[p] for w, p in zip(weeks, picks, strict=True)])
        tier = np.concatenate(
            [np.broadcast_to(w.tiers[:, None], p.shape)[p] for w, p in zip(weeks, picks, strict=True)]
        )
        table = calibration_table(predicted, bought, CALIBRATION_GROUPS)
        found[kind] = {
            "expected_calibration_error": {
                "all": table.expected_calibration_error,
                **{
                    t: calibration_table(
                        predicted[tier == t], bought[tier == t], CALIBRATION_GROUPS
                    ).expected_calibration_error
                    for t in SCOPES[1:]
                },
            },
            "bins": [
                {"predicted": float(p), "observed": float(o), "count": int(n)}
                for p, o, n in zip(table.predicted, table.observed, table.count, strict=True)
            ],
        }
    return found


def _campaign_record(result: CampaignResult, salt: str) -> dict[str, Any]:
    campaign = result.campaign
    record: dict[str, Any] = {
        "campaign": campaign.campaign_id,
        "kind": campaign.kind,
        "starts": campaign.starts.isoformat(),
        "pool": result.pool,
        "coupons_each": COUPONS_EACH,
        "redemptions": len(campaign.coupon),
        "households": len(np.unique(result.keys)),
        "learned_from_redemptions": result.model.redemptions,
        "status": str(result.status),
        "policies": [],
    }
    if not len(campaign.coupon):
        return record
    draws = HouseholdDraws(result.keys, f"{salt}:campaign:{campaign.campaign_id}")
    ones = np.ones(len(result.keys))
    for policy in (RAPPORT, BASKETS, POPULAR, CHANCE):
        row: dict[str, Any] = {"policy": policy, **_plain(draws.ratio(result.found[policy], ones))}
        if policy != RAPPORT:
            difference = draws.difference((result.found[RAPPORT], ones), (result.found[policy], ones))
            row["rapport_minus_policy"] = _plain(difference)
        record["policies"].append(row)
    return record
