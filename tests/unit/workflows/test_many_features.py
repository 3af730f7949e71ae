"""Reading very many customers a range of keys at a time gives what reading them at once gives."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from factor_shops import shop_of
from programs import program_with
from rapport.differentiate.factors import FactorModel
from rapport.simulate.transactions import ShopWorld
from rapport.workflows import many_features
from rapport.workflows.many_features import HIGHEST, LOWEST, Many, fit_many, key_ranges, read_many
from rapport.workflows.ports import Silent
from rapport.workflows.state import build_states, make_purchases

WORLD = ShopWorld(300, 60, 60.0, seed=2)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Many]:
    with shop_of(WORLD, tmp_path_factory.mktemp("shop"), ago=28) as opened:
        yield opened


@pytest.fixture(scope="module")
def model(many: Many) -> FactorModel:
    return fit_many(many, Silent())


@pytest.mark.parametrize(("lines", "parts"), [(0, 1), (1, 1), (100, 1), (101, 2), (1_000, 10)])
def test_ranges_hold_every_key_once(lines: int, parts: int) -> None:
    ranges = key_ranges(lines, most=100)
    assert len(ranges) == parts
    assert ranges[0][0] == LOWEST
    assert ranges[-1][1] == HIGHEST
    assert all(a[1] + 1 == b[0] for a, b in pairwise(ranges))


def test_states_in_ranges_are_those_of_all_at_once(
    many: Many, model: FactorModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(many_features, "LINES_AT_ONCE", 4_000)
    monkeypatch.setattr(many_features, "key_ranges", lambda lines: key_ranges(lines, 4_000))
    chunks = list(read_many(many, model, Silent()))
    assert len(chunks) > 3
    program = program_with().model_copy(update={"margins": many.margins})
    make_purchases(many.engine, program, many.as_of)
    assert pa.concat_tables([c.states for c in chunks]).equals(build_states(many.engine, many.as_of))


def test_factors_and_personal_terms_in_ranges_are_those_of_all_at_once(
    many: Many, model: FactorModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    (whole,) = read_many(many, model, Silent())
    monkeypatch.setattr(many_features, "key_ranges", lambda lines: key_ranges(lines, 4_000))
    parts = list(read_many(many, model, Silent()))
    for name in ("factors", "personal_offer", "personal_logit"):
        joined = np.concatenate([getattr(p.customers, name) for p in parts])
        assert joined.tobytes() == getattr(whole.customers, name).tobytes()


def test_later_purchases_change_neither_the_model_nor_anybody(many: Many, model: FactorModel, tmp_path: Path) -> None:
    (seen,) = read_many(many, model, Silent())
    many.engine.execute("CREATE TABLE kept AS SELECT * FROM transactions WHERE day < $as_of", {"as_of": many.as_of})
    kept = many.engine.query("SELECT * FROM kept")
    later = many.engine.query("SELECT * FROM transactions WHERE day >= $as_of", {"as_of": many.as_of})
    assert len(later) > 500
    many.engine.execute("DROP TABLE kept")
    many.engine.register_arrow("transactions", kept)
    again = fit_many(many, Silent())
    (found,) = read_many(many, again, Silent())
    many.engine.register_arrow("transactions", pa.concat_tables([kept, later]))
    assert again.folding.factors.tobytes() == model.folding.factors.tobytes()
    assert again.repeat_weights.tobytes() == model.repeat_weights.tobytes()
    assert again.explore_weights.tobytes() == model.explore_weights.tobytes()
    assert found.states.equals(seen.states)
    assert found.customers.personal_logit.tobytes() == seen.customers.personal_logit.tobytes()
    assert found.customers.factors.tobytes() == seen.customers.factors.tobytes()
