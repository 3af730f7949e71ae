"""Who was forgotten: keyed hashes that keep a person from coming back, and a line on each erasure.

Why it exists: the company's own files still hold who was forgotten, and the next load must leave them out without
knowing who they are. Whom a hash is about is known only to who asks for the same id again.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rapport.workflows.state_ports import Store

FORGOTTEN_FILE = "forgotten.json"


@dataclass(frozen=True)
class Forgotten:
    """What a programme keeps of erasures: the key of its hashes, the suppressed, a line on each erasure."""

    key: str
    suppressed: frozenset[str] = frozenset()
    lines: tuple[Mapping[str, Any], ...] = ()

    @property
    def digest(self) -> str:
        """Return what changes when somebody else is forgotten; empty where nobody is."""
        if not self.suppressed:
            return ""
        return hashlib.blake2b("".join(sorted(self.suppressed)).encode(), digest_size=16).hexdigest()

    def hash(self, *parts: str) -> str:
        """Return the keyed hash of a text, or of several."""
        text = "\x1f".join(parts)
        return hashlib.blake2b(text.encode(), key=bytes.fromhex(self.key), digest_size=16).hexdigest()

    def suppresses(self, system: str, record_ids: Sequence[str]) -> NDArray[np.bool_]:
        """Return which ids of a system were forgotten, shape (ids,); `system` is empty for customer ids."""
        if not self.suppressed:
            return np.zeros(len(record_ids), dtype=np.bool_)
        found = (self.hash("record", system, i) in self.suppressed for i in record_ids)
        return np.fromiter(found, dtype=np.bool_, count=len(record_ids))

    def hashes(self, records: Iterable[tuple[str, str]]) -> list[str]:
        """Return the keyed hashes of records of systems, by which they are suppressed."""
        return sorted(self.hash("record", system, record) for system, record in records)

    def asked(self, given: str) -> str:
        """Return the keyed hash of what a person is asked for by."""
        return self.hash("asked", given.strip().casefold())

    def line_on(self, given: str) -> Mapping[str, Any] | None:
        """Return the line on the latest erasure of whom an id or identifier named, None where there is none."""
        asked = self.asked(given)
        return next((line for line in reversed(self.lines) if asked in line["who"]), None)


def read_forgotten(store: Store) -> Forgotten | None:
    """Return what the programme keeps of erasures; None where nobody was ever forgotten."""
    told = store.read_json(store.state / FORGOTTEN_FILE)
    if told is None:
        return None
    return Forgotten(told["key"], frozenset(told["suppressed"]), tuple(told["forgotten"]))


def begin_forgotten(store: Store) -> Forgotten:
    """Return what the programme keeps of erasures, with a key of its own drawn where it has none."""
    found = read_forgotten(store)
    if found is None:
        found = Forgotten(secrets.token_hex(32))
        keep_forgotten(store, found)
    return found


def keep_forgotten(store: Store, forgotten: Forgotten) -> None:
    """Write what the programme keeps of erasures."""
    told = {
        "key": forgotten.key,
        "suppressed": sorted(forgotten.suppressed),
        "forgotten": [dict(line) for line in forgotten.lines],
    }
    store.write_json(store.state / FORGOTTEN_FILE, told)
