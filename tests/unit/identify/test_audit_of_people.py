"""The audit of people: what can be used of each field, where systems agree, what to collect first."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa

from person_records import people, standard
from rapport.core.people import record_key
from rapport.core.profiles import PROFILE
from rapport.identify.audit_people import Held, agreement, audit_people
from rapport.identify.collect import collect_next

NOW = datetime(2026, 1, 11, tzinfo=UTC)
HELD = [
    {"email": ["A@x.org"], "phone": ["000"], "surname": "Au", "updated_at": datetime(2026, 1, 1, tzinfo=UTC)},
    {"email": ["b@x.org", "test@x"], "phone": ["221 1"], "updated_at": datetime(2026, 1, 5, tzinfo=UTC)},
    {"email": ["test@x"], "surname": "", "updated_at": datetime(2025, 1, 11, tzinfo=UTC)},
    {"address": "Weg 1, 99999 Ort", "postal_code": None},
]
MADE: list[dict[str, Any]] = [
    {"emails": ["a@x.org"], "email_keys": ["a@x.org"], "surname": "au", "refused": ["phone:BLOCKED_VALUE"]},
    {"emails": ["b@x.org"], "email_keys": ["b@x.org"], "phones": ["+492211"], "refused": ["email:BLOCKED_VALUE"]},
    {"refused": ["email:BLOCKED_VALUE"]},
    {"street": "weg", "city": "ort", "refused": ["postal_code:BAD_POSTAL_CODE"]},
]
COLUMNS = ("record_id", "email", "phone", "surname", "address")


def fields(columns: tuple[str, ...] = COLUMNS) -> dict[tuple[str, str], dict[str, Any]]:
    rows = audit_people(people(*HELD), standard(*MADE), {"shop": Held(columns)}, NOW)
    return {(r["system"], r["field"]): r for r in rows}


def test_what_is_refused_is_filled_but_not_usable_and_the_reason_is_counted() -> None:
    phone = fields()["shop", "phone"]
    assert (phone["rows"], phone["filled"], phone["valid"]) == (4, 2, 1)
    assert (phone["fill"], phone["validity"], phone["usable"]) == (0.5, 0.5, 0.25)
    assert phone["refused"] == {"BLOCKED_VALUE": 1}
    # 25 % are usable: D is from 20 % on.
    assert phone["grade"] == "D"


def test_one_good_value_of_several_makes_a_record_usable() -> None:
    email = fields()["shop", "email"]
    assert (email["filled"], email["valid"], email["distinct"]) == (3, 2, 2)
    assert email["refused"] == {"BLOCKED_VALUE": 2}
    assert email["unlocks"] == "recognition, e-mail, personal page"


def test_an_empty_text_is_not_filled() -> None:
    surname = fields()["shop", "surname"]
    assert (surname["filled"], surname["valid"], surname["distinct"]) == (1, 1, 1)


def test_ages_are_of_the_records_that_have_the_field() -> None:
    email = fields()["shop", "email"]
    # 10, 6 and 365 days before 11 January 2026.
    assert (email["freshest"], email["median_age_days"]) == (date(2026, 1, 5), 10)
    address = fields()["shop", "address"]
    assert (address["freshest"], address["median_age_days"]) == (None, None)


def test_parts_of_an_address_are_refused_under_the_address_where_they_have_no_column() -> None:
    address = fields()["shop", "address"]
    assert (address["filled"], address["valid"]) == (1, 1)
    assert address["refused"] == {"BAD_POSTAL_CODE": 1}
    assert fields((*COLUMNS, "postal_code"))["shop", "address"]["refused"] == {}


def test_a_column_that_no_system_fills_says_what_it_would_unlock() -> None:
    found = fields()["-", "card_number"]
    assert (found["grade"], found["rows"], found["unlocks"]) == ("-", 0, "recognition at the till")
    assert ("-", "email") not in fields()


def test_traits_are_graded_and_compared_as_they_are() -> None:
    table = people({"updated_at": NOW}, {"updated_at": NOW}).append_column("pets", pa.array(["dog", None]))
    rows = audit_people(table, standard({}, {}), {"shop": Held(("record_id",), ("pets",))}, NOW)
    pets = next(r for r in rows if r["field"] == "pets")
    assert (pets["valid"], pets["usable"], pets["unlocks"]) == (1, 0.5, "profiles and segments by pets")


def test_records_that_stand_in_another_order_are_counted_all_the_same() -> None:
    turned = standard(*MADE).take([3, 1, 0, 2])
    rows = audit_people(people(*HELD), turned, {"shop": Held(COLUMNS)}, NOW)
    assert {(r["system"], r["field"]): r for r in rows} == fields()


def several(*said: tuple[str, str, dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the agreement of records told as customer, system and standard values."""
    rows = [{"system": s, "record_id": f"r{n}", **values} for n, (_, s, values) in enumerate(said)]
    keys = [record_key(s, f"r{n}") for n, (_, s, _) in enumerate(said)]
    held = people(*({"system": r["system"], "record_id": r["record_id"]} for r in rows))
    owners = pa.table({"record_key": keys, "customer_id": [c for c, _, _ in said]})
    return agreement(held, standard(*rows), owners)


def test_systems_agree_where_any_value_of_one_is_a_value_of_the_other() -> None:
    found = several(
        ("C1", "shop", {"email_keys": ["a@x", "b@x"]}),
        ("C1", "web", {"email_keys": ["b@x"]}),
        ("C2", "shop", {"email_keys": ["c@x"]}),
        ("C2", "web", {"email_keys": ["d@x"]}),
        ("C3", "shop", {"email_keys": ["e@x"]}),
        ("C4", "shop", {"email_keys": ["a@x"]}),
    )
    # C3 and C4 are in one system only, and C4 shares a value with another customer.
    shared = {"customers": 2, "agree": 1, "share": 0.5}
    assert found == [{"field": "email", **shared, "pairs": [{"left": "shop", "right": "web", **shared}]}]


def test_a_customer_of_three_systems_agrees_only_where_each_two_do() -> None:
    found = several(
        ("C1", "shop", {"surname": "au"}),
        ("C1", "web", {"surname": "au"}),
        ("C1", "calls", {"surname": "ow"}),
        ("C2", "shop", {"surname": "bo"}),
        ("C2", "calls", {"surname": "bo"}),
    )
    (surname,) = found
    assert (surname["customers"], surname["agree"]) == (2, 1)
    pairs = {(p["left"], p["right"]): (p["customers"], p["agree"]) for p in surname["pairs"]}
    assert pairs == {("shop", "web"): (1, 1), ("shop", "calls"): (2, 1), ("web", "calls"): (1, 0)}


def test_two_records_of_one_system_are_no_agreement() -> None:
    assert several(("C1", "shop", {"surname": "au"}), ("C1", "shop", {"surname": "bo"})) == []


def test_an_address_agrees_as_a_whole_and_its_town_for_itself() -> None:
    town = {"postal_code": "50667", "city": "koeln", "street": "domstr"}
    found = several(("C1", "shop", {**town, "house_number": "1"}), ("C1", "web", {**town, "house_number": "2"}))
    assert {r["field"]: r["agree"] for r in found} == {"address": 0, "postal_code": 1, "city": 1}


def believed(*rows: tuple[str, str, str, float]) -> pa.Table:
    """Return PROFILE of customer, field, value and belief."""
    shared = {"source": "shop", "at": None, "sources": 1, "why": "ONLY", "lost": []}
    return pa.Table.from_pylist(
        [{"customer_id": c, "field": f, "value": v, "belief": b, **shared} for c, f, v, b in rows], schema=PROFILE
    )


def address(street: str = "", city: str = "") -> str:
    return "\x1f".join(("", street, "", city, "", "", "DE"))


CUSTOMERS = pa.table({"customer_id": ["C1", "C2", "C3", "C4"], "record_key": [1, 2, 3, 4]})
SAID = (
    ("C1", "email", "a@x", 0.9),
    ("C1", "surname", "au", 0.9),
    ("C2", "phone", "+49", 0.1),
    ("C3", "address", address(city="ort"), 0.9),
    ("C4", "email", "d@x", 0.9),
    ("C4", "phone", "+49", 0.9),
    ("C4", "address", address("weg", "ort"), 0.9),
)


def test_what_is_believed_too_little_is_outdated_and_lacks_like_what_is_missing() -> None:
    found = collect_next(CUSTOMERS, believed(*SAID), None, 0.25, 10)
    phone = next(f for f in found.fields if f["field"] == "phone")
    assert (phone["lacking"], phone["missing"], phone["outdated"]) == (3, 2, 1)
    assert (phone["value_micros"], phone["reachable_value_micros"]) == (None, None)


def test_who_has_only_a_town_or_an_outdated_phone_is_told_apart_from_who_is_reached() -> None:
    found = collect_next(CUSTOMERS, believed(*SAID), None, 0.25, 10)
    # C3 has nothing a letter could be sent to; C2 has an old phone; C1 lacks phone and address; C4 lacks no contact.
    assert (found.customers, found.unreachable, found.outdated_only, found.lacking) == (4, 1, 1, 3)
    assert {r["customer_id"]: r["reached"] for r in found.first} == {
        "C1": "in part",
        "C2": "outdated only",
        "C3": "not at all",
    }


def test_contacts_that_make_most_value_reachable_are_collected_first() -> None:
    worth = pa.table({"customer_id": ["C1", "C2", "C3", "Gone"], "value_micros": [900, 5, 50, 10_000]})
    found = collect_next(CUSTOMERS, believed(*SAID), worth, 0.25, 10)
    assert [r["customer_id"] for r in found.first] == ["C3", "C2", "C1"]
    assert (found.value_micros, found.reachable_value_micros) == (955, 55)
    told = [(f["field"], f["lacking"], f["reachable_value_micros"], f["value_micros"]) for f in found.fields]
    # A birthday or a name makes nobody reachable, so they come last; nobody's birthday is known, C1's name is.
    assert told == [
        ("phone", 3, 55, 955),
        ("address", 3, 55, 955),
        ("email", 2, 55, 55),
        ("birth_date", 4, 0, 955),
        ("name", 3, 0, 55),
    ]


def test_without_values_the_unreachable_come_first_and_the_rest_is_counted() -> None:
    found = collect_next(CUSTOMERS, believed(*SAID), None, 0.25, 2)
    assert [r["customer_id"] for r in found.first] == ["C2", "C3"]
    assert found.lacking == 3
    assert found.first[0] == {
        "customer_id": "C2",
        "record_key": 2,
        "missing": ["email", "address", "birth_date", "name"],
        "outdated": ["phone"],
        "reached": "outdated only",
        "value_micros": None,
    }


def test_nobody_lacks_nothing() -> None:
    found = collect_next(CUSTOMERS.slice(0, 0), believed(), None, 0.25, 5)
    assert (found.customers, found.lacking, found.first) == (0, 0, [])
