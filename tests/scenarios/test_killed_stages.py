"""A turn that is killed as soon as each of its files appears ends in the bytes of one that was never killed."""

from __future__ import annotations

from pathlib import Path

import pytest
from kills import killed_when

from shop_runs import TURN, copied, differences, done, half_written, remains

MOMENTS = {
    "during load": "loaded/*.part",
    "after load": "turns/*/customers.parquet*",
    "after state": "turns/*/states.parquet*",
    "during score": "models/relevance*",
    "after score": "turns/*/scores.parquet",
    "during plan": "turns/*/terms.json",
    "after plan": "turns/*/decisions.parquet",
    "during compose": "turns/*/messages.parquet*",
    "in the outbox": "turns/*/outbox/email/*.txt",
    "between touches and readout": "turns/*/touches.parquet",
    "during readout": "turns/*/readout.parquet*",
}


def test_one_turn_killed_at_every_stage_ends_in_the_same_bytes(shop: Path, turned: Path, tmp_path: Path) -> None:
    """One folder, one kill after another: each start carries on from what the last one left."""
    folder = copied(shop, tmp_path / "shop")
    state = folder / "state"
    hit = [m for m, pattern in MOMENTS.items() if killed_when(folder, lambda p=pattern: any(state.glob(p)), "turn")]
    assert hit == list(MOMENTS)
    done("turn", folder)
    assert half_written(folder) == []
    assert differences(remains(folder), remains(turned)) == []


@pytest.mark.parametrize("moment", ["during load", "during score"])
def test_a_turn_killed_once_ends_in_the_same_bytes(moment: str, shop: Path, turned: Path, tmp_path: Path) -> None:
    folder = copied(shop, tmp_path / "shop")
    assert killed_when(folder, lambda: any((folder / "state").glob(MOMENTS[moment])), "turn")
    assert not (folder / "state" / "turns" / TURN / "report.html").exists()
    done("turn", folder)
    assert half_written(folder) == []
    assert differences(remains(folder), remains(turned)) == []
