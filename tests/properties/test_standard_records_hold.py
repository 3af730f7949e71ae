"""What holds for any record: standardising twice changes nothing, alone or among others, fast or by the library."""

from __future__ import annotations

from datetime import date
from typing import Any

import phonenumbers
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nameparser import HumanName

from person_records import people
from rapport.core.people import PERSON_COLUMNS
from rapport.identify.fold import fold, fold_all
from rapport.identify.standard import StandardSettings, as_people, standardise
from rapport.identify.standard_address import read_streets
from rapport.identify.standard_email import mailbox, mailboxes, read_email, read_emails
from rapport.identify.standard_id import read_number, read_numbers, read_reference, read_references
from rapport.identify.standard_name import read_full_names, read_name_part, read_part
from rapport.identify.standard_phone import read_phone, read_phones
from rapport.identify.standard_place import read_country, read_postal_code, read_region
from rapport.identify.standard_values import words

COUNTRIES = ["US", "GB", "DE", "FR", "AU", "CA", "NL", "IT", "BR", "IN", "JP", "AR", "MX", "SE", "PT"]
ALONE = StandardSettings(country="US", as_of=date(2026, 11, 28), people_per_value=0)

_ANY = st.text(max_size=25).map(lambda t: t.replace("\x00", "").strip()).filter(bool)
_WORDS = st.sampled_from(
    sorted(
        words(
            "Main High Straße Hauptstr. St Street Ave N West Unit Flat Apt # 12 12a 4/12 7-9 c/o , . No. 5 Haus "
            "Saint Müller "
            "O'Brien van der de la Cruz Smith Jr. Dr. Prof. und PO Box Postfach 1 1st Rd Łódź Иван 山田 null n/a "
            "test -"
        )
    )
)
_PHRASES = st.lists(_WORDS, min_size=1, max_size=6).map(" ".join)
_TEXTS = _ANY | _PHRASES
_PHONES = st.from_regex(
    r"\A(\+|00|0|1|\+44|\+49 \(0\)|\+1)? ?\(?[0-9]{2,4}\)?[ -]?[0-9]{3,4}[ -]?[0-9]{0,5}( x[0-9]{2})?\Z"
)
_EMAILS = st.from_regex(r"\A[A-Za-z.+_-]{1,8}@(gmail|yahoo|Proton|bücher|test|x\.co)\.(com|de|me|org)\Z")
_DAYS = st.from_regex(r"\A[0-9]{1,4}[-./ ]?[0-9]{1,2}[-./ ]?[0-9]{1,4}\Z")
_BY_KIND = {"email": _EMAILS | _TEXTS, "phone": _PHONES | _TEXTS, "day": _DAYS | _TEXTS, "id": _TEXTS | _DAYS}


@st.composite
def records(draw: st.DrawFn) -> dict[str, Any]:
    record: dict[str, Any] = {"country": draw(st.none() | st.sampled_from([*COUNTRIES, "Germany", "UK", "??"]))}
    for column in PERSON_COLUMNS:
        if column.name not in {"record_id", "country", "updated_at"} and draw(st.booleans()):
            values = _BY_KIND.get(column.kind, _TEXTS)
            record[column.name] = draw(st.lists(values, max_size=3) if column.several else values)
    return record


@settings(max_examples=60, deadline=None)
@given(st.lists(records(), min_size=1, max_size=4))
def test_standardising_again_changes_nothing(held: list[dict[str, Any]]) -> None:
    once = standardise(people(*held), ALONE)
    again = standardise(as_people(once), ALONE)
    assert again.drop_columns(["refused"]).to_pylist() == once.drop_columns(["refused"]).to_pylist()


@settings(max_examples=20, deadline=None)
@given(st.lists(records(), min_size=2, max_size=6))
def test_a_record_alone_is_as_among_others(held: list[dict[str, Any]]) -> None:
    together = standardise(people(*held), ALONE).to_pylist()
    alone = [standardise(people({**r, "record_id": f"r{n}"}), ALONE).to_pylist()[0] for n, r in enumerate(held)]
    assert alone == together


@settings(max_examples=60, deadline=None)
@given(st.lists(_TEXTS, min_size=1, max_size=20))
def test_arrays_give_what_single_values_give(texts: list[str]) -> None:
    column = pa.array(texts)
    assert fold_all(column).to_pylist() == [fold(t) or None for t in texts]
    for arrays, single in (
        (read_part, read_name_part),
        (read_numbers, read_number),
        (read_references, read_reference),
    ):
        found = arrays(column)
        assert list(zip(found.values.to_pylist(), found.reasons.to_pylist(), strict=True)) == [
            single(t) for t in texts
        ]


@settings(max_examples=60, deadline=None)
@given(st.lists(_EMAILS | _ANY, min_size=1, max_size=20))
def test_addresses_by_array_are_those_of_the_library(texts: list[str]) -> None:
    found = read_emails(pa.array(texts))
    assert list(zip(found.values.to_pylist(), found.reasons.to_pylist(), strict=True)) == [
        read_email(t) for t in texts
    ]
    kept = found.values.drop_null()
    assert mailboxes(kept).to_pylist() == [mailbox(a) for a in kept.to_pylist()]


@pytest.mark.parametrize("country", COUNTRIES)
@settings(max_examples=4, deadline=None)
@given(texts=st.lists(_PHONES, min_size=50, max_size=60))
def test_phones_by_array_are_those_of_the_library(country: str, texts: list[str]) -> None:
    found = read_phones(pa.array(texts), pa.array([country] * len(texts)))
    expected = [read_phone(t, country) for t in texts]
    assert list(zip(found.values.to_pylist(), found.reasons.to_pylist(), strict=True)) == expected


def test_example_numbers_of_every_country_are_read_as_the_library_reads_them() -> None:
    for country in sorted(phonenumbers.SUPPORTED_REGIONS):
        texts, expected = [], []
        for kind in range(11):
            number = phonenumbers.example_number_for_type(country, kind)
            if number is not None:
                for form in (0, 1, 2):
                    texts.append(phonenumbers.format_number(number, form))
                    expected.append(read_phone(texts[-1], country)[0])
        texts, expected = texts * 9, expected * 9
        assert read_phones(pa.array(texts), pa.array([country] * len(texts))).values.to_pylist() == expected


_PLAIN_NAMES = st.lists(
    st.sampled_from(sorted(words("John Mary Smith van der De La Jr Dr Mr Miller Ann PhD II Ma Do Abu Bin Y And "
    "King Lee Esq Prof"))),
    min_size=1, max_size=4,
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(_PLAIN_NAMES, st.booleans())
def test_whole_names_by_array_are_those_of_nameparser(parts: list[str], comma: bool) -> None:
    text = f"{parts[0]}, {' '.join(parts[1:])}" if comma and len(parts) > 1 else " ".join(parts)
    name = HumanName(text)
    found = read_full_names(pa.array([text]))
    surname = name.last or (None if name.first else text)
    assert [p[0].as_py() for p in found] == [name.first or None, name.middle or None, surname]


@settings(max_examples=60, deadline=None)
@given(_TEXTS, st.sampled_from(COUNTRIES))
def test_a_place_read_again_is_the_same(text: str, country: str) -> None:
    for read in (read_postal_code, read_region):
        once, _ = read(text, country)
        assert once is None or read(once, country) == (once, None)
    named, _ = read_country(text)
    assert named is None or read_country(named) == (named, None)


@settings(max_examples=60, deadline=None)
@given(st.none() | _TEXTS, _TEXTS, st.none() | _TEXTS, st.sampled_from(COUNTRIES))
def test_a_street_read_again_is_the_same(number: str | None, street: str, unit: str | None, country: str) -> None:
    held = [pa.array([t], pa.string()) for t in (number, street, unit)]
    once = read_streets(*held, pa.array([country]))
    again = read_streets(*once, pa.array([country]))
    assert [p.to_pylist() for p in again] == [p.to_pylist() for p in once]
