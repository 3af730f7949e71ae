"""Keys and keyed numbers against an implementation of their own in whole numbers of any size."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from rapport.core.keys import customer_key, customer_keys, positions, uniform

MASK = 2**64 - 1


def digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def splitmix(key: int, salt: str) -> float:
    """Steele, Lea & Flood (2014): add the golden gamma, then variant 13 of Stafford's mixers; twice."""
    x = (key & MASK) ^ digest(salt)
    for _ in range(2):
        x = (x + 0x9E3779B97F4A7C15) & MASK
        x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
        x ^= x >> 31
    return (x >> 11) / 2**53


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=20), st.text(max_size=20))
def test_numbers_are_those_of_splitmix64(keys: list[int], salt: str) -> None:
    assert uniform(np.array(keys, dtype=np.int64), salt).tolist() == [splitmix(k, salt) for k in keys]


@given(st.text(max_size=40))
def test_a_customer_key_is_the_eight_byte_blake2b_signed(customer_id: str) -> None:
    unsigned = digest(customer_id)
    key = customer_key(customer_id)
    assert key == (unsigned - 2**64 if unsigned >= 2**63 else unsigned)
    assert customer_keys([customer_id, "x"]).tolist() == [key, customer_key("x")]


def test_keys_and_numbers_are_the_same_for_ever() -> None:
    # Written down once: another value would draw every holdout anew.
    assert [customer_key(i) for i in ("1", "2499", "")] == FROZEN_KEYS
    assert uniform(np.array([0, 1, -1, 2**63 - 1]), "rapport:holdout").tolist() == FROZEN_NUMBERS


FROZEN_KEYS: list[int] = [-649571662916077706, -8256259217191139119, -1970711489451281740]
FROZEN_NUMBERS: list[float] = [0.06350785761981048, 0.529233451488473, 0.7787615654793372, 0.013386439295138497]


@pytest.mark.parametrize("salt", ["", "rapport:holdout", "a:explore-slot", "ü"])
@pytest.mark.parametrize("start", [0, -50_000, 2**62])
def test_numbers_of_neighbouring_keys_are_uniform(salt: str, start: int) -> None:
    u = uniform(np.arange(start, start + 100_000, dtype=np.int64), salt)
    assert u.min() >= 0.0
    assert u.max() < 1.0
    # Standard errors: mean sqrt(1/12 / n) = .0009; variance sqrt(1/180 / n) = .00024. Four of them are allowed.
    assert u.mean() == pytest.approx(0.5, abs=0.0037)
    assert u.var() == pytest.approx(1 / 12, abs=0.00095)
    assert kstest(u, "uniform").pvalue > 0.0001
    # Neighbours are unrelated: the correlation has a standard error of 1 / sqrt(n) = .0032.
    assert np.corrcoef(u[:-1], u[1:])[0, 1] == pytest.approx(0.0, abs=0.013)


def test_another_salt_gives_unrelated_numbers() -> None:
    keys = np.arange(100_000, dtype=np.int64)
    salts = ["t:explore-channel", "t:which-channel", "t:explore-slot", "t:which-offer", "t:holdout", "u:holdout"]
    related = np.corrcoef([uniform(keys, s) for s in salts]) - np.eye(len(salts))
    assert np.abs(related).max() < 0.013


INT64 = st.integers(-(2**63), 2**63 - 1)


@given(st.sets(INT64 | st.integers(0, 5), max_size=12), st.lists(INT64 | st.integers(0, 5), max_size=12), st.data())
def test_a_key_stands_where_a_search_one_by_one_finds_it(
    there: set[int], asked: list[int], data: st.DataObject
) -> None:
    ordered = sorted(there)
    if ordered:
        asked = asked + data.draw(st.lists(st.sampled_from(ordered), max_size=6))
    found = positions(np.array(ordered, dtype=np.int64), np.array(asked, dtype=np.int64))
    assert found.tolist() == [ordered.index(k) if k in there else -1 for k in asked]
