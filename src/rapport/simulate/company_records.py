"""What the systems of a made-up company hold of its customers: tills, web shop, call centre.

Why it exists: each medium errs in its own way - fingers slip at a till, ears at a telephone, and a record says what
was true when it was last changed. Every error is noted beside the record that it spoiled (`planted`), so that a
wrong merge can be blamed on its kind. No file is written here and nothing is matched.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Final

from rapport.simulate.company_names import digits, heard, nickname, plain, typo, without_umlauts
from rapport.simulate.company_people import OLDEST, Home, Person, day_of, scrambled

SYSTEMS: Final = ("shop", "web", "calls")
PRESENCE: Final[tuple[tuple[tuple[str, ...], float], ...]] = (
    (("shop",), 0.26),
    (("web",), 0.15),
    (("calls",), 0.05),
    (("shop", "web"), 0.25),
    (("shop", "calls"), 0.08),
    (("web", "calls"), 0.06),
    (("shop", "web", "calls"), 0.15),
)
"""Systems that know a person, and the share of people: 0.39 are in two, 0.15 in all three."""

RATES: Final[dict[str, dict[str, float]]] = {
    "shop": {
        "typo": 0.08, "swapped_names": 0.02, "no_email": 0.45, "no_phone": 0.25, "no_birth_date": 0.15,
        "blocked_email": 0.05, "store_phone": 0.05, "blocked_phone": 0.02, "family_line": 0.20, "partner_email": 0.05,
        "umlauts": 0.10, "duplicate": 0.05, "other_trait": 0.12,
    },
    "web": {
        "typo": 0.03, "tagged_email": 0.08, "dotted_email": 0.06, "no_phone": 0.35, "no_birth_date": 0.40,
        "blocked_phone": 0.03, "nickname": 0.06, "umlauts": 0.15, "duplicate": 0.04, "other_trait": 0.12,
    },
    "calls": {
        "heard": 0.20, "nickname": 0.10, "typo": 0.04, "swapped_names": 0.05, "no_email": 0.60, "no_phone": 0.10,
        "no_birth_date": 0.65, "family_line": 0.03, "umlauts": 0.20, "duplicate": 0.04, "other_trait": 0.12,
    },
}  # fmt: skip
"""Share of the records of a system in which each error is tried; where it cannot be made, such as a nickname of
somebody who has none or a number in a record that holds none, it is not noted."""

STORE_PHONE: Final = "0221 4710815"
"""What a cashier types who must fill in a number."""
BLOCKED_EMAILS: Final = ("null", "test@test.de", "noreply@rheinmarkt.de", "keine@angabe.de")
BLOCKED_PHONES: Final = ("000-0000", "0000000000", "null")
_UPDATED_LATER = 0.5
"""Share of records that were changed after they were made."""


@dataclass
class Record:
    """One record: whose it is, on which days it was made and last changed, what it says, what went wrong in it."""

    system: str
    record_id: str
    person: Person
    created: int
    updated: int
    values: dict[str, str | None]
    planted: list[str] = field(default_factory=list)


def systems_of(dice: Random) -> tuple[str, ...]:
    """Return the systems that know a person."""
    point = dice.random()
    for systems, share in PRESENCE:
        point -= share
        if point < 0:
            return systems
    return PRESENCE[-1][0]


def plant_records(seed: int, chunk: int, days: int, people: Iterable[Person]) -> list[Record]:
    """Return the records of a chunk's people, person by person.

    Parameters
    ----------
    seed, chunk, days : int
        As the people were planted with.
    people : iterable of Person
        The whole chunk, so that nobody changes with the number of customers.
    """
    dice = Random(f"company/{seed}/records/{chunk}")
    found: list[Record] = []
    for person in people:
        for system in systems_of(dice):
            first = _record(dice, system, person, 0, (OLDEST, 0), days)
            found.append(first)
            if dice.random() < RATES[system]["duplicate"]:
                # A lost card, a second account, a caller not found in the list.
                again = _record(dice, system, person, 1, (first.created, int(0.8 * days)), days)
                again.planted.append("duplicate")
                found.append(again)
    return found


def record_id(system: str, person: int, copy: int) -> str:
    """Return the id that a system gives to the first or second record of a person; it says nothing of who it is."""
    number = scrambled(2 * person + copy, {"shop": 7_368_787, "web": 5_915_587, "calls": 3_267_000}[system])
    return f"{'K' if system == 'shop' else 'w' if system == 'web' else ''}{number}"


class _Slips:
    """Decides which errors a record gets and notes them."""

    def __init__(self, dice: Random, record: Record) -> None:
        self.dice, self.record, self.rates = dice, record, RATES[record.system]

    def happens(self, kind: str, possible: bool = True) -> bool:
        """Return whether an error is made; noted only where it can be."""
        hit = self.dice.random() < self.rates.get(kind, 0.0)
        if hit and possible:
            self.record.planted.append(kind)
        return hit and possible

    def changed(self, kind: str, before: str, after: str) -> str:
        """Return what an error made of a value; taken back where it made nothing of it."""
        if before == after:
            self.record.planted.remove(kind)
        return after


def _record(dice: Random, system: str, person: Person, copy: int, made: tuple[int, int], days: int) -> Record:
    created = dice.randrange(*made)
    updated = dice.randrange(created, days) if dice.random() < _UPDATED_LATER else created
    record = Record(system, record_id(system, person.number, copy), person, created, updated, {})
    slips = _Slips(dice, record)
    given, family = _names(dice, slips, person, updated)
    home = person.household.home_on(updated)
    fill = {"shop": _shop, "web": _web, "calls": _calls}[system]
    record.values = fill(slips, given, family, home, copy)
    record.values |= _traits(slips, person)
    _note_stale(record)
    return record


def _note_stale(record: Record) -> None:
    """Note what is out of date in a record that was last changed before it came about, where the record says it."""
    person, day = record.person, record.updated
    silent = {
        "old_phone": {"no_phone", "store_phone", "blocked_phone", "family_line"},
        "old_email": {"no_email", "blocked_email", "partner_email"},
    }
    for kind, since in (
        ("moved_house", person.household.moved),
        ("married_name", person.married),
        ("old_phone", person.mobile_day),
        ("old_email", person.email_day),
    ):
        if day < since and not silent.get(kind, set()) & set(record.planted):
            record.planted.append(kind)


def _names(dice: Random, slips: _Slips, person: Person, day: int) -> tuple[str, str]:
    given, family = person.given, person.surname_on(day)
    if slips.happens("nickname"):
        given = slips.changed("nickname", given, nickname(dice, given))
    if slips.happens("heard"):
        family = slips.changed("heard", family, heard(dice, family))
    if slips.happens("typo"):
        if dice.random() < 0.5:
            given = slips.changed("typo", given, typo(dice, given))
        else:
            family = slips.changed("typo", family, typo(dice, family))
    if slips.happens("umlauts"):
        bare = without_umlauts(given), without_umlauts(family)
        slips.changed("umlauts", given + family, "".join(bare))
        given, family = bare
    if slips.record.system == "shop":
        given, family = plain(given), plain(family)
    if slips.happens("swapped_names"):
        given, family = family, given
    return given, family


def _traits(slips: _Slips, person: Person) -> dict[str, str | None]:
    """Return what a system believes of children, language and newsletter; now and then it believes something else."""
    children, language, letter = person.children, person.language, person.newsletter
    if slips.happens("other_trait"):
        which = slips.dice.randrange(3)
        if which == 0:
            children = (children + 1) % 4
        elif which == 1:
            language = "en" if language == "de" else "de"
        else:
            letter = not letter
    return {"children": str(children), "language": language, "newsletter": "yes" if letter else "no"}


def _born(slips: _Slips, person: Person, pattern: str) -> str | None:
    return None if slips.happens("no_birth_date") else person.born.strftime(pattern)


def _written(dice: Random, phone: str) -> str:
    """Return a German number as one of the ways in which it is written."""
    kind, code = dice.randrange(4), phone[:4]
    if kind == 0:
        return phone
    if kind == 1:
        return f"{code} {phone[4:]}"
    if kind == 2:
        return f"+49 {code[1:]} {phone[4:]}"
    return f"{code}/{phone[4:7]} {phone[7:]}"


def _shop(slips: _Slips, given: str, family: str, home: Home, copy: int) -> dict[str, str | None]:
    person, day = slips.record.person, slips.record.updated
    card = f"29{scrambled(2 * person.number + copy, 4_256_233)}"
    return {
        "Karte": card,
        "Anrede": "Frau" if person.female else "Herr",
        "Vorname": given,
        "Nachname": family,
        "Geburtsdatum": _born(slips, person, "%d.%m.%Y"),
        "Strasse": f"{home.street} {home.house_number}",
        "PLZ": home.postal_code,
        "Ort": home.city,
        "Telefon": _shop_phone(slips, person, home, day),
        "EMail": _shop_email(slips, person, day),
        "Punkte": f"{slips.dice.randrange(0, 900)},{slips.dice.choice((0, 5))}0",
    }


def _shop_phone(slips: _Slips, person: Person, home: Home, day: int) -> str | None:
    if slips.happens("no_phone"):
        return None
    if slips.happens("store_phone"):
        return STORE_PHONE
    if slips.happens("blocked_phone"):
        return slips.dice.choice(BLOCKED_PHONES)
    if slips.happens("family_line", person.household.related):
        return _written(slips.dice, home.landline)
    return _written(slips.dice, person.mobile_on(day))


def _shop_email(slips: _Slips, person: Person, day: int) -> str | None:
    if slips.happens("no_email"):
        return None
    if slips.happens("blocked_email"):
        return slips.dice.choice(BLOCKED_EMAILS)
    others = [m for m in person.household.members if m is not person] if person.household.related else []
    if slips.happens("partner_email", bool(others)):
        return others[0].email_on(day)
    return person.email_on(day)


def _web(slips: _Slips, given: str, family: str, home: Home, copy: int) -> dict[str, str | None]:
    person, day, dice = slips.record.person, slips.record.updated, slips.dice
    phone: str | None = None
    if not slips.happens("no_phone"):
        blocked = slips.happens("blocked_phone")
        phone = dice.choice(BLOCKED_PHONES) if blocked else _written(dice, person.mobile_on(day))
    device = None
    if dice.random() < 0.30:
        shared = person.household.shares and dice.random() < 0.25
        device = person.household.device if shared else f"app-{digits(dice, 12)}"
        if shared:
            slips.record.planted.append("family_device")
    return {
        "first_name": given,
        "last_name": family,
        "email": _web_email(slips, person, day, copy),
        "phone": phone,
        "birth_date": _born(slips, person, "%Y-%m-%d"),
        "street": f"{home.street} {home.house_number}",
        "zip": home.postal_code,
        "city": home.city,
        "country": "DE",
        "device": device,
    }


def _web_email(slips: _Slips, person: Person, day: int, copy: int) -> str:
    """Return the verified address of an account; a second account needs another one."""
    local, _, host = person.email_on(day).partition("@")
    if copy:
        return f"{local}{person.number % 10}x@{'gmx.de' if host == 'web.de' else 'web.de'}"
    google = host == "gmail.com"
    if slips.happens("tagged_email", google):
        local = f"{local}+{slips.dice.choice(('shop', 'rheinmarkt', 'news'))}"
    if slips.happens("dotted_email", google):
        local = f"{local[:2]}.{local[2:].lstrip('.')}" if local[1] != "." else local.replace(".", "", 1)
    return f"{local}@{host}"


def _calls(slips: _Slips, given: str, family: str, home: Home, copy: int) -> dict[str, str | None]:
    person, day, dice = slips.record.person, slips.record.updated, slips.dice
    title = dice.choice(("Frau " if person.female else "Herr ", "", ""))
    name = f"{family}, {given}" if dice.random() < 0.3 else f"{title}{given} {family}"
    phone: str | None = None
    if not slips.happens("no_phone"):
        family_line = slips.happens("family_line", person.household.related)
        phone = _written(dice, home.landline if family_line else person.mobile_on(day))
    email = None if slips.happens("no_email") else person.email_on(day)
    return {
        "heard_name": name,
        "callback_phone": phone,
        "email": email,
        "birth_date": _born(slips, person, "%Y-%m-%d"),
        "street": home.street,
        "house_number": home.house_number,
        "zip": home.postal_code,
        "city": home.city,
    }


def updated_text(record: Record, pattern: str) -> str:
    """Return the day of the last change as a system writes it."""
    return day_of(record.updated).strftime(pattern)
