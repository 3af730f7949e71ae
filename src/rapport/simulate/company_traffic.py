"""What the customers of a made-up company do under each system's own ids: buy, call, visit before they log in.

Why it exists: a purchase says the id of a till's card or of a web account, a visit says a cookie; whose they are is
known only when the records are. No file is written here and nothing is matched.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rapport.core.keys import uniform
from rapport.simulate.company_people import Household
from rapport.simulate.company_records import Record
from rapport.simulate.transactions import PlantedShoppers

WEB_SHARE: Final = 0.35
"""Share of the trips on the web of somebody whom tills and web shop know."""
SHARED_DEVICE: Final = 0.35
"""Share of households with two or more web accounts that log in from one tablet."""
NEVER_LOGGED_IN: Final = 0.20
"""Share of accounts whose owner also visits with a cookie that never logs in."""
CONTACT_KINDS: Final = (("service", 0.65, 6.0), ("complaint", 0.20, 15.0), ("delivery", 0.15, 4.5))
"""Kind of contact, its share, and what it costs."""

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Visit:
    """One event of a web visitor; `account` only while logged in, `product` the number of what was looked at."""

    visitor: str
    day: int
    minute: int
    kind: str
    account: str | None
    product: int | None


@dataclass(frozen=True)
class Visitor:
    """The truth about a cookie: one row for each person who used it, and the account that logged in, if any."""

    visitor: str
    record: Record
    logged_in: bool
    shared: bool


@dataclass(frozen=True)
class Contact:
    """One call: under which record, when, about what, at what cost."""

    record: Record
    day: int
    minute: int
    kind: str
    cost: float


def lines_by_record(found: PlantedShoppers, records: Sequence[Record], first: int, seed: int) -> tuple[Ints, Ints]:
    """Return for each purchase line the index of the record it was bought under, -1 for none, and 1 where on the web.

    Parameters
    ----------
    found : PlantedShoppers
        Of the chunk.
    records : sequence of Record
        Of the same people.
    first : int
        Number of the first person of the chunk.
    seed : int

    Notes
    -----
    Of somebody with two records in a system, what was bought before the second was made is under the first. Who is
    known to the call centre alone buys nothing: nobody would know it.
    """
    n = len(found.first_day)
    early: Ints = np.full((2, n), -1)
    late: Ints = np.full((2, n), -1)
    switch: Ints = np.full((2, n), np.iinfo(np.int64).max)
    for row, record in enumerate(records):
        if record.system == "calls":
            continue
        web, number = int(record.system == "web"), record.person.number - first
        if early[web, number] < 0:
            early[web, number] = row
        else:
            late[web, number], switch[web, number] = row, record.created
    who, day = found.customer, found.day
    has = early >= 0
    share = np.where(has[0] & has[1], WEB_SHARE, np.where(has[1], 1.0, 0.0))
    online = (uniform((who + first) * 10_000 + day, f"company/{seed}/online") < share[who]).astype(np.int64)
    index = np.where(day >= switch[online, who], late[online, who], early[online, who])
    return index, online


def plant_visits(
    seed: int, chunk: int, days: int, records: Sequence[Record], bought: dict[int, list[tuple[int, int, int]]]
) -> tuple[list[Visit], list[Visitor]]:
    """Return what web visitors did and who they are.

    Parameters
    ----------
    seed, chunk, days : int
    records : sequence of Record
        Of the chunk.
    bought : dict
        Index of a web record -> (day, minute, product) of one line of each of its orders, by time.
    """
    dice = Random(f"company/{seed}/visits/{chunk}")
    visits: list[Visit] = []
    visitors: list[Visitor] = []
    homes: dict[int, list[int]] = defaultdict(list)
    for index, record in enumerate(records):
        if record.system != "web":
            continue
        homes[record.person.household.number].append(index)
        own = _cookie(dice)
        visitors.append(Visitor(own, record, True, False))
        visits += _own_visits(dice, own, record, bought.get(index, []), days)
        if dice.random() < NEVER_LOGGED_IN:
            stray = _cookie(dice)
            visitors.append(Visitor(stray, record, False, False))
            visits += _looks(dice, stray, dice.randrange(days), 1 + dice.randrange(4))
    for number in sorted(homes):
        users = {records[i].person.number: i for i in homes[number]}
        if len(users) > 1 and records[homes[number][0]].person.household.related and dice.random() < SHARED_DEVICE:
            family = [records[i] for i in users.values()]
            tablet = _tablet(family[0].person.household)
            visitors += [Visitor(tablet, record, True, True) for record in family]
            visits += _family_visits(dice, tablet, family, days)
    return visits, visitors


def _tablet(household: Household) -> str:
    return f"v-{household.device}"


def _cookie(dice: Random) -> str:
    return f"v-{dice.getrandbits(64):016x}"


def _looks(dice: Random, visitor: str, day: int, count: int) -> list[Visit]:
    """Return so many looks of somebody whom nobody knows, on one day."""
    start = dice.randrange(6 * 60, 23 * 60)
    return [Visit(visitor, day, start + 2 * k, "view", None, None) for k in range(count)]


def _own_visits(
    dice: Random, visitor: str, record: Record, orders: list[tuple[int, int, int]], days: int
) -> list[Visit]:
    """Return anonymous looks, then a log-in, then the orders, each after looking at what is bought."""
    first = orders[0][0] if orders else max(record.created, 0)
    found = _looks(dice, visitor, max(first - dice.randrange(1, 15), 0), 1 + dice.randrange(4)) if first > 0 else []
    if not orders:
        login = min(max(first, 0) + dice.randrange(30), days - 1)
        return [*found, Visit(visitor, login, dice.randrange(23 * 60, 24 * 60), "login", record.record_id, None)]
    for number, (day, minute, product) in enumerate(orders):
        found.append(
            Visit(visitor, day, max(minute - 9, 0), "view", None if number == 0 else record.record_id, product)
        )
        if number == 0:
            found.append(Visit(visitor, day, max(minute - 5, 1), "login", record.record_id, None))
        found.append(Visit(visitor, day, minute, "order", record.record_id, product))
    return found


def _family_visits(dice: Random, tablet: str, family: Sequence[Record], days: int) -> list[Visit]:
    """Return what a family does on one tablet: looks, and log-ins of one after the other."""
    start, found = dice.randrange(max(days - 60, 1)), []
    for number, record in enumerate(family):
        day = min(start + 7 * number, days - 1)
        found += _looks(dice, tablet, day, 2)
        found.append(Visit(tablet, day, 23 * 60 + dice.randrange(60), "login", record.record_id, None))
    return found


def plant_contacts(seed: int, chunk: int, days: int, records: Sequence[Record]) -> list[Contact]:
    """Return the calls of a chunk's callers: one or more each, a fifth of them complaints."""
    dice = Random(f"company/{seed}/contacts/{chunk}")
    found = []
    for record in records:
        if record.system != "calls":
            continue
        for _ in range(1 + int(dice.expovariate(0.7))):
            kind, _, cost = dice.choices(CONTACT_KINDS, [c[1] for c in CONTACT_KINDS])[0]
            paid = round(cost * (0.5 + dice.random()), 2)
            found.append(Contact(record, dice.randrange(days), dice.randrange(8 * 60, 20 * 60), kind, paid))
    return found
