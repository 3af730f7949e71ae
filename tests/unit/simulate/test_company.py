"""A made-up company: everything that is planted occurs at the stated rate, and its truth adds up."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import date
from math import sqrt

import phonenumbers
import pytest

from rapport.simulate.company_accounts import check_digit, plant_accounts, tax_number
from rapport.simulate.company_names import NICKNAMES, heard, typo
from rapport.simulate.company_people import OLDEST, Person, plant_people, scrambled
from rapport.simulate.company_records import (
    BLOCKED_EMAILS,
    BLOCKED_PHONES,
    PRESENCE,
    RATES,
    STORE_PHONE,
    Record,
    plant_records,
)
from rapport.simulate.company_traffic import lines_by_record, plant_contacts, plant_visits
from rapport.simulate.transactions import CHUNK, ShopWorld, plant_items, plant_shoppers

SEED, DAYS = 7, 364


@pytest.fixture(scope="module")
def people() -> list[Person]:
    return plant_people(SEED, 0, DAYS)


@pytest.fixture(scope="module")
def records(people: list[Person]) -> list[Record]:
    return plant_records(SEED, 0, DAYS, people)


def _near(found: int, of: int, share: float) -> bool:
    """Return whether a count is within five standard errors of its share."""
    return abs(found - of * share) <= 5 * sqrt(of * share * (1 - share)) + 1


def test_people_are_numbered_and_households_stand_together(people: list[Person]) -> None:
    assert [p.number for p in people] == list(range(CHUNK))
    for person in people:
        assert person in person.household.members
        assert person.household.number == person.household.members[0].number


def test_households_have_the_stated_sizes(people: list[Person]) -> None:
    homes = {p.household.number: p.household for p in people}
    sizes = Counter(len(h.members) for h in homes.values())
    for size, share in ((1, 0.40), (2, 0.34), (3, 0.14), (4, 0.12)):
        assert _near(sizes[size], len(homes), share)


def test_twins_share_all_but_the_first_name_and_the_named_after_share_it(people: list[Person]) -> None:
    twins = [(p, p.twin) for p in people if p.twin]
    assert len(twins) >= 20
    for one, other in twins:
        assert (one.born, one.surname, one.household) == (other.born, other.surname, other.household)
        assert one.given != other.given
    named = [(p, p.named_after) for p in people if p.named_after]
    assert len(named) >= 20
    for child, parent in named:
        assert (child.given, child.surname, child.household) == (parent.given, parent.surname, parent.household)
        assert child.born.year - parent.born.year >= 18


def test_a_flat_shared_by_strangers_is_no_household(people: list[Person]) -> None:
    flats = [p for p in people if not p.household.related]
    assert flats
    assert all(p.grouped == p.number for p in flats)


def test_phones_are_valid_and_nobody_shares_a_mobile_or_mail(people: list[Person]) -> None:
    for person in people:
        for phone in (person.mobile, person.mobile_before, person.household.home.landline):
            assert phonenumbers.is_valid_number(phonenumbers.parse(phone, "DE")), phone
    assert len({p.mobile for p in people}) == CHUNK
    assert len({p.email for p in people}) == CHUNK


def test_the_stated_share_of_people_is_known_to_each_set_of_systems(
    people: list[Person], records: list[Record]
) -> None:
    systems: dict[int, set[str]] = defaultdict(set)
    for record in records:
        systems[record.person.number].add(record.system)
    assert len(systems) == len(people)
    found = Counter(frozenset(s) for s in systems.values())
    for names, share in PRESENCE:
        assert _near(found[frozenset(names)], CHUNK, share)
    assert sum(share for _, share in PRESENCE) == pytest.approx(1.0)


ALWAYS = [
    ("shop", "no_email"), ("shop", "no_phone"), ("shop", "no_birth_date"), ("shop", "other_trait"),
    ("shop", "swapped_names"), ("shop", "duplicate"), ("web", "no_phone"), ("web", "no_birth_date"),
    ("web", "duplicate"), ("web", "other_trait"), ("calls", "no_email"), ("calls", "no_phone"),
    ("calls", "no_birth_date"), ("calls", "swapped_names"), ("calls", "duplicate"), ("calls", "other_trait"),
]  # fmt: skip
"""Errors that can be made in any record; a duplicate is counted against first records."""


@pytest.mark.parametrize(("system", "kind"), ALWAYS)
def test_an_error_that_can_always_be_made_has_the_stated_rate(records: list[Record], system: str, kind: str) -> None:
    mine = [r for r in records if r.system == system]
    hit = sum(kind in r.planted for r in mine)
    of = len(mine) - (hit if kind == "duplicate" else 0)
    assert _near(hit, of, RATES[system][kind])


@pytest.mark.parametrize(("system", "kind"), [(s, k) for s in RATES for k in RATES[s] if (s, k) not in ALWAYS])
def test_an_error_that_can_sometimes_be_made_occurs_and_not_above_its_rate(
    records: list[Record], system: str, kind: str
) -> None:
    mine = [r for r in records if r.system == system]
    hit = sum(kind in r.planted for r in mine)
    rate = RATES[system][kind]
    assert hit >= 5
    assert hit <= len(mine) * rate + 5 * sqrt(len(mine) * rate * (1 - rate))


def test_what_is_planted_stands_in_the_record(records: list[Record]) -> None:
    for record in records:
        planted, values = set(record.planted), record.values
        phone = values.get("Telefon", values.get("phone", values.get("callback_phone")))
        email = values.get("EMail", values.get("email"))
        assert (phone is None) == ("no_phone" in planted)
        assert (phone == STORE_PHONE) == ("store_phone" in planted)
        assert (phone in BLOCKED_PHONES) == ("blocked_phone" in planted)
        assert (email in BLOCKED_EMAILS) == ("blocked_email" in planted)
        assert (email is None) == ("no_email" in planted)
        if record.system == "web":
            assert ("+" in str(email)) == ("tagged_email" in planted)
        if "partner_email" in planted:
            assert email in {m.email_on(record.updated) for m in record.person.household.members}
            assert email != record.person.email_on(record.updated)


def test_a_record_says_what_held_when_it_was_last_changed(records: list[Record]) -> None:
    stale = Counter(k for r in records for k in r.planted)
    for kind in ("moved_house", "married_name", "old_phone", "old_email"):
        assert stale[kind] >= 10, kind
    for record in records:
        assert OLDEST <= record.created <= record.updated < DAYS
        household = record.person.household
        place = record.values.get("PLZ", record.values.get("zip"))
        home = household.before if "moved_house" in record.planted else household.home
        assert place == home.postal_code


def test_ids_are_unique_in_a_system_and_verified_mail_names_one_account(records: list[Record]) -> None:
    for system in RATES:
        ids = [r.record_id for r in records if r.system == system]
        assert len(ids) == len(set(ids))
    mail = Counter(r.values["email"] for r in records if r.system == "web")
    assert max(mail.values()) == 1
    assert len({scrambled(n, 7_368_787) for n in range(50_000)}) == 50_000


def test_the_till_writes_only_what_its_letters_can(records: list[Record]) -> None:
    for record in records:
        if record.system == "shop":
            "".join(str(v) for v in record.values.values()).encode("cp1252")


def test_slips_change_a_name_and_keep_its_first_letter() -> None:
    from random import Random

    dice = Random("slips")
    changed = [typo(dice, "Zimmermann") for _ in range(200)]
    assert all(w[0] == "Z" for w in changed)
    assert sum(w != "Zimmermann" for w in changed) >= 190
    assert {heard(dice, "Schmidt") for _ in range(50)} - {"Schmidt"}
    assert all(name not in short for name, short in NICKNAMES.items())


def test_people_and_records_are_the_same_for_a_seed_and_others_for_another(
    people: list[Person], records: list[Record]
) -> None:
    again = plant_people(SEED, 0, DAYS)
    assert [(p.given, p.email, p.born) for p in again] == [(p.given, p.email, p.born) for p in people]
    told = [(r.record_id, r.values, r.planted) for r in plant_records(SEED, 0, DAYS, again)]
    assert told == [(r.record_id, r.values, r.planted) for r in records]
    assert [p.email for p in plant_people(SEED + 1, 0, DAYS)] != [p.email for p in people]


def test_a_line_is_bought_under_a_record_of_its_buyer_and_late_ones_under_the_second(
    people: list[Person], records: list[Record]
) -> None:
    world = ShopWorld(CHUNK, 192, 15.0, DAYS, SEED)
    found = plant_shoppers(world, plant_items(world), 0)
    index, online = lines_by_record(found, records, 0, SEED)
    second, buyers = 0, {r.person.number for r in records if r.system != "calls"}
    for row, who, day, web in zip(index, found.customer, found.day, online, strict=True):
        if row < 0:
            assert who not in buyers
            continue
        record = records[row]
        assert record.person.number == who
        assert record.system == ("web" if web else "shop")
        if "duplicate" in record.planted:
            assert day >= record.created
            second += 1
    assert second > 100


def test_visitors_are_anonymous_before_they_log_in_and_families_share_a_device(records: list[Record]) -> None:
    visits, visitors = plant_visits(SEED, 0, DAYS, records, {})
    seen: dict[str, list[str | None]] = defaultdict(list)
    for visit in sorted(visits, key=lambda v: (v.day, v.minute)):
        seen[visit.visitor].append(visit.account)
        assert 0 <= visit.day < DAYS
    users = defaultdict(set)
    for visitor in visitors:
        users[visitor.visitor].add(visitor.record.person.number)
        accounts = set(seen[visitor.visitor]) - {None}
        assert (visitor.record.record_id in accounts) == visitor.logged_in
        assert (len(accounts) > 1) == visitor.shared
    assert sum(len(u) > 1 for u in users.values()) > 50
    before = sum(seen[v.visitor][0] is None for v in visitors if v.logged_in)
    assert before > 500


def test_a_fifth_of_the_calls_are_complaints(records: list[Record]) -> None:
    calls = plant_contacts(SEED, 0, DAYS, records)
    assert {c.record.system for c in calls} == {"calls"}
    assert _near(sum(c.kind == "complaint" for c in calls), len(calls), 0.20)


def test_tax_numbers_have_their_check_digit_and_differ() -> None:
    # DE136695976 is the valid number in the documentation of python-stdnum (stdnum.de.vat).
    assert check_digit("13669597") == "6"
    numbers = [tax_number(n) for n in range(5_000)]
    assert len(set(numbers)) == 5_000
    assert all(n[:2] == "DE" and len(n) == 11 and n[2:].isdigit() for n in numbers)


def test_organisations_lack_names_are_entered_twice_and_share_people(people: list[Person]) -> None:
    accounts, contacts = plant_accounts(SEED, people, 400)
    entries = Counter(a.organisation for a in accounts)
    assert _near(sum(n == 2 for n in entries.values()), 400, 0.10)
    wanted = {a.organisation for a in accounts if a.values["status"] == "wanted"}
    assert _near(len(wanted), 400, 0.30)
    names = Counter(c.organisation for c in contacts)
    few = sum(names[o] < 3 for o in wanted)
    assert 0.2 * len(wanted) < few < 0.6 * len(wanted)
    seats: dict[str, set[int]] = defaultdict(set)
    for contact in contacts:
        seats[contact.person].add(contact.organisation)
    assert sum(len(s) > 1 for s in seats.values()) > 20
    assert _near(sum(c.person.startswith("P") for c in contacts), len(contacts), 0.20)
    assert len({c.values["contact"] for c in contacts}) == len(contacts)
    ids = [a.values["account"] for a in accounts]
    assert len(set(ids)) == len(ids)
    assert {c.values["account"] for c in contacts} <= set(ids)
    assert all(date.fromisoformat(str(a.values["changed"])) < date(2026, 1, 5) for a in accounts)
