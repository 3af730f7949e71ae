"""Files of an allocation instance: what is written is read again, and every slip is named with its place."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rapport.core.errors import InstanceInvalid, TargetExists
from rapport.decide.respond import respond
from rapport.simulate.instance_record import ANY_CHANNEL, Group, Instance, Labels, used_by_plan
from rapport.simulate.instances import FAMILIES, make_instance
from rapport.workflows.instance_files import read_instance, write_instance
from rapport.workflows.instance_problem import SCALE, to_problem

Columns = dict[str, list[Any]]


def _header() -> dict[str, Any]:
    return {
        "format": 1,
        "size": 2,
        "channels": [
            {"name": "email", "reach": 0.5, "cost": 0.1},
            {"name": "call", "cost": 2, "amounts": {"minutes": 5}},
        ],
        "limits": [
            {"name": "budget", "counts": "spend", "at_most": 9},
            {"name": "calls", "counts": "contacts", "channels": ["call"], "at_most": 1},
            {"name": "acme", "counts": "offers", "offers": {"supplier": "acme"}, "at_least": 1},
            {"name": "tea", "counts": "offers", "offers": ["tea"], "customers": {"tier": "gold"}, "at_most": 1},
        ],
    }


def _tables() -> dict[str, Columns]:
    return {
        "candidates": {
            "customer": ["b", "a", "b"],
            "offer": ["tea", "milk", "milk"],
            "value": [3.0, 2.0, 1.5],
            "channel": [None, "call", "email"],
            "spend": [4.0, 5.0, 6.0],
        },
        "contacts": {"customer": ["a"], "channel": ["call"], "cost": [3.0], "minutes": [8.0]},
        "customers": {"customer": ["b", "a"], "tier": ["gold", None]},
        "offers": {"offer": ["tea", "milk"], "supplier": ["acme", "best"]},
    }


def _written(folder: Path, header: Any, tables: dict[str, Columns]) -> Path:
    folder.mkdir()
    (folder / "instance.json").write_text(header if isinstance(header, str) else json.dumps(header), encoding="utf-8")
    for name, columns in tables.items():
        pq.write_table(pa.table(columns), folder / f"{name}.parquet")
    return folder


def test_a_folder_is_read_with_defaults_of_channels_and_ids_in_the_order_of_customers(tmp_path: Path) -> None:
    instance = read_instance(_written(tmp_path / "i", _header(), _tables()))
    assert instance.customers.tolist() == ["b", "a"]
    assert instance.offers.tolist() == ["tea", "milk"]
    rows = instance.candidates
    # Customer b stands first, so her two rows come first; each knows its channel.
    assert rows.customer.tolist() == [0, 0, 1]
    assert rows.offer.tolist() == [0, 1, 1]
    assert rows.channel.tolist() == [ANY_CHANNEL, 0, 1]
    assert rows.value.tolist() == [3.0, 1.5, 2.0]
    assert rows.amounts["spend"].tolist() == [4.0, 6.0, 5.0]
    # A call costs 2 and takes 5 minutes, but to customer a it costs 3 and takes 8.
    assert instance.contacts.cost.tolist() == [[0.1, 2.0], [0.1, 3.0]]
    assert instance.contacts.amounts["minutes"].tolist() == [[0.0, 5.0], [0.0, 8.0]]
    assert [c.reach for c in instance.channels] == [0.5, 1.0]
    assert [(x.name, x.bound, x.at_least) for x in instance.limits] == [
        ("budget", 9.0, False),
        ("calls", 1.0, False),
        ("acme", 1.0, True),
        ("tea", 1.0, False),
    ]
    assert instance.limits[1].channels == (1,)
    assert instance.limits[2].offers == Group("supplier", ("acme",))
    assert instance.limits[3].offers == (0,)
    assert instance.limits[3].customers == Group("tier", ("gold",))
    assert instance.customer_labels["tier"].codes.tolist() == [0, -1]


def test_one_file_of_arrays_holds_the_same_as_a_folder(tmp_path: Path) -> None:
    arrays = {
        f"{table}.{column}": np.array(["" if v is None else v for v in values])
        for table, columns in _tables().items()
        for column, values in columns.items()
    }
    np.savez(tmp_path / "i.npz", instance=np.array(json.dumps(_header())), **arrays)
    _assert_same(read_instance(tmp_path / "i.npz"), read_instance(_written(tmp_path / "i", _header(), _tables())))


def test_an_instance_needs_no_more_than_candidates_and_a_size(tmp_path: Path) -> None:
    tables = {"candidates": {"customer": [7, 3], "offer": [1, 1], "value": [1.0, 2.0]}}
    instance = read_instance(_written(tmp_path / "i", {"format": 1, "size": 1}, tables))
    assert instance.customers.tolist() == [3, 7]
    assert [c.name for c in instance.channels] == ["message"]
    assert instance.limits == ()


def _names(labels: Labels) -> list[str]:
    return np.array([*labels.names, ""])[labels.codes].tolist()


def _assert_same(a: Instance, b: Instance) -> None:
    for name in ("customer", "offer", "channel", "value", "must"):
        assert np.array_equal(getattr(a.candidates, name), getattr(b.candidates, name)), name
    for left, right in ((a.candidates.amounts, b.candidates.amounts), (a.contacts.amounts, b.contacts.amounts)):
        assert left.keys() == right.keys()
        assert all(np.array_equal(left[name], right[name]) for name in left)
    assert np.array_equal(a.contacts.cost, b.contacts.cost)
    for labels, others in ((a.customer_labels, b.customer_labels), (a.offer_labels, b.offer_labels)):
        assert {n: _names(x) for n, x in labels.items()} == {n: _names(x) for n, x in others.items()}
    for name in ("customers", "offers", "forced"):
        assert np.array_equal(getattr(a, name), getattr(b, name)), name
    for name in ("channels", "size", "limits", "variety", "kinds", "through_reach"):
        assert getattr(a, name) == getattr(b, name), name


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("ending", ["", ".npz"])
def test_what_is_written_is_read_again_bit_by_bit(family: str, ending: str, tmp_path: Path) -> None:
    instance = make_instance(family, 60, candidates=6, seed=4)
    write_instance(instance, tmp_path / f"i{ending}")
    _assert_same(read_instance(tmp_path / f"i{ending}"), instance)


def test_an_instance_is_not_written_over_what_is_there(tmp_path: Path) -> None:
    instance = make_instance("slack", 3, candidates=3)
    write_instance(instance, tmp_path / "i")
    with pytest.raises(TargetExists, match="there already"):
        write_instance(instance, tmp_path / "i")


Change = Callable[[dict[str, Any], dict[str, Columns]], object]

SLIPS: dict[str, tuple[Change, str]] = {
    "a value that is not a number": (
        lambda h, t: t["candidates"]["value"].__setitem__(1, float("nan")),
        r"candidates\.parquet: column 'value', row 1: nan; it must be a finite number",
    ),
    "an infinite value": (
        lambda h, t: t["candidates"]["value"].__setitem__(2, float("inf")),
        r"column 'value', row 2: inf; it must be a finite number",
    ),
    "a value that is missing": (
        lambda h, t: t["candidates"]["value"].__setitem__(0, None),
        r"column 'value', row 0: there is no value",
    ),
    "values in words": (
        lambda h, t: t["candidates"].update(value=["a", "b", "c"]),
        r"column 'value': it holds string; it must hold numbers",
    ),
    "a negative amount": (
        lambda h, t: t["candidates"]["spend"].__setitem__(1, -5.0),
        r"column 'spend', row 1: -5\.0; it must be a finite number of at least 0",
    ),
    "an unknown offer": (
        lambda h, t: t["candidates"]["offer"].__setitem__(0, "tee"),
        r"column 'offer', row 0: 'tee' is not among the 2 offers; .*Did you mean tea",
    ),
    "an unknown customer": (
        lambda h, t: t["contacts"]["customer"].__setitem__(0, "z"),
        r"contacts\.parquet: column 'customer', row 0: 'z' is not among the 2 customers",
    ),
    "an unknown channel of a candidate": (
        lambda h, t: t["candidates"]["channel"].__setitem__(1, "cal"),
        r"column 'channel', row 1: 'cal' is no channel.*Did you mean call",
    ),
    "ids of two kinds": (
        lambda h, t: t["candidates"].update(customer=[1, 2, 3]),
        r"column 'customer': it holds int64; customers are string elsewhere",
    ),
    "an empty id": (
        lambda h, t: t["offers"]["offer"].__setitem__(0, ""),
        r"offers\.parquet: column 'offer', row 0: .*an id must not be empty",
    ),
    "a candidate that stands twice": (
        lambda h, t: t["candidates"].update(offer=["tea", "milk", "tea"], channel=[None, None, None]),
        r"column 'offer', row 2: 'tea' stands a second time for customer 'b'",
    ),
    "a candidate for all channels and again for one": (
        lambda h, t: t["candidates"]["offer"].__setitem__(2, "tea"),
        r"column 'offer', row 2: 'tea' stands a second time for customer 'b'",
    ),
    "a contact that stands twice": (
        lambda h, t: t.update(contacts={"customer": ["a", "a"], "channel": ["call", "call"], "cost": [1.0, 1.0]}),
        r"column 'channel', row 1: it stands a second time for customer 'a'",
    ),
    "a customer who stands twice": (
        lambda h, t: t["customers"].update(customer=["b", "b"]),
        r"customers\.parquet: column 'customer', row 1: 'b' stands a second time",
    ),
    "a missing column": (
        lambda h, t: t["candidates"].__setitem__("valeu", t["candidates"].pop("value")),
        r"no column 'value' - it has .*Did you mean valeu",
    ),
    "no customers": (
        lambda h, t: t.update(customers={"customer": pa.array([], pa.string())}),  # type: ignore[dict-item]
        r"customers\.parquet: there is no row; an instance needs at least one customer",
    ),
    "a flag that is no flag": (
        lambda h, t: t["candidates"].update(must=[0, 1, 2]),
        r"column 'must', row 2: 2; it must be true or false",
    ),
    "an amount with a taken name": (
        lambda h, t: t["candidates"].update(offers=[1.0, 1.0, 1.0]),
        r"column 'offers': the name is taken",
    ),
    "more musts than a message holds": (
        lambda h, t: (h.update(size=1), t["candidates"].update(must=[True, True, True])),
        r"customer .*'b'.* has 2 offers that must be in a message through 'email'; size allows 1",
    ),
    "an unknown key": (lambda h, t: h.update(limit=[]), r"there is no key 'limit'; .*Did you mean limits"),
    "no format": (lambda h, t: h.pop("format"), r"format is None; it must be 1"),
    "a later format": (lambda h, t: h.update(format=2), r"format is 2; it must be 1"),
    "no size": (lambda h, t: h.pop("size"), r"size is missing"),
    "a size of nothing": (lambda h, t: h.update(size=0), r"size is 0; it must be a whole number from 1 to 100"),
    "a variety above one": (lambda h, t: h.update(variety=1.5), r"variety is 1\.5; .*in \[0, 1\]"),
    "a variety of nothing": (lambda h, t: h.update(variety=0), r"variety is 0; it must lie above 0"),
    "a kind that no offer is of": (lambda h, t: h.update(kinds={"club": 1}), r"kinds names 'club'"),
    "an unknown amount through reach": (
        lambda h, t: h.update(through_reach=["spent"]),
        r"through_reach names 'spent'; amounts of candidates are spend",
    ),
    "no channels": (lambda h, t: h.update(channels=[]), r"channels has 0 entries; it must have 1 to 62"),
    "a channel that stands twice": (
        lambda h, t: h["channels"][1].update(name="email"),
        r"channel 'email' stands twice",
    ),
    "a reach above one": (
        lambda h, t: h["channels"][0].update(reach=2),
        r"channels\[0\]: reach is 2; it must be a finite number in \[0, 1\]",
    ),
    "an infinite cost": (
        lambda h, t: h["channels"][0].update(cost=float("inf")),
        r"channels\[0\]: cost is inf; it must be a finite number at least 0",
    ),
    "a limit without a name": (lambda h, t: h["limits"][0].pop("name"), r"limits\[0\]: name is None"),
    "a limit that stands twice": (
        lambda h, t: h["limits"][1].update(name="budget"),
        r"limits\[1\]: name is 'budget' a second time",
    ),
    "a limit that counts nothing known": (
        lambda h, t: h["limits"][0].update(counts="spent"),
        r"limits\[0\] 'budget': counts names 'spent'; .*Did you mean spend",
    ),
    "a minimum and a maximum in one": (
        lambda h, t: h["limits"][0].update(at_least=1),
        r"limits\[0\] 'budget': it has at_most and at_least; it must have exactly one",
    ),
    "a limit without a bound": (
        lambda h, t: h["limits"][0].pop("at_most"),
        r"it has neither at_most nor at_least",
    ),
    "a negative bound": (
        lambda h, t: h["limits"][0].update(at_most=-1),
        r"at_most is -1; it must be a finite number at least 0",
    ),
    "a bound that is not a number": (
        lambda h, t: h["limits"][0].update(at_most=float("nan")),
        r"at_most is nan",
    ),
    "a limit about an unknown channel": (
        lambda h, t: h["limits"][1].update(channels=["fax"]),
        r"limits\[1\] 'calls': channels names 'fax'; channels are email, call",
    ),
    "a limit about an unknown attribute": (
        lambda h, t: h["limits"][2].update(offers={"suplier": "acme"}),
        r"offers names 'suplier'; columns of offers\.parquet are supplier\. Did you mean supplier",
    ),
    "a limit about a label nobody has": (
        lambda h, t: h["limits"][3].update(customers={"tier": "silver"}),
        r"customers\.tier names 'silver'; its values are gold",
    ),
    "a limit about an unknown offer": (
        lambda h, t: h["limits"][3].update(offers=["cocoa"]),
        r"limits\[3\] 'tea': offers names 'cocoa'; offers are tea, milk",
    ),
    "offers of a limit that counts contacts": (
        lambda h, t: h["limits"][1].update(offers=["tea"]),
        r"offers are named, but 'contacts' belongs to contacts",
    ),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_refused_with_place_and_value_and_what_is_allowed(slip: str, tmp_path: Path) -> None:
    header, tables = _header(), _tables()
    change, told = SLIPS[slip]
    change(header, tables)
    folder = _written(tmp_path / "i", header, tables)
    with pytest.raises(InstanceInvalid) as refused:
        read_instance(folder)
    assert re.search(told, str(refused.value)), str(refused.value)
    assert str(refused.value).startswith(str(folder))
    assert refused.value.exit_code == 9


def test_files_that_are_missing_or_broken_are_refused_by_name(tmp_path: Path) -> None:
    def refused(path: Path, told: str) -> None:
        with pytest.raises(InstanceInvalid, match=told):
            read_instance(path)

    refused(tmp_path / "nowhere", "no allocation instance is there")
    folder = _written(tmp_path / "i", "{,", _tables())
    refused(folder, r"instance\.json:1: it is not JSON")
    (folder / "instance.json").write_text("[1]", encoding="utf-8")
    refused(folder, "it must be one JSON object")
    (folder / "candidates.parquet").write_bytes(b"")
    refused(folder, r"candidates\.parquet: it cannot be read")
    (folder / "candidates.parquet").unlink()
    refused(folder, r"candidates\.parquet: the file is missing")
    (folder / "instance.json").unlink()
    refused(folder, r"instance\.json: the file is missing")
    broken = tmp_path / "i.npz"
    broken.write_bytes(b"no archive")
    refused(broken, r"i\.npz: it cannot be read")
    np.savez(broken, customer=np.array([1]))
    refused(broken, "no array 'instance' with the header")
    header = np.array(json.dumps({"format": 1, "size": 1}))
    np.savez(broken, instance=header)
    refused(broken, r"no array candidates\.customer")
    np.savez(broken, instance=header, **{"candidate.offer": np.array([1])})
    refused(broken, "belongs to no table; .*Did you mean candidates")
    np.savez(broken, instance=header, **{"candidates.offer": np.array([1]), "candidates.value": np.ones(2)})
    refused(broken, "arrays differ in length - offer 1, value 2")
    np.savez(broken, instance=header, **{"candidates.offer": np.ones((2, 2))})
    refused(broken, r"shape \(2, 2\); it must have one dimension")


@pytest.mark.parametrize("family", FAMILIES)
def test_a_problem_uses_limits_as_the_instance_counts_them(family: str) -> None:
    instance = make_instance(family, 80, candidates=6, seed=9)
    problem = to_problem(instance)
    wanted = respond(problem, np.zeros(len(instance.limits)))
    rows = (problem.customers.start[:-1, None] + wanted.chosen)[wanted.chosen >= 0]
    counted = used_by_plan(instance, wanted.route, rows)
    np.testing.assert_allclose(wanted.usage, counted, rtol=1e-12, atol=1e-12)
    # A power of two: not a bit is lost.
    assert (problem.candidates.value / SCALE).tobytes() == instance.candidates.value.tobytes()


def test_an_amount_that_comes_through_the_channel_counts_with_its_reach(tmp_path: Path) -> None:
    header, tables = _header(), _tables()
    header["through_reach"] = ["spend"]
    instance = read_instance(_written(tmp_path / "i", header, tables))
    problem = to_problem(instance)
    wanted = respond(problem, np.zeros(4))
    # Email to b: 0.5 * (3 + 1.5) - 0.1 = 2.15 beats a call, 3 - 2 = 1. A call to a costs 3 for 2: silence.
    assert wanted.route.tolist() == [0, -1]
    assert (wanted.net / SCALE).tolist() == pytest.approx([2.15, 0.0])
    # Half of 4 + 6; no call; tea of acme; tea to gold.
    assert wanted.usage.tolist() == [5.0, 0.0, 1.0, 1.0]


def _kinds_of_arrays(part: Any, name: str) -> set[tuple[object, ...]]:
    if isinstance(part, tuple):
        return {
            kind
            for field, inner in zip(part._fields, part, strict=True)
            for kind in _kinds_of_arrays(inner, f"{name}.{field}")
        }
    return {(name, part.dtype, part.ndim, part.flags.writeable, part.flags.c_contiguous)}


def test_loops_need_not_be_compiled_again_for_what_was_read(tmp_path: Path) -> None:
    made = make_instance("mixed", 30, 5, seed=2)
    write_instance(made, tmp_path / "i")
    write_instance(made, tmp_path / "i.npz")
    kinds = _kinds_of_arrays(to_problem(made), "problem")
    assert kinds == _kinds_of_arrays(to_problem(read_instance(tmp_path / "i")), "problem")
    assert kinds == _kinds_of_arrays(to_problem(read_instance(tmp_path / "i.npz")), "problem")
