"""Which value of a trait survives, how far it is believed, and why."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rapport.core.people import STANDARD
from rapport.core.profiles import ANSWERED, CORRECTED, OBSERVATIONS
from rapport.identify.observations import age_bands, observations_of, profile_table, shown_address
from rapport.identify.outdated import find_outdated, observations_to_delete, plan_outdated
from rapport.identify.profile import Survival, profile_lines, sentence, survive

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RULE = Survival(trust={"crm": 0.8, "shop": 0.4, "web": 0.4}, half_life_days={"city": 365})


def seen(
    value: str | None,
    source: str = "crm",
    days: float | None = 0,
    field: str = "city",
    who: str = "C1",
    sure: float = 1.0,
) -> dict[str, Any]:
    at = None if days is None else NOW - timedelta(days=days)
    return {
        "customer_id": who,
        "record_key": 1,
        "field": field,
        "value": value,
        "source": source,
        "at": at,
        "confidence": sure,
    }


def rows_of(*said: dict[str, Any], rule: Survival = RULE) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = survive(pa.Table.from_pylist(list(said), OBSERVATIONS), rule, NOW).table.to_pylist()
    return rows


def test_belief_is_trust_times_confidence_halved_by_every_half_life() -> None:
    (row,) = rows_of(seen("Graz", days=730, sure=0.5))
    assert row["belief"] == pytest.approx(0.8 * 0.5 * 0.25)
    assert (row["value"], row["why"], row["lost"]) == ("Graz", "ONLY", [])


def test_the_value_believed_more_survives_and_the_other_is_kept_beside_it() -> None:
    (row,) = rows_of(seen("Graz", days=365), seen("Linz", "shop"), seen("Wien", "shop", 365))
    assert (row["value"], row["why"]) == ("Linz", "FRESHEST")
    assert [(o["value"], o["source"]) for o in row["lost"]] == [("Graz", "crm"), ("Wien", "shop")]
    assert [o["belief"] for o in row["lost"]] == pytest.approx([0.4, 0.2])


def test_two_sources_that_agree_are_believed_as_that_at_least_one_is_right() -> None:
    (row,) = rows_of(seen("Linz", "shop"), seen("Linz", "web"), seen("Graz", "crm", 200))
    # 1 - 0.6 x 0.6 against 0.8 x 2 ** (-200 / 365).
    assert row["belief"] == pytest.approx(0.64)
    assert (row["value"], row["sources"], row["why"]) == ("Linz", 2, "BELIEF")
    assert row["lost"][0]["belief"] == pytest.approx(0.8 * 2 ** (-200 / 365))


def test_one_source_that_repeats_itself_counts_once() -> None:
    (row,) = rows_of(seen("Linz", "shop"), seen("Linz", "shop"), seen("Linz", "shop", 10))
    assert (row["belief"], row["sources"]) == (pytest.approx(0.4), 1)


def test_an_answer_beats_what_is_imported_and_a_correction_beats_all() -> None:
    imported = [seen("Graz", "crm"), seen("Graz", "shop"), seen("Graz", "web")]
    answered = seen("Linz", ANSWERED, 300)
    assert [(r["value"], r["why"]) for r in rows_of(*imported, answered)] == [("Linz", "ANSWERED")]
    corrected = seen("Wels", CORRECTED, 400)
    assert [(r["value"], r["why"]) for r in rows_of(*imported, answered, corrected)] == [("Wels", "CORRECTED")]


def test_an_answer_too_old_to_be_believed_competes_like_the_rest() -> None:
    (row,) = rows_of(seen("Graz", "crm"), seen("Linz", ANSWERED, 3 * 365))
    assert (row["value"], row["why"]) == ("Graz", "BELIEF")


def test_the_last_answer_stands_though_a_system_agrees_with_an_earlier_one() -> None:
    (row,) = rows_of(seen("Linz", ANSWERED, 100), seen("Linz", "crm", 0), seen("Graz", ANSWERED, 10))
    assert (row["value"], row["why"]) == ("Graz", "ANSWERED")


def test_the_declared_order_decides() -> None:
    said = (seen("Graz", "crm", 30), seen("Linz", ANSWERED, 60), seen("Wels", "shop", 1))
    order = Survival(trust=RULE.trust, order=("freshest",))
    assert [(r["value"], r["why"]) for r in rows_of(*said, rule=order)] == [("Wels", "FRESHEST")]


def test_what_nothing_tells_apart_falls_to_the_alphabet() -> None:
    (row,) = rows_of(seen("Wels", "web"), seen("Linz", "shop"))
    assert (row["value"], row["why"]) == ("Linz", "TIE")


def test_nothing_later_than_the_day_is_read_and_nothing_is_lost_uncounted() -> None:
    said = [seen("Graz", days=10), seen("Linz", days=-1), seen("", days=3), seen(None)]
    found = survive(pa.Table.from_pylist(said, OBSERVATIONS), RULE, NOW)
    assert (found.later, found.empty) == (1, 2)
    assert found.table["value"].to_pylist() == ["Graz"]


def test_a_value_of_unknown_time_counts_as_one_half_life_old() -> None:
    (row,) = rows_of(seen("Graz", days=None))
    assert (row["belief"], row["at"]) == (pytest.approx(0.4), None)


def test_without_observations_there_is_no_profile() -> None:
    assert len(survive(OBSERVATIONS.empty_table(), RULE, NOW).table) == 0


SAID = st.lists(
    st.builds(
        seen,
        st.sampled_from(["Graz", "Linz", "Wels", ""]),
        st.sampled_from(["crm", "shop", "web", ANSWERED, CORRECTED]),
        st.sampled_from([None, -5, 0, 30, 365, 2000]),
        st.sampled_from(["city", "surname"]),
        st.sampled_from(["C1", "C2"]),
        st.sampled_from([0.0, 0.5, 1.0]),
    ),
    max_size=12,
)


@given(SAID, st.randoms())
def test_the_order_of_rows_and_other_customers_change_nothing(said: list[dict[str, Any]], chance: Any) -> None:
    told = rows_of(*said)
    mixed = list(said)
    chance.shuffle(mixed)
    assert rows_of(*mixed) == told
    assert rows_of(*[s for s in said if s["customer_id"] == "C1"]) == [r for r in told if r["customer_id"] == "C1"]


@given(SAID)
def test_the_survivor_is_one_of_the_values_and_all_others_are_kept(said: list[dict[str, Any]]) -> None:
    for row in rows_of(*said):
        known = {
            s["value"]
            for s in said
            if s["customer_id"] == row["customer_id"]
            and s["field"] == row["field"]
            and s["value"]
            and (s["at"] is None or s["at"] <= NOW)
        }
        assert {row["value"], *(o["value"] for o in row["lost"])} == known
        assert 0.0 <= row["belief"] <= 1.0


def test_the_text_says_value_source_time_belief_why_and_what_lost() -> None:
    (row,) = rows_of(seen("Graz", "crm", 30), seen("Linz", "shop", 365))
    assert sentence(row) == "It is believed more: 0.76 against 0.20 for 'Linz' of shop."
    assert profile_lines([row]) == [
        "city: Graz  [crm, 2025-12-02, belief 0.76] It is believed more: 0.76 against 0.20 for 'Linz' of shop.",
        "  lost: Linz  [shop, 2025-01-01, belief 0.20]",
    ]


def standard(**values: Any) -> dict[str, Any]:
    lists = {f.name: [] for f in STANDARD if pa.types.is_list(f.type)}
    return {"system": "crm", "record_id": "1", "kind": "person", "updated_at": NOW, **lists, **values}


def test_records_become_one_row_a_customer_with_addresses_kept_whole() -> None:
    records = pa.Table.from_pylist(
        [
            standard(record_key=1, surname="huber", street="main street", house_number="5", country="AT"),
            standard(record_key=2, system="shop", city="linz", postal_code="4020", emails=["a@x.at", "b@x.at"]),
            standard(record_key=3, country="AT", birth_date=date(1990, 1, 2)),
            standard(record_key=4, kind="organisation", organisation="acme"),
            standard(record_key=5, surname="nobody"),
        ],
        STANDARD,
    ).append_column("hobby", pa.array(["chess", None, None, None, None]))
    who = pa.table({"record_key": [1, 2, 3], "customer_id": ["C1", "C1", "C2"]})
    said = observations_of(records, who, ["hobby"])
    wide = profile_table(survive(said, RULE, NOW).table, NOW.date(), ["hobby"]).to_pylist()
    assert [r["customer_id"] for r in wide] == ["C1", "C2"]
    told = {k: v for k, v in wide[0].items() if v is not None}
    # The address of the more trusted system stands whole: no town of the other one is mixed in.
    assert told == {
        "customer_id": "C1",
        "surname": "huber",
        "email": "a@x.at",
        "house_number": "5",
        "street": "main street",
        "country": "AT",
        "hobby": "chess",
    }
    assert {k: v for k, v in wide[1].items() if v is not None} == {
        "customer_id": "C2",
        "birth_date": date(1990, 1, 2),
        "age_band": "35-44",
    }
    address = next(o["value"] for o in said.to_pylist() if o["field"] == "address")
    assert shown_address(address) == "5 main street, AT"


def test_age_bands_are_of_completed_years() -> None:
    born = [date(2008, 1, 1), date(2008, 1, 2), date(1961, 1, 1), date(2027, 1, 1), date(1800, 1, 1), None]
    assert age_bands(pa.array(born, pa.date32()), NOW.date()).to_pylist() == [
        "18-24",
        "under 18",
        "65 and over",
        None,
        None,
        None,
    ]


def test_the_outdated_are_listed_and_asked_or_deleted_by_policy() -> None:
    said = pa.Table.from_pylist(
        [
            seen("Graz", days=900),
            seen("Linz", "shop", 900),
            seen("Huber", days=3000, field="surname"),
            seen("new", days=-2, field="surname"),
            seen("Wien", who="C2"),
        ],
        OBSERVATIONS,
    )
    old = find_outdated(survive(said, RULE, NOW).table, 0.25)
    assert [(r["customer_id"], r["field"]) for r in old.to_pylist()] == [("C1", "surname"), ("C1", "city")]
    asked = plan_outdated(old, "ask", ["city"])
    assert asked.counts() == {"asked": {"city": 1}, "kept": {}, "unaskable": {"surname": 1}, "deleted": {}}
    assert plan_outdated(old, "keep", ["city"]).counts()["kept"] == {"city": 1, "surname": 1}
    gone = observations_to_delete(said, plan_outdated(old, "delete", []), NOW)
    assert sorted(gone["value"].to_pylist()) == ["Graz", "Huber", "Linz"]
