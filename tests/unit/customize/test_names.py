from __future__ import annotations

from datetime import date

import pytest

from rapport.customize.names import readable_name, show_day, show_percent


@pytest.mark.parametrize(
    ("shouted", "readable"),
    [
        ("SOFT DRINKS 12/18&15PK CAN CAR", "Soft drinks 12/18&15pk can car"),
        ("HAMBURGER BUNS", "Hamburger buns"),
        ("BREAD - TOPPINGS &SEASONINGS", "Bread - toppings & seasonings"),
        ("MENS /BOYS  SOCKS", "Mens /boys socks"),
        ("VEG JUICE (EXCEPT TOMATO) (50%", "Veg juice (except tomato)"),
        ("SOFT DRINKS SINGLE CANS CARB (", "Soft drinks single cans carb"),
        ("BBQ SAUCE", "BBQ sauce"),
        ("(PARTY) TRAYS", "(Party) trays"),
        ("2% MILK", "2% milk"),
        ("ÖLE UND ESSIG", "Öle und essig"),
        ("Crème fraîche, USA", "Crème fraîche, USA"),
        ("iPhone\ncase", "iPhone case"),
        ("(", "("),
        ("", ""),
    ],
)
def test_a_shouting_name_becomes_a_sentence_and_a_written_one_stays(shouted: str, readable: str) -> None:
    assert readable_name(shouted) == readable


@pytest.mark.parametrize(("share", "text"), [(0.2, "20"), (0.125, "12.5"), (0.07, "7"), (0.29, "29")])
def test_a_share_is_shown_without_noise(share: float, text: str) -> None:
    assert show_percent(share) == text


def test_a_day_is_shown_in_words_of_no_locale() -> None:
    assert show_day(date(2017, 3, 5)) == "5 March 2017"
