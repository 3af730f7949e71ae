"""The tables of records about people and organisations, each declared once.

Why it exists: several systems of a company hold records of the same customer. Reading them, standardising them,
linking them and remembering them are separate rooms that meet in these tables. No query may enter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from rapport.core.keys import customer_key

PersonColumnKind = Literal["id", "name", "email", "phone", "address", "day", "time", "code", "text"]


@dataclass(frozen=True)
class PersonColumn:
    """One column that a source of people may fill.

    `kind` says which standardiser reads it; `several` that the column may be given as a list of the file's columns,
    each value counting for itself; `identifies` that a verified value names one customer. `unlocks` is what a
    company can do with it.
    """

    name: str
    kind: PersonColumnKind
    several: bool
    identifies: bool
    meaning: str
    unlocks: str


PERSON_COLUMNS: tuple[PersonColumn, ...] = (
    PersonColumn("record_id", "id", False, False, "id of the record in its system", "purchases joined to the person"),
    PersonColumn("full_name", "name", False, False, "the whole name", "recognition, the address of a letter"),
    PersonColumn("given_name", "name", False, False, "first name", "recognition, salutation"),
    PersonColumn("middle_name", "name", False, False, "further first names", "recognition"),
    PersonColumn("surname", "name", False, False, "family name", "recognition, households"),
    PersonColumn("gender", "code", False, False, "gender", "salutation, profiles"),
    PersonColumn("birth_date", "day", False, False, "day of birth", "recognition, age bands, birthdays"),
    PersonColumn("email", "email", True, True, "e-mail address", "recognition, e-mail, personal page"),
    PersonColumn("phone", "phone", True, True, "phone number", "recognition, calls, text messages"),
    PersonColumn("address", "address", False, False, "the address in one text", "letters, households, nearest store"),
    PersonColumn("house_number", "address", False, False, "number of the house", "letters, households"),
    PersonColumn("street", "address", False, False, "street, with the number where it has no column", "letters"),
    PersonColumn("unit", "address", False, False, "flat, staircase, box", "letters, households"),
    PersonColumn("city", "address", False, False, "town or suburb", "letters, local assortments"),
    PersonColumn("region", "address", False, False, "state or province", "letters, regional versions"),
    PersonColumn("postal_code", "address", False, False, "postal code", "nearest store, regional versions"),
    PersonColumn("country", "address", False, False, "country", "phones, addresses, language"),
    PersonColumn("person_number", "id", False, True, "number of the state, such as social security", "recognition"),
    PersonColumn("card_number", "id", True, True, "loyalty card", "recognition at the till"),
    PersonColumn("device_id", "id", True, True, "cookie or device", "recognition on the web"),
    PersonColumn("household_id", "id", False, False, "household in its system", "households"),
    PersonColumn("organisation", "name", False, False, "name of the company", "accounts and contacts"),
    PersonColumn("tax_number", "id", False, True, "number of the company, such as VAT or DUNS", "accounts"),
    PersonColumn("website", "text", False, False, "web site of the company", "accounts"),
    PersonColumn(
        "account_id", "id", False, False, "record id of the organisation worked for", "contacts of accounts"
    ),
    PersonColumn("job_title", "text", False, False, "role in the organisation", "peers call peers"),
    PersonColumn("updated_at", "time", False, False, "when the record was last changed", "the fresher value counts"),
)
"""What a record of a person or an organisation can hold, in the order of the loaded table."""


def _list(item: pa.DataType) -> pa.DataType:
    return pa.list_(pa.field("item", item, nullable=False))


def _loaded_type(column: PersonColumn) -> pa.DataType:
    if column.kind == "time":
        return pa.timestamp("us", tz="UTC")
    return _list(pa.string()) if column.several else pa.string()


PEOPLE = pa.schema(
    [
        pa.field("record_key", pa.int64(), nullable=False),
        pa.field("system", pa.string(), nullable=False),
        pa.field("record_id", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        *((c.name, _loaded_type(c)) for c in PERSON_COLUMNS if c.name != "record_id"),
    ]
)
"""Records as the systems hold them, trimmed and otherwise untouched: the original that is kept. `kind` is `person` or
`organisation`. Traits of the systems follow as string columns."""


STANDARD = pa.schema(
    [
        pa.field("record_key", pa.int64(), nullable=False),
        pa.field("system", pa.string(), nullable=False),
        pa.field("record_id", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        ("given_name", pa.string()),
        ("middle_name", pa.string()),
        ("surname", pa.string()),
        ("gender", pa.string()),
        ("birth_date", pa.date32()),
        ("emails", _list(pa.string())),
        ("email_keys", _list(pa.string())),
        ("phones", _list(pa.string())),
        ("house_number", pa.string()),
        ("street", pa.string()),
        ("unit", pa.string()),
        ("city", pa.string()),
        ("region", pa.string()),
        ("postal_code", pa.string()),
        ("country", pa.string()),
        ("person_number", pa.string()),
        ("card_numbers", _list(pa.string())),
        ("device_ids", _list(pa.string())),
        ("household_id", pa.string()),
        ("organisation", pa.string()),
        ("legal_form", pa.string()),
        ("tax_number", pa.string()),
        ("website", pa.string()),
        ("account_id", pa.string()),
        ("job_title", pa.string()),
        ("updated_at", pa.timestamp("us", tz="UTC")),
        ("refused", _list(pa.string())),
    ]
)
"""The same records in the form in which they are compared: names and addresses in lower case Latin letters without
accents, e-mail addresses as RFC 5321 compares them and beside them the mailbox that the provider's rules make of
each (`email_keys`: dots and plus tags gone), phones in E.164, days as days, countries by ISO 3166 alpha-2. What
cannot be read or may not identify anyone is empty; `refused` says of which column and why, such as
``email:BLOCKED_VALUE``. Standardising a standard record changes nothing."""


LINKS = pa.schema(
    [
        pa.field("left_key", pa.int64(), nullable=False),
        pa.field("right_key", pa.int64(), nullable=False),
        pa.field("probability", pa.float64(), nullable=False),
        pa.field("weight", pa.float64(), nullable=False),
        pa.field("basis", pa.string(), nullable=False),
        ("evidence", pa.string()),
    ]
)
"""Pairs of records that may be one customer, left_key < right_key. `weight` is the evidence in bits (log2 of the
Bayes factor, prior left out), `basis` is `exact` (a verified identifier), `probable` or `person` (someone decided),
and `evidence` a JSON object: column compared -> [left value, right value, level of agreement, bits]."""


CLUSTERS = pa.schema(
    [
        pa.field("record_key", pa.int64(), nullable=False),
        pa.field("cluster", pa.int64(), nullable=False),
    ]
)
"""Which records are one customer: `cluster` is the smallest record_key in it. Every record has a row."""


VERDICTS = pa.schema(
    [
        pa.field("left_key", pa.int64(), nullable=False),
        pa.field("right_key", pa.int64(), nullable=False),
        pa.field("same", pa.bool_(), nullable=False),
    ]
)
"""What people decided about pairs, left_key < right_key: the same customer, or never."""


def record_key(system: str, record_id: str) -> int:
    """Return the int64 key of a record: as `rapport.core.keys.customer_key` of system, unit separator, id."""
    return customer_key(f"{system}\x1f{record_id}")
