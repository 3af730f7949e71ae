"""Write figures as text: money, shares, counts, intervals.

Why it exists: one number looks the same wherever the page shows it, and the interval always stands beside it.
No locale of the machine may enter.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from rapport.core.money import MICROS
from rapport.reports.facts import Figure

_MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Shown:
    """A figure as text: the number, its interval or the reason for none, and whether it is assumed."""

    number: str
    interval: str
    missing: str
    assumed: bool


@dataclass(frozen=True)
class KeyFigure:
    """One figure of the summary, with its tiers beside it."""

    label: str
    shown: Shown | None
    meaning: str
    tiers: tuple[tuple[str, Shown], ...] = field(default=())


def show_number(value: float, unit: str, currency: str, digits: int | None = None) -> str:
    """Return a number in its unit as text; money in micros, shares as percentages.

    Parameters
    ----------
    value : float
    unit : str
        ``money``, ``share``, ``count``, ``number`` or a word that follows the number.
    currency : str
        ISO 4217 code, put in front of money.
    digits : int, optional
        Decimals; chosen by the size of the number when absent.
    """
    text = _plain(_scaled(value, unit), _digits((value,), unit) if digits is None else digits)
    if unit == "money":
        return f"{currency}\N{NO-BREAK SPACE}{text}"
    if unit == "share":
        return f"{text}\N{NARROW NO-BREAK SPACE}%"
    return text if unit in ("number", "count") else f"{text}\N{NO-BREAK SPACE}{unit}"


def _scaled(value: float, unit: str) -> float:
    return value / MICROS if unit == "money" else value * 100 if unit == "share" else value


def _digits(values: tuple[float, ...], unit: str) -> int:
    """Return the decimals that suit the largest of some numbers, the same for a number and its interval."""
    largest = max(abs(_scaled(v, unit)) for v in values)
    if unit == "count" or all(float(_scaled(v, unit)).is_integer() for v in values):
        return 0
    if unit == "money":
        return 0 if largest >= 1000 else 2 if largest >= 0.1 or largest < 0.00005 else 4
    if unit == "share":
        return 1 if largest >= 1 else 2
    return 0 if largest >= 1000 else 1 if largest >= 100 else 2 if largest >= 1 else 3


def _plain(value: float, digits: int) -> str:
    text = f"{value:,.{digits}f}"
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("-")
    return text.replace("-", _MINUS)


def show_figure(figure: Figure, currency: str) -> Shown:
    """Return a figure as text with its interval, or the reason why it has none."""
    said = tuple(v for v in (figure.value, figure.low, figure.high) if v is not None)
    digits = _digits(said, figure.unit) if said else 0
    number, interval, missing = "not known", "", ""
    if figure.value is not None:
        number = show_number(figure.value, figure.unit, currency, digits)
    if figure.low is not None and figure.high is not None:
        low, high = (_plain(_scaled(end, figure.unit), digits) for end in (figure.low, figure.high))
        percent = "\N{NARROW NO-BREAK SPACE}%" if figure.unit == "share" else ""
        interval = f"{low} to {high}{percent} ({figure.interval})"
    else:
        missing = figure.note
    return Shown(number, interval, missing, figure.basis == "assumed")


def add_up(figures: tuple[Figure, ...]) -> Figure:
    """Return the sum of figures of one unit.

    The ends of their intervals are added too: right where they belong to the same case, such as the low end
    of an assumed lift, in every figure. Do not add intervals of estimates that err independently.
    """
    values = [f.value for f in figures]
    lows, highs = [f.low for f in figures], [f.high for f in figures]
    whole = bool(figures) and None not in values
    with_ends = whole and None not in lows
    first = figures[0] if figures else Figure(None, note="no tiers")
    return Figure(
        value=sum(v for v in values if v is not None) if whole else None,
        low=sum(v for v in lows if v is not None) if with_ends else None,
        high=sum(v for v in highs if v is not None) if with_ends else None,
        unit=first.unit,
        basis="assumed" if any(f.basis == "assumed" for f in figures) else "measured",
        note=next((f.note for f in figures if f.note), "" if with_ends else "a tier has no interval"),
        interval=first.interval,
    )
