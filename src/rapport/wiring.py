"""The only place that names concrete engines, stores, channels and pages.

Why it exists: workflows say what they need; this lends it to them. No marketing, no SQL, no printing.
"""

from __future__ import annotations

import platform
from contextlib import AbstractContextManager
from importlib.metadata import version
from pathlib import Path

from rapport import __version__
from rapport.channels.outbox import Outbox, read_templates
from rapport.engines.duckdb_engine import DuckDBEngine
from rapport.engines.example_data import journey_folder
from rapport.engines.source_files import digest_source
from rapport.reports.gather import report_page
from rapport.stores.memory import Memory
from rapport.stores.turn_store import TurnStore
from rapport.workflows.ports import Engine, Progress
from rapport.workflows.state_ports import Tools

_NAMED = ("duckdb", "lightgbm", "numpy", "pyarrow", "scipy")


def open_store(base: Path) -> TurnStore:
    """Return the store of a programme's folder."""
    return TurnStore(base)


def tools_for(base: Path, progress: Progress) -> Tools:
    """Return what the stages of a turn need, for a programme's folder."""
    store = TurnStore(base)
    return Tools(
        store=store,
        memory=Memory(store.state / "memory.db"),
        make_engine=make_engine,
        progress=progress,
        digest=digest_source,
        channel=Outbox(),
        templates=read_templates,
        report=report_page,
        versions=versions,
    )


def make_engine() -> AbstractContextManager[Engine]:
    """Return an engine in memory."""
    return DuckDBEngine()


def demo_data() -> Path | None:
    """Return the folder of the demonstration's data, or None where they are not installed."""
    return journey_folder()


def versions() -> dict[str, str]:
    """Return the versions that a turn was computed with."""
    found = {name: version(name) for name in _NAMED}
    return {"rapport": __version__, "python": platform.python_version()} | found
