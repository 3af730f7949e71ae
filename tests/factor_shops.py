"""A made-up shop of tastes and habits, in an engine, for what learns factors from it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rapport.differentiate.factors import FactorSettings
from rapport.engines.duckdb_engine import DuckDBEngine
from rapport.program.model import Margins
from rapport.simulate.transactions import ShopWorld
from rapport.workflows.many_features import Many, open_items
from rapport.workflows.simulate_transactions import item_names, plant_loaded
from rapport.workflows.state import open_tables


@contextmanager
def shop_of(world: ShopWorld, folder: Path, ago: int = 0) -> Iterator[Many]:
    """Give the shop's tables in an engine, as of so many days before the end of its history."""
    from datetime import timedelta

    made = plant_loaded(world, folder, lambda _: None)
    with DuckDBEngine() as engine:
        open_tables(engine, folder)
        settings = FactorSettings(width=14)
        many = Many(
            engine, Margins(default=0.3), made.as_of - timedelta(days=ago), tuple(item_names(world)), settings
        )
        open_items(many)
        yield many
