"""What a workflow asks of the world outside, as Protocols, with the silent ones that tests need.

Why it exists: a workflow says what it needs, the wiring says which engine, store or screen gives it. No
concrete engine and nothing that formats for a person may enter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.program.source import Origin


class EngineFault(Exception):
    """The engine could not do what it was asked; the text is the engine's own.

    Not of the tree of errors a person sees: the workflow that meets it knows what it was doing, and says so.
    """


class Progress(Protocol):
    """Where a workflow tells how far it is."""

    def start(self, stage: str, total: int | None) -> None:
        """Begin a stage of `total` rows; None where the number is not known."""

    def advance(self, n: int) -> None:
        """Tell that `n` more rows are done."""

    def finish(self) -> None:
        """End the stage."""


class Silent:
    """A progress that tells nobody."""

    def start(self, stage: str, total: int | None) -> None:
        """Begin a stage."""

    def advance(self, n: int) -> None:
        """Move on."""

    def finish(self) -> None:
        """End the stage."""


class Suppressed(Protocol):
    """Knows whom a programme has forgotten, and nothing else of them."""

    @property
    def digest(self) -> str:
        """Return what changes when somebody else is forgotten; empty where nobody is."""

    def suppresses(self, system: str, record_ids: Sequence[str]) -> NDArray[np.bool_]:
        """Return which ids of a system were forgotten, shape (ids,); `system` is empty for customer ids."""


class Engine(Protocol):
    """Runs SQL over tables that were given a name.

    Values are bound as ``$name``. Every method raises `EngineFault` where the engine refuses, also while a
    stream is read. Tables made by `execute` must be plain tables: a stream does not see temporary ones.
    """

    def register_parquet(self, name: str, path: Path) -> None:
        """Let `name` stand for a Parquet file."""

    def register_arrow(self, name: str, table: pa.Table) -> None:
        """Let `name` stand for an Arrow table."""

    def register_source(self, name: str, base: Path, source: Origin) -> None:
        """Let `name` stand for a company's file: its columns, and ``__row`` BIGINT counting data rows from 1.

        Raises
        ------
        SourceMissing
            There is no such file.
        SourceUnreadable
            The file is not of a format that can be read, or is damaged.
        """

    def query(self, sql: str, params: Mapping[str, Any] | None = None) -> pa.Table:
        """Return the whole result of a query."""

    def stream(
        self, sql: str, params: Mapping[str, Any] | None = None, batch_rows: int = 65_536
    ) -> pa.RecordBatchReader:
        """Return the result of a query in batches."""

    def in_little_memory(self) -> AbstractContextManager[None]:
        """Keep little of what was read until the block ends: for a file of any size that is gone through once."""

    def execute(self, sql: str, params: Mapping[str, Any] | None = None) -> None:
        """Run a statement that gives no rows."""

    def check_question(self, sql: str, tables: Sequence[str], place: str) -> None:
        """Raise RuleRefused where a person's query is not one plain SELECT over the named tables; run nothing."""

    def ask(self, sql: str, as_of: date, tables: Sequence[str], place: str = "query") -> pa.Table:
        """Return the result of a query that a person wrote, over the named tables before `as_of`.

        Raises
        ------
        RuleRefused
            The text is not one plain SELECT, or the engine refuses it.
        """


class FileDigest(Protocol):
    """Sums up the bytes of a source's file, or the rows of a source in a database."""

    def __call__(self, base: Path, path: str | Origin) -> str:
        """Return a hex digest of the file's bytes, or of the rows.

        Raises
        ------
        SourceMissing
            There is no such file.
        """
