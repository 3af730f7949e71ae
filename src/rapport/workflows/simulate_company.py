"""Write a made-up company to a folder: three systems and a CRM, a programme to run, and the truth.

Why it exists: knowing customers is tried on files as companies have them - a till's export in the letters of the
West, a Parquet file, a database - beside files that say who is who. Chunks of customers are drawn, written and
forgotten, so memory does not grow with the company. What people are and what goes wrong is decided in
`rapport.simulate`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rapport.simulate.company_accounts import organisations_of, plant_accounts
from rapport.simulate.company_people import Person, day_of, plant_people
from rapport.simulate.company_program import company_program
from rapport.simulate.company_records import SYSTEMS, Record, plant_records
from rapport.simulate.company_traffic import Contact, Visit, lines_by_record, plant_contacts, plant_visits
from rapport.simulate.transactions import CHUNK, PlantedItems, PlantedShoppers, ShopWorld, plant_items, plant_shoppers
from rapport.workflows.programs import refuse_existing
from rapport.workflows.simulate_company_files import ACCOUNTS, CONTACT_COLUMNS, CompanyFiles, products

Tell = Callable[[int], None]
PRICE = 8
"""What the shop of `rapport.simulate.transactions` sells is dearer here by this factor: a department store."""


@dataclass
class SimulatedCompany:
    """What was written: people, records by system, purchase lines, web events, calls, and the day after the last."""

    people: int
    as_of: date
    records: Counter[str] = field(default_factory=Counter)
    lines: int = 0
    visits: int = 0
    contacts: int = 0


def simulate_company(world: ShopWorld, out: Path, crm: bool, tell: Tell) -> SimulatedCompany:
    """Write a programme with the systems of a made-up company and the truth about them; return what was written.

    Parameters
    ----------
    world : ShopWorld
        Its customers are the people.
    out : Path
        Takes program.toml, sources/ and truth/.
    crm : bool
        Whether organisations and contacts are written.
    tell : callable
        Told how many more people are written.

    Raises
    ------
    TargetExists
        The folder is there and not empty.
    """
    refuse_existing(out)
    made = SimulatedCompany(world.customers, day_of(world.days))
    items = plant_items(world)
    with CompanyFiles(out, crm) as files:
        for chunk in range(world.chunks):
            people = plant_people(world.seed, chunk, world.days)
            _write_chunk(files, world, items, chunk, people, made)
            if crm and chunk == 0:
                _write_crm(files, world, people[: world.customers], made)
            tell(min(CHUNK, world.customers - chunk * CHUNK))
        files.csv("products").writerows(products(world))
    (out / "program.toml").write_text(company_program(world.customers, crm), encoding="utf-8")
    return made


def _write_chunk(
    files: CompanyFiles,
    world: ShopWorld,
    items: PlantedItems,
    chunk: int,
    people: list[Person],
    made: SimulatedCompany,
) -> None:
    n = world.customers
    # Drawn for the whole chunk and then cut, so that nobody changes with the number of customers.
    records = [r for r in plant_records(world.seed, chunk, world.days, people) if r.person.number < n]
    people = [p for p in people if p.number < n]
    for system in SYSTEMS:
        of_system = sorted((r for r in records if r.system == system), key=lambda r: r.record_id)
        files.write_records(system, of_system)
        made.records[system] += len(of_system)
    _write_truth(files, people, records)
    bought = _write_lines(files, world, records, plant_shoppers(world, items, chunk), chunk, made)
    visits, visitors = plant_visits(world.seed, chunk, world.days, records, bought)
    files.write_visits(sorted(visits, key=_moment))
    made.visits += len(visits)
    files.csv("visitors").writerows(
        (v.visitor, _person(v.record.person), _household(v.record.person),
         v.record.record_id if v.logged_in else "", "yes" if v.shared else "no")
        for v in visitors
    )  # fmt: skip
    contacts = sorted(plant_contacts(world.seed, chunk, world.days, records), key=_call_moment)
    files.csv("contacts").writerows(
        (c.record.record_id, f"{day_of(c.day)} {c.minute // 60:02d}:{c.minute % 60:02d}:00", c.kind, f"{c.cost:.2f}")
        for c in contacts
    )
    made.contacts += len(contacts)


def _moment(visit: Visit) -> tuple[int, int, str]:
    return visit.day, visit.minute, visit.visitor


def _call_moment(contact: Contact) -> tuple[int, int, str]:
    return contact.day, contact.minute, contact.record.record_id


def _person(person: Person) -> str:
    return f"P{person.number:07d}"


def _household(person: Person) -> str:
    return f"H{person.grouped:07d}"


def _write_truth(files: CompanyFiles, people: list[Person], records: list[Record]) -> None:
    known = {p.number for p in people}
    files.csv("people").writerows(
        (r.system, r.record_id, _person(r.person), _household(r.person), "", " ".join(r.planted)) for r in records
    )
    files.csv("persons").writerows(
        (_person(p), _household(p), p.given, p.surname, p.born.isoformat(), p.email, p.mobile, p.children, p.language,
         "yes" if p.newsletter else "no")
        for p in people
    )  # fmt: skip
    files.csv("households").writerows((_household(p), _person(p)) for p in people)
    for person in people:
        for kind, other in (("twins", person.twin), ("same_name_in_family", person.named_after)):
            if other is not None and other.number in known and (kind != "twins" or other.number > person.number):
                files.csv("relations").writerow((_person(person), _person(other), kind))


def _write_lines(
    files: CompanyFiles, world: ShopWorld, records: list[Record], found: PlantedShoppers, chunk: int,
    made: SimulatedCompany,
) -> dict[int, list[tuple[int, int, int]]]:  # fmt: skip
    """Write the purchase lines of a chunk; return the web orders of each record, by time."""
    index, online = lines_by_record(found, records, chunk * CHUNK, world.seed)
    ids = pa.array([r.record_id for r in records], pa.string())
    for web, write in ((0, files.write_sales), (1, files.write_orders)):
        mine = np.flatnonzero((index >= 0) & (online == web))
        write(_lines(found, mine, ids, index, chunk))
        made.lines += len(mine)
    orders: dict[int, list[tuple[int, int, int]]] = {}
    last = (-1, -1)
    for k in np.flatnonzero((index >= 0) & (online == 1)):
        key = (int(index[k]), int(found.day[k]))
        if key != last:
            orders.setdefault(key[0], []).append((key[1], int(found.minute[k]), int(found.product[k])))
        last = key
    return orders


def _lines(
    found: PlantedShoppers, mine: NDArray[np.int64], ids: pa.Array, index: NDArray[np.int64], chunk: int
) -> pa.Table:
    """Return lines with the ids of a system; the lines of a customer and day are one receipt."""
    day, customer = found.day[mine], found.customer[mine] + chunk * CHUNK
    first = (day_of(0) - date(1970, 1, 1)).days
    receipt = pc.binary_join_element_wise("R", pc.cast(pa.array(customer * 10_000 + day), pa.string()), "")
    product = pc.utf8_lpad(pc.cast(pa.array(found.product[mine]), pa.string()), 5, padding="0")
    return pa.table(
        {
            "customer": ids.take(pa.array(index[mine])),
            "receipt": receipt,
            "product": pc.binary_join_element_wise("P", product, ""),
            "at": pa.array((day + first) * 86_400 + found.minute[mine] * 60, pa.timestamp("s")),
            "pieces": pa.array(found.pieces[mine]),
            "paid_cents": pa.array(PRICE * found.sales_micros[mine] // 10_000),
            "discount_cents": pa.array(PRICE * found.discount_micros[mine] // 10_000),
            "store": pa.array([f"F{c % 7 + 1}" for c in customer], pa.string()),
        }
    )


def _write_crm(files: CompanyFiles, world: ShopWorld, people: list[Person], made: SimulatedCompany) -> None:
    accounts, contacts = plant_accounts(world.seed, people, organisations_of(world.customers))
    files.csv("accounts").writerows([a.values[c] for c in ACCOUNTS] for a in accounts)
    files.csv("crm_contacts").writerows([c.values[name] for name in CONTACT_COLUMNS] for c in contacts)
    truth = files.csv("people")
    for a in accounts:
        truth.writerow(("accounts", a.values["account"], "", "", f"O{a.organisation:05d}", ""))
    for c in contacts:
        row = ("contacts", c.values["contact"], c.person, c.household, f"O{c.organisation:05d}", c.planted)
        truth.writerow(row)
    made.records["accounts"], made.records["contacts"] = len(accounts), len(contacts)
