"""The only place that names concrete engines, stores, channels and pages.

Why it exists: workflows say what they need; this lends it to them. No marketing, no SQL, no printing.
"""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rapport import __version__
from rapport.channels.outbox import Outbox, read_templates
from rapport.engines.duckdb_engine import DuckDBEngine
from rapport.engines.example_data import journey_folder
from rapport.engines.source_files import digest_source
from rapport.engines.splink_linker import SplinkLinker
from rapport.engines.worksheet_cells import read_cells
from rapport.program.model import Program
from rapport.reports.gather import report_page
from rapport.reports.worksheet_book import refuse_target, write_worksheet
from rapport.stores.memory import Memory
from rapport.stores.turn_store import TurnStore
from rapport.workflows.link_ports import Linker
from rapport.workflows.ports import Engine, Progress
from rapport.workflows.state_ports import Tools

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

    from rapport.stores.identity import CustomerMemory
    from rapport.workflows.identify import IdentifyTools
    from rapport.workflows.known_customers import KnownCustomers

_NAMED = ("duckdb", "lightgbm", "numpy", "pyarrow", "scipy")


def open_store(base: Path) -> TurnStore:
    """Return the store of a programme's folder."""
    return TurnStore(base)


def memory_address(base: Path, setting: str | None) -> URL:
    """Return where the memory of a programme is: its folder, and what its setting `memory` says."""
    from rapport.stores.database import memory_address

    return memory_address(setting, base, os.environ)


def open_customers(base: Path, setting: str | None) -> CustomerMemory:
    """Return the memory of customers of a programme; a context that closes it."""
    from rapport.stores.identity import CustomerMemory

    return CustomerMemory(memory_address(base, setting))


def tools_for(base: Path, progress: Progress, memory: str | None = None) -> Tools:
    """Return what the stages of a turn need, for a programme's folder and its setting `memory`."""
    store = TurnStore(base)
    place = store.state / "memory.db" if memory is None else memory_address(base, memory)
    return Tools(
        store=store,
        memory=Memory(place),
        make_engine=make_engine,
        progress=progress,
        digest=digest_source,
        channel=Outbox(),
        templates=read_templates,
        report=report_page,
        versions=versions,
        know=lambda program, anew: know(program, base, progress, anew),
    )


@contextmanager
def identify_tools(program: Program, base: Path, progress: Progress) -> Iterator[IdentifyTools]:
    """Lend what identify needs, for a programme and its folder."""
    from rapport.workflows.identify import IdentifyTools

    with open_customers(base, program.memory) as memory:
        yield IdentifyTools(
            TurnStore(base), memory, make_engine, make_linker, progress, digest_source, identity_versions
        )


def identity_versions() -> dict[str, str]:
    """Return the versions that customers were identified with."""
    return versions() | {name: version(name) for name in ("splink", "phonenumbers", "email-validator")}


def know(program: Program, base: Path, progress: Progress, anew: bool) -> KnownCustomers | None:
    """Return what is known of a programme's customers, once they are identified `anew` or as they were.

    None where no people are declared.
    """
    from datetime import UTC, datetime

    from rapport.workflows.identify import identify
    from rapport.workflows.known_customers import known_customers

    if not program.people:
        return None
    with identify_tools(program, base, progress) as tools:
        if anew:
            identify(program, base, tools, datetime.now(UTC))
        return known_customers(program, base, tools.memory)


def audit_page(found: dict[str, Any], program: Program) -> str:
    """Return the audit of a programme as one HTML page."""
    from rapport.reports.audit_page import render_audit

    return render_audit(found, program.name, program.currency)


def make_engine() -> AbstractContextManager[Engine]:
    """Return an engine in memory."""
    return DuckDBEngine()


def make_large_engine(spill: Path, memory: str, threads: int) -> AbstractContextManager[Engine]:
    """Return an engine that keeps to a memory, such as ``4GB``, and spills to a folder."""
    return DuckDBEngine(threads=threads, memory_limit=memory, temp_directory=spill)


def make_linker() -> AbstractContextManager[Linker]:
    """Return what compares records."""
    return SplinkLinker()


def demo_data() -> Path | None:
    """Return the folder of the demonstration's data, or None where they are not installed."""
    return journey_folder()


def versions() -> dict[str, str]:
    """Return the versions that a turn was computed with."""
    found = {name: version(name) for name in _NAMED}
    return {"rapport": __version__, "python": platform.python_version()} | found


WORKSHEET_FILES = (refuse_target, write_worksheet, read_cells)
"""What refuses, writes and reads the files of worksheets."""


def bench_header(name: str, seed: str, command: str) -> dict[str, Any]:
    """Return what every file of measured figures says of itself: what, when, from which state, on which machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "bench": name,
        "command": command,
        "date": date.today().isoformat(),
        "commit": _commit(),
        "seed": seed,
        "machine": {
            "cores": len(os.sched_getaffinity(0)),
            "memory_gib": round(memory / 2**30),
            "python": platform.python_version(),
            "packages": versions(),
        },
    }


def _commit() -> str | None:
    """Return the commit of the source tree, marked where files differ from it; None without git."""
    try:
        found = subprocess.run(
            [
                "git",
                "-C",
                str(Path(__file__).parent),
                "describe",
                "--always",
                "--dirty",
                "--exclude=*",
                "--abbrev=12",
            ],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout.strip()
