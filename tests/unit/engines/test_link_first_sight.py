"""Pairs dropped before they are compared in full are those that full comparison would have dropped."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from rapport.core.people import PEOPLE, record_key
from rapport.engines.splink_linker import SplinkLinker
from rapport.identify.comparisons import ORGANISATION, PERSON
from rapport.identify.link_model import kinds_of_strangers
from rapport.identify.mixture import bits_of
from rapport.identify.standard import settings_of, standardise
from rapport.program.identify import Identify
from rapport.simulate.people import PeopleWorld, make_people
from rapport.workflows.link_ports import Weights
from rapport.workflows.resolve_fit import choose

FIRMS = ("Alder Tools", "Alder Tool Works", "Birch & Sons", "Birch and Sons Ltd", "Cedar Bakery", "Cedar Bakeries")


def people() -> pa.Table:
    """Return made-up people, some with several addresses and numbers."""
    made = make_people(PeopleWorld(1_500, duplicates=0.5, slip=0.3, missing=0.15, seed=5)).people
    several = made.to_pylist()
    for n, row in enumerate(several):
        if n % 3 == 0:
            row["email"] = [*(row["email"] or []), f"second{n % 40}@post.example"]
        if n % 4 == 0:
            row["phone"] = [*(row["phone"] or []), f"+1212555{1000 + n % 50}"]
    return pa.Table.from_pylist(several, schema=PEOPLE)


def firms() -> pa.Table:
    """Return organisations with contacts, few names many times."""
    rows = [
        {
            "record_key": record_key("firms", str(n)),
            "system": "firms",
            "record_id": str(n),
            "kind": ORGANISATION,
            "organisation": FIRMS[n % 6] if n % 7 else f"{FIRMS[n % 6]} {n}",
            "surname": ("Muster", "Meier", None)[n % 3],
            "given_name": ("Anna", "Ann", "Otto")[n % 3],
            "city": ("Bern", "Berne", "Zug")[n % 3],
            "postal_code": str(3_000 + n % 9),
            "phone": [f"+4131000{1000 + n % 60}"] if n % 2 else None,
        }
        for n in range(900)
    ]
    return pa.Table.from_pylist(rows, schema=PEOPLE)


@pytest.mark.parametrize(("make", "about"), [(people, PERSON), (firms, ORGANISATION)])
def test_what_is_dropped_at_first_sight_would_have_been_dropped(make: Callable[[], pa.Table], about: str) -> None:
    standard = standardise(make(), settings_of(Identify(), (), None))
    with SplinkLinker(threads=2) as linker:
        linker.load(standard, (), np.empty(0, np.int64))
        found = choose(linker, standard.num_rows, (), about)
        assert found is not None
        expected = [np.array(c.expected) for c in found.comparisons]
        bits = [bits_of(m, (1.0 - m) / (1.0 - m).sum()) for m in expected]
        told = tuple(tuple(float(x) for x in b) for b in bits)
        usual = tuple(0.01 for _ in told)
        own = tuple(0.0002 for _ in told)
        weights = Weights(found.comparisons, told, usual, own, kinds_of_strangers(found.comparisons, about))
        every = linker.score(weights, -1e9)
        full = linker.score_these(weights, every.left, every.right)
        assert len(full.left) > 1_000
        assert np.array_equal(every.level, full.level)
        assert np.array_equal(every.weight, full.weight)
        anyone = full.weight[:, 0]
        for share in (0.1, 0.5, 0.9, 0.99):
            floor = float(np.quantile(anyone, share))
            some = linker.score(weights, floor)
            kept = anyone >= floor
            assert 0 < kept.sum() < len(kept)
            assert np.array_equal(some.left, full.left[kept])
            assert np.array_equal(some.right, full.right[kept])
            assert np.array_equal(some.level, full.level[kept])
            assert np.array_equal(some.weight, full.weight[kept])
