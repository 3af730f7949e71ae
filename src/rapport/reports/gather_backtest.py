"""What the report shows of a backtest: its record turned into figures."""

from __future__ import annotations

from typing import Any

from rapport.reports.facts import BacktestFacts


def backtest_facts(record: dict[str, Any]) -> BacktestFacts:
    """Return a backtest's record as the report shows it."""
    raise NotImplementedError
