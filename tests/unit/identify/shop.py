"""A tiny shop on disk: a programme with the sources a test writes, and the load of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from rapport.engines.duckdb_engine import DuckDBEngine
from rapport.program.model import Program
from rapport.workflows.load import LoadSummary, load_program

LINE = {"customer_id": "who", "basket_id": "trip", "product_id": "what", "at": "when", "sales": "paid"}


def program_of(*sources: dict[str, Any], timezone: str = "America/New_York") -> Program:
    """Return a programme with the given sources and nothing else of interest."""
    return Program.model_validate(
        {
            "name": "shop",
            "currency": "USD",
            "timezone": timezone,
            "challenges": [{"name": "c", "text": "t"}],
            "goals": [
                {"name": "g", "challenge": "c", "measure": "active_share", "target_change": 0.1, "by": "2030-01-01"}
            ],
            "tiers": {"purpose": {"A": "a", "B": "b", "C": "c"}},
            "sources": list(sources),
            "margins": {"default": 0.3},
            "offers": {"query": "select 1"},
            "lift": {"odds_ratio": 2, "low": 1, "high": 3, "why": "w"},
            "channels": [{"name": "email", "goals": ["g"], "cost_per_contact": 0, "capacity": 1, "reach": 0.5}],
        }
    )


def lines_source(path: str = "lines.csv", **changes: Any) -> dict[str, Any]:
    """Return a source of transactions with the columns of `LINE`."""
    return {"kind": "transactions", "path": path, "columns": LINE, **changes}


@dataclass
class Loaded:
    """A load that went through: its summary and the folder it wrote."""

    summary: LoadSummary
    folder: Path

    def rows(self, table: str) -> list[dict[str, Any]]:
        return pq.read_table(self.folder / f"{table}.parquet").to_pylist()

    def column(self, table: str, column: str) -> list[Any]:
        return pq.read_table(self.folder / f"{table}.parquet", columns=[column])[column].to_pylist()

    def audited(self, source: str, column: str) -> dict[str, Any]:
        return next(r for r in self.rows("audit") if (r["source"], r["column"]) == (source, column))


def load(base: Path, *sources: dict[str, Any], threads: int = 1, timezone: str = "America/New_York") -> Loaded:
    """Load a programme of these sources, whose files stand in `base`."""
    folder = base / f"loaded-{threads}"
    folder.mkdir()
    with DuckDBEngine(threads=threads) as engine:
        return Loaded(load_program(program_of(*sources, timezone=timezone), base, engine, folder), folder)


def write_lines(base: Path, *lines: str, name: str = "lines.csv") -> None:
    """Write lines of a CSV file under the header of `LINE`."""
    text = "\n".join(["who,trip,what,when,paid", *lines]) + "\n"
    (base / name).write_text(text, encoding="utf-8")
