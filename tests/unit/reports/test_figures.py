from __future__ import annotations

import pytest

from rapport.reports.facts import Figure, counted
from rapport.reports.figures import Shown, add_up, show_figure, show_number

NB, NNB = "\N{NO-BREAK SPACE}", "\N{NARROW NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1_234_500_000, "money", f"USD{NB}1,234"),
        (-400_000, "money", f"USD{NB}\N{MINUS SIGN}0.40"),
        (-0.4, "money", f"USD{NB}0.00"),
        (0.6321, "share", f"63.2{NNB}%"),
        (0.0042, "share", f"0.42{NNB}%"),
        (1.0, "share", f"100{NNB}%"),
        (2469, "count", "2,469"),
        (4.1234, "hits", f"4.12{NB}hits"),
        (0.3121, "number", "0.312"),
    ],
)
def test_a_number_is_shown_in_its_unit(value: float, unit: str, text: str) -> None:
    assert show_number(value, unit, "USD") == text


def test_an_interval_has_the_decimals_of_its_number() -> None:
    shown = show_figure(Figure(1_204e6, 310e6, 2_421e6, unit="money", interval="range"), "USD")
    assert shown == Shown(f"USD{NB}1,204", "310 to 2,421 (range)", "", False)


def test_a_figure_without_an_interval_says_why() -> None:
    assert show_figure(counted(3), "USD").missing == "counted"
    with pytest.raises(ValueError, match="must say why"):
        Figure(3.0)
    with pytest.raises(ValueError, match="must say why"):
        Figure(None, 1.0, 2.0)


def test_half_an_interval_is_refused() -> None:
    with pytest.raises(ValueError, match="both or neither"):
        Figure(3.0, 1.0)


def test_a_sum_is_assumed_where_one_part_is_and_has_no_interval_where_one_part_has_none() -> None:
    a = Figure(1.0, 0.5, 2.0, unit="money", basis="assumed", interval="range")
    b = Figure(10.0, 5.0, 20.0, unit="money", interval="range")
    assert add_up((a, b)) == Figure(11.0, 5.5, 22.0, unit="money", basis="assumed", interval="range")
    lone = add_up((b, Figure(1.0, unit="money", note="too few")))
    assert (lone.value, lone.low, lone.high, lone.note) == (11.0, None, None, "too few")
    assert add_up((b, Figure(None, unit="money", note="too few"))).value is None
    assert add_up(()).value is None
