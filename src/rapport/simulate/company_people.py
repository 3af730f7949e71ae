"""The people behind a made-up company's records: households, twins, moves, marriages, new numbers.

Why it exists: whether records of one customer are found can only be seen where it is known who they are. People live
together, move, marry and change their mail, each on a day; what a system holds is what was true when it last asked.
No record is made here and nothing is matched.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random

from rapport.simulate.company_names import (
    PROVIDERS,
    TOWNS,
    TWIN_NAMES,
    WOMEN,
    digits,
    given_name,
    street,
    surname,
    without_umlauts,
)
from rapport.simulate.transactions import CHUNK

FIRST_DAY = date(2025, 1, 6)
"""Day 0 of the purchases; days before it have negative numbers."""
OLDEST = -1_400
"""Day since which records have been kept."""

SIZES = ((1, 0.40), (2, 0.34), (3, 0.14), (4, 0.12))
"""Customers of a household and the share of households."""
FLATSHARE = 0.10
"""Share of households of two in which nobody is related."""
SAME_SURNAME = 0.80
"""Share of couples with one family name; of the rest both keep theirs."""
TWINS = 0.12
"""Share of households of four whose two children are twins."""
NAMED_AFTER = 0.15
"""Share of households of three or four in which a child bears the first name of the parent of the same sex."""
MOVED, MARRIED, NEW_PHONE, NEW_EMAIL = 0.10, 0.06, 0.08, 0.07
"""Share of households that moved, of couples of one name that married, of people with a new number and address of
mail, since records have been kept."""


@dataclass(frozen=True)
class Home:
    """A postal address and the telephone in it."""

    street: str
    house_number: str
    postal_code: str
    city: str
    landline: str


@dataclass
class Household:
    """People who live together; `moved` is the day since which they live at `home`."""

    number: int
    home: Home
    before: Home
    moved: int
    device: str
    related: bool
    members: list[Person] = field(default_factory=list)

    @property
    def shares(self) -> bool:
        """Return whether there is a family that shares a telephone and devices."""
        return self.related and len(self.members) > 1

    def home_on(self, day: int) -> Home:
        """Return where they lived on a day."""
        return self.home if day >= self.moved else self.before


@dataclass
class Person:
    """One customer as they are; each pair is what held before a day, that day, and what holds since."""

    number: int
    household: Household
    given: str
    surname: str
    maiden: str
    married: int
    female: bool
    born: date
    mobile: str
    mobile_before: str
    mobile_day: int
    email: str
    email_before: str
    email_day: int
    children: int
    language: str
    newsletter: bool
    twin: Person | None = None
    named_after: Person | None = None

    @property
    def grouped(self) -> int:
        """Return the number of the household; who shares a flat with strangers is one alone."""
        return self.household.number if self.household.related else self.number

    def surname_on(self, day: int) -> str:
        """Return the family name borne on a day."""
        return self.surname if day >= self.married else self.maiden

    def mobile_on(self, day: int) -> str:
        """Return the mobile number of a day."""
        return self.mobile if day >= self.mobile_day else self.mobile_before

    def email_on(self, day: int) -> str:
        """Return the address of mail of a day."""
        return self.email if day >= self.email_day else self.email_before


def day_of(number: int) -> date:
    """Return the day of a number."""
    return FIRST_DAY + timedelta(days=number)


def plant_people(seed: int, chunk: int, days: int) -> list[Person]:
    """Return the people of a chunk, `CHUNK` of them, by number; members of a household stand together.

    Parameters
    ----------
    seed, chunk : int
        Not negative; people are the same whoever else is made up.
    days : int
        Length of the history; moves and marriages lie before its end.
    """
    dice = Random(f"company/{seed}/people/{chunk}")
    people: list[Person] = []
    while len(people) < CHUNK:
        number = chunk * CHUNK + len(people)
        size = min(_size(dice), CHUNK - len(people))
        people += _household(dice, number, size, days).members
    return people


def _size(dice: Random) -> int:
    point = dice.random()
    for size, share in SIZES:
        point -= share
        if point < 0:
            return size
    return SIZES[-1][0]


def _home(dice: Random) -> Home:
    town, low, high, code = TOWNS[int(len(TOWNS) * dice.random() ** 2)]
    letter = dice.choice("abc") if dice.random() < 0.06 else ""
    number = f"{1 + int(80 * dice.random() ** 1.5)}{letter}"
    return Home(
        street(dice), number, str(dice.randint(low, high)), town, code + digits(dice, 7 if len(code) == 4 else 6)
    )


def _household(dice: Random, first: int, size: int, days: int) -> Household:
    home = _home(dice)
    moved = dice.randrange(OLDEST + 100, days) if dice.random() < MOVED else 10 * OLDEST
    before = _home(dice) if moved > OLDEST else home
    related = not (size == 2 and dice.random() < FLATSHARE)
    household = Household(first, home, before, moved, f"tab-{digits(dice, 10)}", related)
    if not related:
        for k in range(size):
            own = surname(dice)
            _join(dice, household, first + k, dice.random() < 0.5, own, dice.randint(1975, 2004), days)
        return household
    _family(dice, household, size, days)
    return household


def _family(dice: Random, household: Household, size: int, days: int) -> None:
    """Add one or two parents of about one age and, in households of three and four, grown children."""
    name, first = surname(dice), household.number
    born = dice.randint(1945, 1977) if size > 2 else dice.randint(1940, 2004)
    father_first = dice.random() < 0.5
    one = _join(dice, household, first, not father_first, name, born, days)
    if size == 1:
        return
    same = dice.random() < SAME_SURNAME
    two = _join(
        dice, household, first + 1, father_first, name if same else surname(dice), born + dice.randint(-4, 4), days
    )
    if same and dice.random() < MARRIED:
        bride = one if one.female else two
        bride.maiden, bride.married = surname(dice), dice.randrange(OLDEST + 100, days)
        if dice.random() < 0.2:
            bride.surname = f"{bride.surname}-{bride.maiden}"
    for k in range(2, size):
        female = dice.random() < 0.5
        year = min(born + dice.randint(24, 30), 2006)
        _join(dice, household, first + k, female, name, year, days)
    if size == 4 and dice.random() < TWINS:
        _make_twins(dice, household.members[2], household.members[3])
    elif size > 2 and dice.random() < NAMED_AFTER:
        child = household.members[-1]
        parent = one if one.female == child.female else two
        child.given, child.surname, child.maiden, child.named_after = (
            parent.given,
            parent.surname,
            parent.surname,
            parent,
        )
        child.married = 10 * OLDEST
        child.email = child.email_before = _own_mail(dice, child)
        child.email_day = 10 * OLDEST


def _make_twins(dice: Random, elder: Person, younger: Person) -> None:
    elder.given, younger.given = dice.choice(TWIN_NAMES)
    for twin in (elder, younger):
        twin.female = twin.given in WOMEN or twin.given.endswith(("a", "e"))
        twin.email = twin.email_before = _own_mail(dice, twin)
        twin.email_day = 10 * OLDEST
    younger.born, younger.surname, younger.maiden = elder.born, elder.surname, elder.maiden
    elder.twin, younger.twin = younger, elder


def _mail(dice: Random, person: tuple[str, str, int, int]) -> str:
    """Return an address of mail made of first name, family name, year and number, nobody else's."""
    given, family, year, number = person
    first, last = (
        "".join(c for c in without_umlauts(t).lower() if c.isalnum() and c.isascii()) for t in (given, family)
    )
    local = dice.choice((f"{first}.{last}", f"{first}{last}", f"{first[0]}.{last}", f"{last}.{first}"))
    return f"{local}{dice.choice((str(year), ''))}{digits(dice, 2)}{number}@{dice.choice(PROVIDERS)}"


def _own_mail(dice: Random, person: Person) -> str:
    return _mail(dice, (person.given, person.surname, person.born.year, person.number))


def _mobile(dice: Random, number: int) -> str:
    """Return a mobile number that nobody else has."""
    code = dice.choice(("0151", "0157", "0160", "0170", "0171", "0172", "0176"))
    return f"{code}{scrambled(number, 5_333_111)}{digits(dice, 1) if code in ('0151', '0157', '0176') else ''}"


def scrambled(number: int, factor: int) -> int:
    """Return a number of seven digits that is another one for every number below 8,999,993,
    a prime; then of eight."""
    return 1_000_000 + (number * factor + 1_234_567) % 8_999_993 if number < 8_999_993 else 10_000_000 + number


def _join(dice: Random, household: Household, number: int, female: bool, family: str, year: int, days: int) -> Person:
    """Add one person to a household."""
    given = given_name(dice, female)
    born = date(year, 1, 1) + timedelta(days=dice.randrange(365))
    mobile, email = _mobile(dice, 2 * number), _mail(dice, (given, family, year, number))
    phone_day = dice.randrange(OLDEST + 100, days) if dice.random() < NEW_PHONE else 10 * OLDEST
    email_day = dice.randrange(OLDEST + 100, days) if dice.random() < NEW_EMAIL else 10 * OLDEST
    changed_phone, changed_email = phone_day > OLDEST, email_day > OLDEST
    person = Person(
        number, household, given, family, family, 10 * OLDEST, female, born,
        mobile, _mobile(dice, 2 * number + 1) if changed_phone else mobile, phone_day,
        email, _mail(dice, (given, family, year, number)) if changed_email else email, email_day,
        children=int(dice.random() ** 2 * 4) if household.members or dice.random() < 0.5 else 0,
        language=dice.choices(("de", "en", "tr", "pl"), (88, 5, 4, 3))[0],
        newsletter=dice.random() < 0.55,
    )  # fmt: skip
    household.members.append(person)
    return person
