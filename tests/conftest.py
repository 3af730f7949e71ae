"""What all tests share: this folder on the path, so that `programs` can be imported, one profile, three shops."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from sqlalchemy.engine import URL, make_url

from postgres_server import Server, postgres_server
from rapport.stores.database import sqlite_address
from rapport.stores.identity import CustomerMemory
from shop_runs import copied, done

settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The made-up shop as a newcomer gets it. Copy it; never write to it."""
    folder = tmp_path_factory.mktemp("shops") / "new"
    done("new", folder)
    return folder


@pytest.fixture(scope="session")
def composed(shop: Path) -> Path:
    """The same shop with a turn that waits to be sent. Copy it; never write to it."""
    folder = copied(shop, shop.with_name("composed"))
    done("turn", folder, "--dry-run")
    return folder


@pytest.fixture(scope="session")
def turned(composed: Path) -> Path:
    """The same shop after one whole turn. Copy it; never write to it."""
    folder = copied(composed, composed.with_name("turned"))
    done("turn", folder)
    return folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server of this worker."""
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> URL:
    """The address of an empty memory, in each store."""
    if request.param == "sqlite":
        return sqlite_address(tmp_path / "state" / "memory.db")
    return make_url(request.getfixturevalue("postgres").new_database())


@pytest.fixture
def memory(address: URL) -> Iterator[CustomerMemory]:
    """An empty memory of customers, in each store."""
    with CustomerMemory(address) as opened:
        yield opened
