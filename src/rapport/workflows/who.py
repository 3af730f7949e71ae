"""Who is meant by an identifier, and all that is known of them: records, identifiers, profile, conversation.

Why it exists: at any contact point one identifier must be enough to go on where the conversation left off. What was
typed is brought into standard form by the rules of the records, so that it is found however it is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from rapport.core.errors import UnknownCustomer
from rapport.core.people import PEOPLE
from rapport.identify.standard import settings_of, standardise
from rapport.program.model import Program
from rapport.workflows.identified import originals
from rapport.workflows.identity_ports import IdentityMemory
from rapport.workflows.identity_records import Identifier, Recognised
from rapport.workflows.known_customers import profile_rows

_CUSTOMER = re.compile(r"C[A-Z2-7]{10}\d*")
_PHONE = re.compile(r"[+(]?[\d\s()./-]{5,}")
_KINDS = {"emails": "email", "phones": "phone", "card_numbers": "card_number", "device_ids": "device_id"}
_TALK = 10
"""Interactions shown of a customer; their number is told beside."""


def readings(text: str, program: Program) -> list[Identifier]:
    """Return what a text may identify, the most telling reading first, in standard form.

    Parameters
    ----------
    text : str
        A customer's id, ``SYSTEM:RECORD_ID``, an e-mail address, a phone number, a card, device or state number.
    program : Program
        Its systems, and the country that numbers are of.
    """
    text = text.strip()
    system, _, record = text.partition(":")
    found = []
    if record and system in [p.name for p in program.people]:
        found.append(Identifier(f"record:{system}", record.strip()))
    if _CUSTOMER.fullmatch(text):
        found.append(Identifier("customer", text))
    found += _standard(text, program)
    found.append(Identifier("anonymous", text))
    return list(dict.fromkeys(found))


def _standard(text: str, program: Program) -> Iterator[Identifier]:
    """Yield the identifiers that standardising the text as each column gives."""
    row: dict[str, Any] = dict.fromkeys(PEOPLE.names)
    row |= {"record_key": 0, "system": "", "record_id": "0", "kind": "person"}
    if "@" in text:
        row["email"] = [text]
    elif _PHONE.fullmatch(text):
        row["phone"] = [text]
    row |= {"card_number": [text], "device_id": [text], "person_number": text, "tax_number": text}
    made = standardise(
        pa.Table.from_pylist([row], schema=PEOPLE), settings_of(program.identify, program.people, None)
    ).to_pylist()[0]
    for column, kind in _KINDS.items():
        yield from (Identifier(kind, value) for value in made[column] or ())
    yield from (Identifier(n, made[n]) for n in ("person_number", "tax_number") if made[n])


def recognise(memory: IdentityMemory, program: Program, text: str) -> tuple[Identifier | None, Recognised]:
    """Return who is meant by a text, and by which reading of it."""
    tried = readings(text, program)
    unknown = Recognised("unknown", None, (), ())
    for identifier in tried:
        found = memory.contacts.recognise([identifier])
        if found.standing != "unknown":
            return identifier, found
    return None, unknown


def who(memory: IdentityMemory, program: Program, base: Path, text: str) -> dict[str, Any]:
    """Return who is meant by a text and all that is known of them, as plain values.

    Raises
    ------
    UnknownCustomer
        Nobody is known by it.
    """
    identifier, found = recognise(memory, program, text)
    if identifier is None:
        raise UnknownCustomer(
            f"{text!r}: nobody is known by it; may be an id of a customer, an e-mail, a phone, a card, a device "
            f"or SYSTEM:RECORD_ID with one of: {', '.join(p.name for p in program.people) or 'no system declared'}. "
            f"New records are known after: rapport identify {base}"
        )
    answer: dict[str, Any] = {
        "asked": text,
        "kind": identifier.kind,
        "standing": found.standing,
        "customer_id": found.customer_id,
        "candidates": [_brief(memory, base, c) for c in found.candidates],
    }
    if found.customer_id is not None:
        answer |= known_of(memory, program, base, found.customer_id)
    return answer


def _brief(memory: IdentityMemory, base: Path, customer_id: str) -> dict[str, Any]:
    """Return a candidate in short: id, name, and the systems that know them."""
    records = list(originals(base, memory.records.node_keys(customer_id)).values())
    names = [" ".join(filter(None, (r["full_name"], r["given_name"], r["surname"]))) for r in records]
    return {
        "customer_id": customer_id,
        "name": max(names, key=len, default=""),
        "systems": sorted({r["system"] for r in records}),
    }


def known_of(memory: IdentityMemory, program: Program, base: Path, customer_id: str) -> dict[str, Any]:
    """Return everything that is known of a customer, as plain values."""
    now = datetime.now(UTC)
    keys = memory.records.node_keys(customer_id)
    records = originals(base, keys)
    talk = memory.contacts.interactions_of(customer_id)
    return {
        "records": [{k: v for k, v in records[key].items() if v is not None} for key in keys if key in records],
        "identifiers": _identifiers(memory, customer_id),
        "profile": profile_rows(memory, program, base, customer_id, now),
        "household": _household(memory, base, customer_id),
        "accounts": [_plain(c.__dict__) for c in memory.work.accounts_of(customer_id)],
        "contacts": [_plain(c.__dict__) for c in memory.work.contacts_of(customer_id)],
        "consents": [
            {"purpose": purpose, "channel": channel, "status": status}
            for (purpose, channel), status in sorted(memory.profiles.consents_of(customer_id).items())
        ],
        "answers": [_plain(a.__dict__) for a in memory.profiles.answers_of(customer_id)],
        "tasks": [_plain(t.__dict__) for t in memory.work.tasks(customer_id)],
        "interactions": [_plain(i.__dict__) for i in talk[:_TALK]],
        "interactions_in_all": len(talk),
        "merges": len(memory.ledger.merges(customer_id, include_undone=False)),
    }


def _identifiers(memory: IdentityMemory, customer_id: str) -> list[dict[str, Any]]:
    """Return each identifier of a customer once; verified where any of the records says so."""
    held: dict[tuple[str, str], bool] = {}
    for one, _ in memory.contacts.identifiers_of(customer_id):
        held[one.kind, one.value] = held.get((one.kind, one.value), False) or one.verified
    return [{"kind": kind, "value": value, "verified": sure} for (kind, value), sure in held.items()]


def _household(memory: IdentityMemory, base: Path, customer_id: str) -> dict[str, Any] | None:
    """Return the household of a customer and who else is in it."""
    household, others = memory.records.household_of(customer_id)
    if household is None:
        return None
    return {"household_id": household, "others": [_brief(memory, base, other) for other in others]}


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {k: v.isoformat() if isinstance(v, (date, datetime)) else v for k, v in row.items() if v is not None}
