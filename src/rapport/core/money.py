"""Money as whole micros of a currency: one unit is 1,000,000 micros.

Why it exists: sums of integers do not depend on their order, so totals and comparisons are the same on
every engine, in every chunk. No exchange rates and no formatting for a locale may enter.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

MICROS = 1_000_000


def to_micros(amount: float) -> int:
    """Return an amount in currency units as whole micros, halves to even."""
    return round(amount * MICROS)


def round_micros(amounts: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return micros held as floats as whole micros, halves to even; shape is kept."""
    return np.rint(amounts).astype(np.int64)


def show_money(micros: int | float, currency: str, digits: int = 2) -> str:
    """Return micros as text such as ``USD 1,234.50`` (minus sign in front of the number)."""
    return f"{currency} {micros / MICROS:,.{digits}f}"
