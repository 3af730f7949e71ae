"""Records as observations, and what survives of them as one row a customer.

Why it exists: rooms meet in two forms: what each record says of each field, and one wide table with what is believed
of each customer, which a turn joins to its customers as traits. Nothing is weighed here.

The parts of an address are one field, `address`: a street of one system in the town of another is nobody's address.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rapport.core.profiles import OBSERVATIONS

ADDRESS = "address"
ADDRESS_PARTS = ("house_number", "street", "unit", "city", "region", "postal_code", "country")
PLACES = ("street", "city", "postal_code")
"""An address says something where one of these is there; a country alone, assumed of every record, says nothing."""

SINGLE = ("given_name", "middle_name", "surname", "gender", "birth_date")
WORK = ("organisation", "job_title", "website")
SEVERAL = {"email": "emails", "phone": "phones"}
"""Fields of which a customer can have several, by the column of standard records that lists them."""

PERSON_FIELDS = (*SINGLE, *SEVERAL, *ADDRESS_PARTS, *WORK)
"""Columns of a customer's row about the person, in order; those of the systems' traits follow."""

BETWEEN = "\x1f"
"""Parts of an address are joined by this, since no part can hold it."""

AGE_BANDS = ((18, "under 18"), (25, "18-24"), (35, "25-34"), (45, "35-44"), (55, "45-54"), (65, "55-64"))
OLDEST = "65 and over"
OLDEST_YEARS = 120
"""Whoever would be older is taken for a slip of the pen: no band."""


def observations_of(standard: pa.Table, customers: pa.Table, traits: Sequence[str] = ()) -> pa.Table:
    """Return what records of persons say, OBSERVATIONS.

    Parameters
    ----------
    standard : Arrow table
        Columns of `core.people.STANDARD`, and `traits` as text columns.
    customers : Arrow table
        record_key, customer_id; records without a customer say nothing of anyone.
    traits : sequence of str
        Further columns that become fields under their own names.
    """
    persons = standard.filter(pc.equal(standard["kind"], "person")).combine_chunks()
    place = pc.index_in(persons["record_key"], value_set=customers["record_key"].combine_chunks())
    persons = persons.filter(place.is_valid())
    ids = customers["customer_id"].combine_chunks().take(place.drop_null().combine_chunks())
    parts = [_said(persons, ids, name, pc.cast(persons[name], pa.string())) for name in (*SINGLE, *WORK, *traits)]
    parts.append(_said(persons, ids, ADDRESS, _addresses(persons)))
    parts += [_listed(persons, ids, name, column) for name, column in SEVERAL.items()]
    return pa.concat_tables(parts)


def _said(persons: pa.Table, ids: pa.Array, name: str, values: pa.ChunkedArray) -> pa.Table:
    columns = {
        "customer_id": ids,
        "record_key": persons["record_key"],
        "field": pa.array([name]).take(pa.array(np.zeros(len(persons), dtype=np.int8))),
        "value": values,
        "source": persons["system"],
        "at": persons["updated_at"],
        "confidence": pa.array(np.ones(len(persons))),
    }
    table = pa.Table.from_arrays([columns[f.name] for f in OBSERVATIONS], schema=OBSERVATIONS)
    return table.filter(pc.fill_null(pc.not_equal(table["value"], ""), False))


def _listed(persons: pa.Table, ids: pa.Array, name: str, column: str) -> pa.Table:
    """Return one observation for each value of a list; the first of the list is believed most."""
    lists = persons[column].combine_chunks()
    row = pc.list_parent_indices(lists)
    table = _said(persons.take(row), ids.take(row), name, pc.list_flatten(lists))
    counted = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    place = np.arange(len(row)) - np.repeat(np.cumsum(counted) - counted, counted)
    return table.set_column(
        table.column_names.index("confidence"),
        OBSERVATIONS.field("confidence"),
        pa.array(1.0 - 0.01 * place.clip(0, 50)),
    )


def _addresses(persons: pa.Table) -> pa.Array:
    there = [pc.fill_null(pc.not_equal(persons[p], ""), False) for p in PLACES]
    known = pc.or_(pc.or_(there[0], there[1]), there[2])
    parts = [pc.fill_null(persons[p], "") for p in ADDRESS_PARTS]
    joined = pc.binary_join_element_wise(*parts, BETWEEN)
    return pc.if_else(known, joined, pa.scalar(None, pa.string()))


def shown_address(value: str) -> str:
    """Return an address as a person writes it."""
    parts = dict(zip(ADDRESS_PARTS, value.split(BETWEEN), strict=True))
    street = " ".join(p for p in (parts["house_number"], parts["street"], parts["unit"]) if p)
    town = " ".join(p for p in (parts["postal_code"], parts["city"]) if p)
    return ", ".join(p for p in (street, town, parts["region"], parts["country"]) if p)


def profile_table(profile: pa.Table, as_of: date, traits: Sequence[str] = (), believed: float = 0.0) -> pa.Table:
    """Return one row a customer: what is believed of them, as columns.

    Parameters
    ----------
    profile : Arrow table
        `core.profiles.PROFILE`.
    as_of : date
        Day on which ages are counted.
    traits : sequence of str
        Fields beside those of persons that become columns; empty where nothing is known.
    believed : float
        Values believed less are left empty.

    Returns
    -------
    Arrow table, ascending by customer_id: `customer_id`, `PERSON_FIELDS`, `age_band`, `traits`; all text but
    `birth_date`, a day.
    """
    held = profile.filter(pc.greater_equal(profile["belief"], believed)) if believed > 0.0 else profile
    customers = pc.unique(profile["customer_id"])
    customers = customers.take(pc.array_sort_indices(customers))
    fields = dict.fromkeys([*SINGLE, *SEVERAL, ADDRESS, *WORK, *traits])
    values = {name: _values_of(held, name, customers) for name in fields}
    address = pc.split_pattern(values.pop(ADDRESS), BETWEEN)
    for n, part in enumerate(ADDRESS_PARTS):
        values[part] = _nothing_empty(pc.list_element(address, n))
    days = values["birth_date"].cast(pa.date32())
    columns: dict[str, Any] = {"customer_id": customers}
    columns |= {name: days if name == "birth_date" else values[name] for name in PERSON_FIELDS}
    columns["age_band"] = age_bands(days, as_of)
    columns |= {name: values[name] for name in traits if name not in columns}
    return pa.table(columns)


def _values_of(profile: pa.Table, name: str, customers: pa.Array) -> pa.Array:
    mine = profile.filter(pc.equal(profile["field"], name))
    place = pc.index_in(customers, value_set=mine["customer_id"].combine_chunks())
    return mine["value"].combine_chunks().take(place)


def _nothing_empty(values: pa.Array) -> pa.Array:
    return pc.if_else(pc.equal(values, ""), pa.scalar(None, pa.string()), values)


def age_bands(birth: pa.Array, as_of: date) -> pa.Array:
    """Return the age band on a day of each day of birth, empty where it is not known or cannot be."""
    years = _years(birth, as_of)
    band = np.searchsorted([limit for limit, _ in AGE_BANDS], years, side="right")
    known = birth.is_valid().to_numpy(zero_copy_only=False) & (years >= 0) & (years < OLDEST_YEARS)
    names = pa.array([*(name for _, name in AGE_BANDS), OLDEST])
    return names.take(pa.array(band, pa.int64(), mask=~known))


def _years(birth: pa.Array, as_of: date) -> NDArray[np.int64]:
    """Return completed years; a birthday on 29 February is kept on 1 March of other years."""
    there = pc.fill_null(birth, date(1900, 1, 1))
    year, month, day = (getattr(pc, p)(there).to_numpy() for p in ("year", "month", "day"))
    before = (month > as_of.month) | ((month == as_of.month) & (day > as_of.day))
    return np.asarray(as_of.year - year - before, dtype=np.int64)


def with_traits(observed: Mapping[str, Any] | pa.Table, further: pa.Table) -> pa.Table:
    """Return observations of records together with those that the memory holds."""
    return pa.concat_tables([observed, further.select(OBSERVATIONS.names).cast(OBSERVATIONS)])
