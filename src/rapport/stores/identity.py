"""The memory of customers in one store.

Why it exists: whoever asks holds one thing; records, merges, reviews, contacts, profiles, work and forgetting are
rooms of it over one database.
"""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from rapport.stores.contact_points import ContactStore
from rapport.stores.database import Database
from rapport.stores.erasure import ErasureStore
from rapport.stores.ledger import LedgerStore
from rapport.stores.profiles import ProfileStore
from rapport.stores.records import RecordStore
from rapport.stores.reviews import ReviewStore
from rapport.stores.work import WorkStore

if TYPE_CHECKING:
    from sqlalchemy.engine import URL


class CustomerMemory:
    """The memory of customers, as `rapport.workflows.identity_ports.IdentityMemory`; a context that closes it."""

    def __init__(self, address: URL) -> None:
        self._database = Database(address, pooled=True)
        self.records = RecordStore(self._database)
        self.ledger = LedgerStore(self._database)
        self.reviews = ReviewStore(self._database)
        self.contacts = ContactStore(self._database)
        self.profiles = ProfileStore(self._database)
        self.work = WorkStore(self._database)
        self.erasure = ErasureStore(self._database)

    def __enter__(self) -> CustomerMemory:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the store's connections."""
        self._database.close()
