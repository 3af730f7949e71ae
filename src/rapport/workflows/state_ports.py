"""What the stages of a turn ask of the programme's state and of the channels, as Protocols.

Why it exists: a stage says what it needs; the wiring says which store, memory and adapter give it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.customize.compose import ComposedMessage, TemplateSet
from rapport.program.model import Program
from rapport.workflows.known_customers import KnownCustomers
from rapport.workflows.ports import Engine, FileDigest, Progress


class Store(Protocol):
    """The files of a programme's state; everything is written whole or not at all."""

    state: Path

    def writing(self) -> AbstractContextManager[None]:
        """Hold the programme's lock; raise TurnBusy where another process holds it."""

    def turn_folder(self, turn: str) -> Path:
        """Return the folder of a turn."""

    def turns(self) -> list[str]:
        """Return the turns begun, oldest first."""

    def require_turn(self, turn: str | None) -> str:
        """Return the turn asked for, or the latest; raise UnknownTurn."""

    def discard_turn(self, turn: str) -> None:
        """Remove the files of a turn."""

    def loaded_folder(self, digest: str) -> Path:
        """Return the folder of a state of the loaded sources."""

    def folder_when_whole(self, folder: Path) -> AbstractContextManager[Path]:
        """Yield an empty folder that takes its name when the block ends well."""

    def write_table(self, turn: str, name: str, table: pa.Table) -> None:
        """Write a table of a turn."""

    def read_table(self, turn: str, name: str) -> pa.Table:
        """Return a table of a turn."""

    def has_table(self, turn: str, name: str) -> bool:
        """Return whether a table of a turn is there."""

    def write_text(self, path: Path, text: str) -> None:
        """Write a text file."""

    def write_json(self, path: Path, value: Any) -> None:
        """Write plain values as JSON."""

    def read_json(self, path: Path) -> Any:
        """Return plain values from JSON, None where there is no file."""


class MemoryPort(Protocol):
    """What outlives a turn."""

    def held_out(self) -> NDArray[np.int64]:
        """Return the households held out so far."""

    def hold_out(self, household_keys: Iterable[int], turn: str) -> None:
        """Hold households out for ever."""

    def forget_holdout(self, turn: str) -> None:
        """Forget that a turn held anybody out, when it is discarded unsent."""

    def contacts(self, first: date, before: date, besides: str) -> dict[int, int]:
        """Return deliveries per customer on days in [first, before), those of one turn left out."""

    def turns(self) -> set[str]:
        """Return the turns of which something was delivered."""

    def remember_deliveries(self, rows: Iterable[tuple[str, int, str, date, str, bool]]) -> int:
        """Remember deliveries, carried or withheld, once; return how many were new."""

    def keyed(self, customers: Iterable[int], households: Iterable[int]) -> dict[str, int]:
        """Return how many rows are about customers and households: `deliveries` and `holdouts`."""

    def replace_keys(self, customers: Mapping[int, int], households: Mapping[int, int]) -> None:
        """Put other keys in the place of those of forgotten customers and households, for ever."""


class DeliveryReport(Protocol):
    """What became of one message."""

    @property
    def touch_id(self) -> str:
        """Return which message."""

    @property
    def status(self) -> str:
        """Return `written`, `already` or `withheld`."""

    @property
    def files(self) -> tuple[str, ...]:
        """Return the files that hold it, relative to the channel's folder."""


class ChannelPort(Protocol):
    """Carries messages, each at most once however often it is asked."""

    def deliver(self, messages: Iterable[ComposedMessage], folder: Path) -> Iterable[DeliveryReport]:
        """Carry messages and report on each."""


def _nobody(program: Program, anew: bool) -> KnownCustomers | None:
    return None


@dataclass(frozen=True)
class Tools:
    """The concrete things that the wiring lends to a turn."""

    store: Store
    memory: MemoryPort
    make_engine: Callable[[], AbstractContextManager[Engine]]
    progress: Progress
    digest: FileDigest
    channel: ChannelPort
    templates: Callable[[Path], TemplateSet]
    report: Callable[[Program, Store, str, Path], str]
    versions: Callable[[], dict[str, str]]
    know: Callable[[Program, bool], KnownCustomers | None] = _nobody
