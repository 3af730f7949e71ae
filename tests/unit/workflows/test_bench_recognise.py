"""The bench of the memory measures in either store, in the one shape of figures."""

from __future__ import annotations

from pathlib import Path

import pytest

from postgres_server import Server
from rapport.workflows.bench_recognise import SERVER, bench_recognise

FIELDS = {"name", "label", "value", "unit", "interval", "comparator", "comparator_value", "bar", "meets"}


def test_the_small_bench_has_every_figure_and_no_bar(
    tmp_path: Path, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SERVER, postgres.new_database())
    told: list[str] = []
    results = bench_recognise(tmp_path, True, told.append)
    assert all(set(r) == FIELDS and r["bar"] is None and r["value"] > 0 for r in results)
    names = [r["name"] for r in results]
    assert len(set(names)) == len(names) == 21
    assert names[:2] == ["recognise_p50_ms", "recognise_p99_ms"]
    assert "recognise_postgresql_p99_ms" in names
    assert results[1]["comparator_value"] > 0
    assert told
