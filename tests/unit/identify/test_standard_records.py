"""Whole records in standard form: every column by its kind, the original untouched, the same again."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pytest

from person_records import febrl, people
from rapport.core.people import STANDARD
from rapport.identify.standard import StandardSettings, as_people, standardise

AS_OF = date(2026, 11, 28)
AU = StandardSettings(country="AU", as_of=AS_OF)


def _one(**record: object) -> dict[str, object]:
    settings = StandardSettings(country="GB", as_of=AS_OF)
    return standardise(people(record), settings).to_pylist()[0]


def test_a_whole_record_takes_its_standard_form() -> None:
    found = _one(
        full_name="VAN DER BERG, Dr. Jan", birth_date="17.08.1945", email=["Jan.Berg+news@Gmail.com"],
        phone=["020 7946 0958"], address="Flat 4, 12 High Street, London SW1A1AA, United Kingdom", gender="Herr",
        organisation="Berg & Sons Ltd.", website="https://www.berg.co.uk/contact", card_number=["12-94 567 890"],
    )  # fmt: skip
    assert {k: found[k] for k in ("given_name", "surname", "gender")} == {
        "given_name": "jan", "surname": "van der berg", "gender": "m",
    }  # fmt: skip
    assert found["birth_date"] == date(1945, 8, 17)
    assert (found["emails"], found["email_keys"]) == (["jan.berg+news@gmail.com"], ["janberg@gmail.com"])
    assert found["phones"] == ["+442079460958"]
    address = [found[k] for k in ("house_number", "street", "unit", "city", "postal_code", "country")]
    assert address == ["12", "high st", "4", "london", "SW1A 1AA", "GB"]
    assert (found["organisation"], found["legal_form"], found["website"]) == ("berg and sons", "ltd", "berg.co.uk")
    assert found["card_numbers"] == ["1294567890"]


def test_the_original_is_not_touched() -> None:
    records = people({"full_name": "Dr. Jan Berg", "email": ["A@B.org"], "updated_at": None})
    before = records.to_pylist()
    standardise(records, AU)
    assert records.to_pylist() == before


def test_traits_of_a_system_are_passed_over() -> None:
    records = people({"surname": "Berg"}).append_column("favourite", pa.array(["tea"]))
    assert standardise(records, AU).schema == STANDARD


@pytest.mark.parametrize("name", ["dataset1", "dataset2", "dataset3", "dataset4a", "dataset4b"])
def test_standardising_febrl_again_changes_nothing(name: str) -> None:
    once = standardise(people(*febrl(name)), AU)
    again = standardise(as_people(once), AU)
    assert again.drop_columns(["refused"]).equals(once.drop_columns(["refused"]))


def test_no_record_gives_no_record() -> None:
    assert standardise(people(), AU).equals(pa.Table.from_pylist([], schema=STANDARD))
