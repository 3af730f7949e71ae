import numpy as np
import pytest

from rapport.core.money import round_micros, show_money, to_micros


@pytest.mark.parametrize(
    ("amount", "micros"), [(1.0, 1_000_000), (0.004, 4_000), (-2.5, -2_500_000), (0.0000005, 0), (0.0000015, 2)]
)
def test_amounts_become_whole_micros_halves_to_even(amount: float, micros: int) -> None:
    assert to_micros(amount) == micros


def test_floats_are_rounded_halves_to_even() -> None:
    assert round_micros(np.array([0.5, 1.5, 2.5, -0.5, -1.5])).tolist() == [0, 2, 2, 0, -2]


def test_money_is_shown_with_its_currency() -> None:
    assert show_money(-1_234_500_000, "USD") == "USD -1,234.50"
    assert show_money(4_000, "EUR", digits=3) == "EUR 0.004"
