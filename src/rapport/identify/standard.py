"""Records of people in the form in which they are compared.

Why it exists: three systems write one customer in three ways. Each column goes to the standardiser of its kind; what
cannot be read, or may not identify anyone, becomes empty with a reason, and the original stays in PEOPLE. How a kind
is read stands in its own module.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rapport.core.people import PEOPLE, STANDARD
from rapport.core.reasons import ValueReason
from rapport.identify import standard_address as address
from rapport.identify import standard_name as name
from rapport.identify import standard_place as place
from rapport.identify.blocked import is_no_value
from rapport.identify.fold import fold, fold_all
from rapport.identify.standard_address_text import read_addresses
from rapport.identify.standard_day import crowded_days, read_days
from rapport.identify.standard_email import mailboxes, read_emails
from rapport.identify.standard_frequent import frequent_values, name_codes
from rapport.identify.standard_id import read_numbers, read_references, read_websites
from rapport.identify.standard_organisation import read_organisations
from rapport.identify.standard_phone import read_phone, read_phones
from rapport.identify.standard_values import (
    StandardSettings,
    Values,
    nothing,
    one_array,
    read_distinct,
    refuse,
    spread,
    with_group,
)
from rapport.program.identify import Identify, People

__all__ = ["StandardSettings", "as_people", "settings_of", "standardise"]

_LISTS = {"email": "emails", "phone": "phones", "card_number": "card_numbers", "device_id": "device_ids"}
_KEPT = ("record_key", "system", "record_id", "kind", "updated_at")


@dataclass
class _Work:
    """The columns as they are made, and the reasons of what was refused by column."""

    people: pa.Table
    settings: StandardSettings
    made: dict[str, Any] = field(default_factory=dict)
    refused: list[tuple[NDArray[np.int64], str, pa.Array]] = field(default_factory=list)

    def column(self, column: str) -> pa.Array:
        """Return a column of the records as one array; of nulls where there is none."""
        if column not in self.people.column_names:
            return nothing(self.people.num_rows)
        return one_array(self.people[column])

    def take(self, column: str, values: Values, rows: NDArray[np.int64] | None = None) -> pa.Array:
        """Return the values, and remember what was refused."""
        if values.reasons.null_count < len(values.reasons):
            at = np.flatnonzero(values.reasons.is_valid().to_numpy(zero_copy_only=False))
            self.refused.append((at if rows is None else rows[at], column, values.reasons.drop_null()))
        return values.values


def settings_of(identify: Identify, people: tuple[People, ...], as_of: date | None) -> StandardSettings:
    """Return what standardising has to know, from what the programme says of identity and of its systems."""
    return StandardSettings(
        country=identify.country,
        country_by_system={p.name: p.country for p in people if p.country is not None},
        blocked=identify.blocked,
        as_of=as_of,
    )


def standardise(people: pa.Table, settings: StandardSettings) -> pa.Table:
    """Return records in the form in which they are compared, in the same order.

    Parameters
    ----------
    people : table of `rapport.core.people.PEOPLE`
        Traits after the declared columns are passed over.
    settings : StandardSettings

    Returns
    -------
    table of `rapport.core.people.STANDARD`. Standardising `as_people` of it gives the same again, save that what is
    gone is not refused twice. A record gives the same alone as among others, save for values that are too frequent.
    """
    work = _Work(people, settings)
    for column in _KEPT:
        work.made[column] = people[column] if column in people.column_names else None
    if work.made["updated_at"] is None:
        work.made["updated_at"] = pa.nulls(people.num_rows, pa.timestamp("us", tz="UTC"))
    _names(work)
    assumed = _countries_assumed(work)
    country = _places(work, assumed)
    _contacts(work, country)
    _days(work, country)
    _ids(work)
    _organisations(work)
    if settings.people_per_value > 0:
        _drop_frequent(work)
    work.made["refused"] = _refused(work)
    return pa.table([work.made[f.name] for f in STANDARD], schema=STANDARD)


def as_people(standard: pa.Table) -> pa.Table:
    """Return standard records in the form of records that a system holds: what standardising leaves as it is."""
    columns = []
    for f in PEOPLE:
        if f.name in _LISTS:
            columns.append(standard[_LISTS[f.name]])
        elif f.name == "birth_date":
            columns.append(pc.cast(standard["birth_date"], pa.string()))
        elif f.name == "organisation":
            form = pc.coalesce(one_array(standard["legal_form"]), pa.scalar(""))
            joined = pc.binary_join_element_wise(one_array(standard["organisation"]), form, " ")
            columns.append(pc.utf8_trim(joined, " "))
        elif f.name in standard.column_names:
            columns.append(standard[f.name])
        else:
            columns.append(nothing(standard.num_rows))
    return pa.table(columns, schema=PEOPLE)


def _names(work: _Work) -> None:
    given, middle, surname = (work.column(c) for c in ("given_name", "middle_name", "surname"))
    full = work.column("full_name")
    null = pa.scalar(None, pa.string())
    in_surname = pc.and_(pc.is_null(given), pc.match_substring(surname, ","))
    in_surname = pc.fill_null(in_surname, False)
    whole = pc.if_else(in_surname, surname, pc.if_else(pc.and_(pc.is_null(given), pc.is_null(surname)), full, null))
    if whole.null_count < len(whole):
        parts = name.read_full_names(whole)
        given = pc.coalesce(given, parts.given)
        middle = pc.coalesce(middle, parts.middle)
        surname = pc.if_else(in_surname, parts.surname, pc.coalesce(surname, parts.surname))
    for column, texts in (("given_name", given), ("middle_name", middle), ("surname", surname)):
        work.made[column] = work.take(column, name.read_part(texts))
    work.made["gender"] = work.take("gender", name.read_genders(work.column("gender")))


def _countries_assumed(work: _Work) -> pa.Array:
    """Return the country of each record where it names none: its system's, or the programme's."""
    of_system = {s: c.upper() for s, c in work.settings.country_by_system.items()}
    default = work.settings.country.upper()
    return read_distinct(one_array(work.people["system"]), lambda s: (of_system.get(s, default), None)).values


def _places(work: _Work, assumed: pa.Array) -> pa.Array:
    """Make the columns of the address; return the country of each record, the assumed one where it names none."""
    named = work.take("country", read_distinct(work.column("country"), place.read_country))
    number, street, unit = (work.column(c) for c in ("house_number", "street", "unit"))
    city, region, postal = (work.column(c) for c in ("city", "region", "postal_code"))
    whole = work.column("address")
    if whole.null_count < len(whole):
        parts = read_addresses(whole, pc.coalesce(named, assumed))
        own = pc.is_valid(street)
        street, unit, city, region, postal = (
            pc.coalesce(held, part) if n else pc.if_else(own, held, part)
            for n, (held, part) in enumerate(zip((street, unit, city, region, postal), parts, strict=False))
        )
        named = pc.coalesce(named, parts[5])
    country = pc.coalesce(named, assumed)
    made = address.read_streets(number, street, unit, country)
    work.made.update(house_number=made.number, street=made.street, unit=made.unit, city=address.read_city(city))
    work.made["region"] = work.take("region", _by_country(region, country, place.read_region))
    work.made["postal_code"] = work.take("postal_code", _by_country(postal, country, place.read_postal_code))
    somewhere = pc.or_(pc.is_valid(work.made["postal_code"]), pc.is_valid(work.made["city"]))
    somewhere = pc.or_(somewhere, pc.is_valid(made.street))
    work.made["country"] = pc.if_else(somewhere, country, named)
    return country


def _by_country(
    texts: pa.Array, country: pa.Array, read: Callable[[str, str], tuple[str | None, ValueReason | None]]
) -> Values:
    text, of, position = with_group(texts, country)
    pairs = [read(t, c) for t, c in zip(text.to_pylist(), of.to_pylist(), strict=True)]
    values = Values(pa.array([p[0] for p in pairs], pa.string()), pa.array([p[1] for p in pairs], pa.string()))
    return spread(values, position)


def _contacts(work: _Work, country: pa.Array) -> None:
    texts, rows = _flat(work.column("email"), r"[,;|\s]+", "@.*@")
    values = _without_blocked(work, "email", read_emails(texts))
    _give_list(work, "emails", work.take("email", values, rows), rows)
    texts, rows = _flat(work.column("phone"), r"[;|]", r"[;|]")
    values = _without_blocked(work, "phone", read_phones(texts, country.take(pa.array(rows))))
    _give_list(work, "phones", work.take("phone", values, rows), rows)


def _without_blocked(work: _Work, column: str, values: Values) -> Values:
    """Refuse what the programme blocks, in whatever notation it is written there."""
    if not work.settings.blocked:
        return values
    texts = pa.array(work.settings.blocked, pa.string())
    if column == "email":
        found = read_emails(texts).values
    elif column == "phone":
        regions = {work.settings.country.upper(), *(c.upper() for c in work.settings.country_by_system.values())}
        found = pa.array([read_phone(t, r)[0] for t in work.settings.blocked for r in sorted(regions)], pa.string())
    else:
        found = pa.concat_arrays([read_numbers(texts).values, texts])
    return refuse(values, pc.is_in(values.values, value_set=found.drop_null()), ValueReason.BLOCKED_VALUE)


def _flat(lists: pa.Array, split: str, several: str) -> tuple[pa.Array, NDArray[np.int64]]:
    """Return the values of lists with the row of each; a text that holds several is several."""
    texts, rows = _flatten(lists)
    if pc.any(pc.match_substring_regex(texts, several)).as_py():
        parts = pc.split_pattern_regex(texts, split)
        many = pc.match_substring_regex(texts, several)
        lone = pa.ListArray.from_arrays(pa.array(np.arange(len(texts) + 1, dtype=np.int32)), texts)
        texts, inner = _flatten(pc.if_else(many, parts, lone))
        rows = rows[inner]
        kept = pc.not_equal(pc.utf8_trim_whitespace(texts), "").to_numpy(zero_copy_only=False)
        texts, rows = texts.filter(pa.array(kept)), rows[kept]
    return texts, rows


def _flatten(lists: pa.Array) -> tuple[pa.Array, NDArray[np.int64]]:
    if pa.types.is_string(lists.type):
        at = np.flatnonzero(lists.is_valid().to_numpy(zero_copy_only=False))
        return lists.drop_null(), at
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    texts = lists.flatten()
    rows = np.repeat(np.arange(len(lists)), lengths)
    if texts.null_count:
        kept = texts.is_valid()
        return texts.filter(kept), rows[kept.to_numpy(zero_copy_only=False)]
    return texts, rows


def _give_list(work: _Work, column: str, values: pa.Array, rows: NDArray[np.int64]) -> None:
    """Make a column of lists of values that are not null, each once, in the order held."""
    work.made[column] = _lists(values, rows, work.people.num_rows)
    if column == "emails":
        work.made["email_keys"] = _lists(mailboxes(values), rows, work.people.num_rows)


def _lists(values: pa.Array, rows: NDArray[np.int64], n: int) -> pa.Array:
    there = values.is_valid().to_numpy(zero_copy_only=False)
    values, rows = values.filter(pa.array(there)), rows[there]
    counts = np.bincount(rows, minlength=n)
    if len(counts) and counts.max() > 1:
        encoded = values.dictionary_encode()
        codes = rows * max(len(encoded.dictionary), 1) + encoded.indices.to_numpy(zero_copy_only=False)
        first = np.sort(np.unique(codes, return_index=True)[1])
        values, rows = values.take(pa.array(first)), rows[first]
        counts = np.bincount(rows, minlength=n)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
    kind = pa.list_(pa.field("item", pa.string(), nullable=False))
    return pa.ListArray.from_arrays(pa.array(offsets), values, type=kind)


def _days(work: _Work, country: pa.Array) -> None:
    settings = work.settings
    said = {s: settings.day_first_by_system.get(s, settings.day_first) for s in _systems(work)}
    system = one_array(work.people["system"]).dictionary_encode()
    by_system = pa.array([said[s] for s in system.dictionary.to_pylist()], pa.bool_())
    read = read_days(work.column("birth_date"), country, by_system.take(system.indices), settings.as_of)
    work.made["birth_date"] = pc.cast(work.take("birth_date", read), pa.date32())


def _systems(work: _Work) -> list[str]:
    return pc.unique(one_array(work.people["system"])).to_pylist()


def _ids(work: _Work) -> None:
    for column in ("person_number", "tax_number"):
        work.made[column] = work.take(column, _without_blocked(work, column, read_numbers(work.column(column))))
    for column, read in (("card_number", read_numbers), ("device_id", read_references)):
        texts, rows = _flatten(work.column(column))
        values = _without_blocked(work, column, read(texts))
        _give_list(work, _LISTS[column], work.take(column, values, rows), rows)
    for column in ("household_id", "account_id"):
        work.made[column] = work.take(column, read_references(work.column(column)))


def _organisations(work: _Work) -> None:
    values, forms = read_organisations(work.column("organisation"))
    work.made["organisation"] = work.take("organisation", values)
    work.made["legal_form"] = forms
    work.made["website"] = work.take("website", read_websites(work.column("website")))
    title = fold_all(work.column("job_title"))
    work.made["job_title"] = read_distinct(title, lambda t: (None if is_no_value(t) else fold(t), None)).values


def _drop_frequent(work: _Work) -> None:
    """Refuse values that so many people share that they identify none of them."""
    names = name_codes(work.made["given_name"], work.made["surname"])
    people = work.settings.people_per_value
    for column, into in _LISTS.items():
        texts, rows = _flatten(work.made[into])
        too_many = frequent_values(texts, rows, names, people)
        if len(too_many):
            values = refuse(
                Values(texts, nothing(len(texts))), pc.is_in(texts, value_set=too_many), ValueReason.OVER_FREQUENT
            )
            _give_list(work, into, work.take(column, values, rows), rows)
    number = work.made["person_number"]
    too_many = frequent_values(number, np.arange(len(number)), names, people)
    if len(too_many):
        values = refuse(
            Values(number, nothing(len(number))), pc.is_in(number, value_set=too_many), ValueReason.OVER_FREQUENT
        )
        work.made["person_number"] = work.take("person_number", values)
    _drop_crowded_days(work, names)


def _drop_crowded_days(work: _Work, names: NDArray[np.int64]) -> None:
    days = work.made["birth_date"]
    there = days.is_valid().to_numpy(zero_copy_only=False) & (names >= 0)
    numbers = pc.cast(days, pa.int32()).fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    crowded = crowded_days(numbers[there], names[there])
    if len(crowded):
        text = pc.cast(days, pa.string())
        hit = pa.array(np.isin(numbers, crowded))
        values = refuse(Values(text, nothing(len(text))), hit, ValueReason.OVER_FREQUENT)
        work.made["birth_date"] = pc.cast(work.take("birth_date", values), pa.date32())


def _refused(work: _Work) -> pa.Array:
    """Return for each record the reasons of what was refused, as `column:REASON`, in order."""
    n = work.people.num_rows
    if not work.refused:
        return _lists(nothing(0), np.zeros(0, dtype=np.int64), n)
    texts = [
        pc.binary_join_element_wise(pa.scalar(column), reasons, ":").combine_chunks()
        if isinstance(reasons, pa.ChunkedArray)
        else pc.binary_join_element_wise(pa.scalar(column), reasons, ":")
        for _, column, reasons in work.refused
    ]
    rows = np.concatenate([at for at, _, _ in work.refused])
    order = np.argsort(rows, kind="stable")
    return _lists(pa.concat_arrays(texts).take(pa.array(order)), rows[order], n)
