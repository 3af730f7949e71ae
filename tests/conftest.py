"""What all tests share: this folder on the path, so that `programs` can be imported, one profile, three shops."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

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
