"""Organisations of a made-up company's CRM and the people who work there.

Why it exists: selling to organisations means knowing accounts and the people in them: who decides, who is missing,
who sits on two boards, which two entries are one firm. No file is written here and nothing is matched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from rapport.simulate.company_names import TOWNS, digits, given_name, street, surname, typo, without_umlauts
from rapport.simulate.company_people import Person, day_of, scrambled

CUSTOMERS_EACH: Final = 40
"""Customers of the company for each organisation of its CRM."""
FEWEST: Final = 12
WANTED: Final = 0.30
"""Share of organisations that are wanted prospects; the others buy already."""
FEW_NAMES: Final = 0.40
"""Share of wanted prospects with fewer than three names."""
ENTERED_TWICE: Final = 0.10
"""Share of organisations entered twice, under another spelling, and of the second entries three in ten without their
tax number."""
NO_TAX_NUMBER: Final = 0.30
PRIVATE_TOO: Final = 0.20
"""Share of contacts who are customers of the shop in private life."""
TWO_ACCOUNTS: Final = 0.06
"""Share of contacts who also sit in the organisation before."""

TITLES: Final = (
    "Geschäftsführerin", "Geschäftsführer", "Leiter Einkauf", "Einkäuferin", "Assistenz der Geschäftsführung",
    "Head of Marketing", "CFO", "Leiterin Personal", "Küchenchef", "Office Manager", "Vorstand", "Sachbearbeiter",
)  # fmt: skip
_FORMS = (("GmbH", "Gesellschaft mbH"), ("AG", "Aktiengesellschaft"), ("GmbH & Co. KG", "GmbH u. Co KG"), ("KG", ""))
_TRADES = (
    "Gastro", "Catering", "Bäckerei", "Hotel", "Kantinen", "Logistik", "Medien", "Software", "Bau", "Elektro",
    "Druck",
    "Gartenbau", "Reisen", "Pflege", "Metallbau", "Handels",
)  # fmt: skip


@dataclass(frozen=True)
class AccountRow:
    """One entry of an organisation and which organisation it is."""

    organisation: int
    values: dict[str, str | None]


@dataclass(frozen=True)
class ContactRow:
    """One contact, the organisation, and who it is: a customer of the company, or somebody known here alone."""

    organisation: int
    person: str
    household: str
    values: dict[str, str | None]
    planted: str


def organisations_of(customers: int) -> int:
    """Return how many organisations the CRM of a company with so many customers has."""
    return max(FEWEST, customers // CUSTOMERS_EACH)


def tax_number(number: int) -> str:
    """Return the VAT number of an organisation, with its check digit by ISO 7064 MOD 11,10."""
    body = f"{10_000_000 + scrambled(number, 6_700_417)}"[:8]
    return f"DE{body}{check_digit(body)}"


def check_digit(body: str) -> str:
    """Return the check digit of a German VAT number of eight digits."""
    product = 10
    for figure in body:
        total = (int(figure) + product) % 10 or 10
        product = 2 * total % 11
    return str((11 - product) % 10)


def plant_accounts(seed: int, customers: Sequence[Person], total: int) -> tuple[list[AccountRow], list[ContactRow]]:
    """Return the entries of organisations and contacts.

    Parameters
    ----------
    seed : int
    customers : sequence of Person
        From whom contacts are taken who are customers in private life; at least one.
    total : int
        Organisations.
    """
    accounts: list[AccountRow] = []
    contacts: list[ContactRow] = []
    before: str | None = None
    for number in range(total):
        dice = Random(f"company/{seed}/organisation/{number}")
        account = _account(dice, number)
        accounts.append(account)
        own = _contacts(dice, account, customers)
        if before is not None and own and dice.random() < TWO_ACCOUNTS * len(own):
            own.append(_second_seat(dice, own[0], before, number - 1, len(own)))
        contacts += own
        if dice.random() < ENTERED_TWICE:
            accounts.append(_entered_again(dice, account))
        before = account.values["account"]
    return accounts, contacts


def _account(dice: Random, number: int) -> AccountRow:
    town, low, high, code = dice.choice(TOWNS)
    family, trade, form = surname(dice), dice.choice(_TRADES), dice.choice(_FORMS)[0]
    name = f"{family} {trade} {form}"
    host = f"{without_umlauts(family).lower().replace(' ', '')}-{without_umlauts(trade).lower()}{number}.de"
    values: dict[str, str | None] = {
        "account": f"A{scrambled(2 * number, 2_750_159)}",
        "company": name,
        "vat": tax_number(number),
        "website": f"https://www.{host}",
        "phone": f"{code} {digits(dice, 6)}-0",
        "street": f"{street(dice)} {dice.randrange(1, 120)}",
        "zip": str(dice.randint(low, high)),
        "city": town,
        "country": "DE",
        "status": "wanted" if dice.random() < WANTED else "customer",
        "employees": str(int(5 * 10 ** (2.2 * dice.random()))),
        "changed": day_of(dice.randrange(-700, 300)).isoformat(),
    }
    return AccountRow(number, values)


def _entered_again(dice: Random, account: AccountRow) -> AccountRow:
    values = dict(account.values)
    name = str(values["company"])
    for short, long in _FORMS:
        if name.endswith(f" {short}"):
            name = f"{name[: -len(short)]}{long}".strip()
            break
    values["company"] = typo(dice, name) if dice.random() < 0.3 else without_umlauts(name)
    values["account"] = f"A{scrambled(2 * account.organisation + 1, 2_750_159)}"
    if dice.random() < NO_TAX_NUMBER:
        values["vat"] = None
    values["changed"] = day_of(dice.randrange(-700, 300)).isoformat()
    return AccountRow(account.organisation, values)


def _contacts(dice: Random, account: AccountRow, customers: Sequence[Person]) -> list[ContactRow]:
    few = account.values["status"] == "wanted" and dice.random() < FEW_NAMES
    count = dice.randrange(0, 3) if few else dice.randrange(3, 7)
    host = str(account.values["website"]).removeprefix("https://www.")
    found = []
    for seat in range(count):
        number = 100 * account.organisation + seat
        private = dice.choice(customers) if dice.random() < PRIVATE_TOO else None
        given = private.given if private else given_name(dice, dice.random() < 0.5)
        family = private.surname if private else surname(dice)
        local = f"{without_umlauts(given)[0]}.{without_umlauts(family)}{seat}".lower().replace(" ", "")
        values: dict[str, str | None] = {
            "contact": f"C{scrambled(number, 1_299_709)}",
            "account": account.values["account"],
            "name": f"{given} {family}",
            "title": dice.choice(TITLES),
            "work_email": f"{local}@{host}",
            "private_email": private.email if private and dice.random() < 0.5 else None,
            "mobile": private.mobile if private and dice.random() < 0.6 else None,
            "changed": day_of(dice.randrange(-700, 300)).isoformat(),
        }
        person = f"P{private.number:07d}" if private else f"B{number:07d}"
        household = f"H{private.grouped:07d}" if private else ""
        found.append(ContactRow(account.organisation, person, household, values, "private_too" if private else ""))
    return found


def _second_seat(dice: Random, first: ContactRow, account: str, organisation: int, seat: int) -> ContactRow:
    """Return the contact of somebody who also sits in another organisation, under the same mail."""
    values = dict(first.values)
    values["contact"] = f"C{scrambled(100 * (organisation + 1) + 50 + seat, 1_299_709)}"
    values["account"], values["title"] = account, dice.choice(TITLES)
    return ContactRow(organisation, first.person, first.household, values, "two_accounts")
