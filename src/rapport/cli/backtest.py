"""The command that replays the past."""

from __future__ import annotations
import click


def commands() -> dict[str, click.Command]:
    """Return none yet."""
    return {"backtest": click.Command("backtest")}
