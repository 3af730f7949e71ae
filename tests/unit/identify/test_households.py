"""Who lives together: by address and surname, phone, or a system's word; neighbours and offices do not."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from person_records import standard
from rapport.core.people import CLUSTERS
from rapport.identify.households import HOUSEHOLDS, HouseholdSettings, find_households

HOME = {"house_number": "12", "street": "high st", "city": "york", "postal_code": "YO1 7PR", "country": "GB"}


def _find(
    *records: dict[str, Any],
    same: dict[int, int] | None = None,
    before: pa.Table | None = None,
    settings: HouseholdSettings | None = None,
) -> tuple[list[str], list[str], pa.Table]:
    """Return id and basis of the household of each record's customer; record n has key n."""
    table = standard(*({"record_id": f"r{n}", **r} for n, r in enumerate(records)))
    table = table.set_column(0, table.schema.field(0), pa.array(range(len(records)), pa.int64()))
    rows = [{"record_key": n, "cluster": (same or {}).get(n, n)} for n in range(len(records))]
    clusters = pa.Table.from_pylist(rows, schema=CLUSTERS)
    found = find_households(table, clusters, before, settings)
    by_customer = {r["customer"]: r for r in found.to_pylist()}
    of = [by_customer[r["cluster"]] for r in rows]
    return [o["household_id"] for o in of], [o["basis"] for o in of], found


def test_one_surname_at_one_address_is_a_household_of_two_customers() -> None:
    ids, basis, found = _find({"surname": "berg", **HOME}, {"surname": "berg", **HOME})
    assert (ids[0] == ids[1], basis, found.num_rows) == (True, ["address", "address"], 2)


def test_strangers_at_one_address_are_two_households() -> None:
    ids, basis, _ = _find({"surname": "berg", **HOME}, {"surname": "smith", **HOME})
    assert (ids[0] != ids[1], basis) == (True, ["alone", "alone"])


def test_a_double_surname_shares_the_household_of_each_part() -> None:
    ids, _, _ = _find({"surname": "berg smith", **HOME}, {"surname": "smith", **HOME})
    assert ids[0] == ids[1]


def test_a_particle_of_surnames_is_no_common_name() -> None:
    ids, _, _ = _find({"surname": "van dijk", **HOME}, {"surname": "van vliet", **HOME})
    assert ids[0] != ids[1]


def test_other_flats_are_other_households() -> None:
    ids, _, _ = _find({"surname": "berg", "unit": "1", **HOME}, {"surname": "berg", "unit": "2", **HOME})
    assert ids[0] != ids[1]


def test_a_phone_needs_a_surname_or_an_address_beside_it() -> None:
    phone = {"phones": ["+442079460958"]}
    ids, basis, _ = _find({"surname": "berg", **phone}, {"surname": "berg", **phone}, {"surname": "smith", **phone})
    assert (ids[0] == ids[1], ids[0] == ids[2], basis) == (True, False, ["phone", "phone", "alone"])
    ids, _, _ = _find({"surname": "berg", **phone, **HOME}, {"surname": "smith", **phone, **HOME})
    assert ids[0] == ids[1]


def test_what_a_system_declares_needs_nothing_beside_it() -> None:
    ids, basis, _ = _find({"surname": "berg", "household_id": "7"}, {"surname": "smith", "household_id": "7"})
    assert (ids[0] == ids[1], basis) == (True, ["declared", "declared"])


def test_the_same_declared_id_of_two_systems_says_nothing() -> None:
    ids, _, _ = _find({"household_id": "7", "system": "a"}, {"household_id": "7", "system": "b"})
    assert ids[0] != ids[1]


def test_a_house_of_flats_without_units_is_no_household() -> None:
    names = ["berg", "smith"] * 10
    _, basis, found = _find(*({"surname": s, **HOME} for s in names))
    assert (set(basis), len(set(found["household_id"].to_pylist()))) == ({"alone"}, 20)


def test_no_household_is_larger_than_the_bound() -> None:
    settings = HouseholdSettings(largest=3)
    phone = {"phones": ["+442079460958"]}
    at_home = [{"surname": "berg", **HOME}] * 2 + [{"surname": "berg", **HOME, **phone}]
    ids, _, _ = _find(*at_home, {"surname": "berg", **phone}, settings=settings)
    assert (len(set(ids[:3])), ids[3] in ids[:3]) == (1, False)


def test_records_of_one_customer_are_never_a_household_of_their_own() -> None:
    _, basis, found = _find({"surname": "berg", **HOME}, {"surname": "berg", **HOME}, same={1: 0})
    assert (basis, found.num_rows) == (["alone", "alone"], 1)


def test_a_post_box_is_no_home() -> None:
    box = {**HOME, "street": "pobox", "surname": "berg"}
    ids, _, _ = _find(box, box)
    assert ids[0] != ids[1]


def test_a_household_keeps_its_id_when_one_joins_and_when_one_leaves() -> None:
    first, _, before = _find({"surname": "berg", **HOME}, {"surname": "berg", **HOME})
    joined, _, after = _find(*[{"surname": "berg", **HOME}] * 3, before=before)
    assert set(joined) == set(first)
    left, _, _ = _find({"surname": "berg"}, *[{"surname": "berg", **HOME}] * 2, before=after)
    assert left[1:] == first
    assert left[0] not in first


def test_of_two_households_that_join_the_larger_gives_the_id() -> None:
    before = pa.Table.from_pylist(
        [{"customer": n, "household_id": i, "basis": "alone"} for n, i in enumerate(["H1", "H2", "H2"])],
        schema=HOUSEHOLDS,
    )
    ids, _, _ = _find(*[{"surname": "berg", **HOME}] * 3, before=before)
    assert set(ids) == {"H2"}
