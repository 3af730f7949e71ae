"""What the decision is given besides the customer: catalogue, models, policy, prices. A few megabytes at most.

Why it exists: everything global is small and frozen, so any worker can hold it and a decision can be replayed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

SILENCE = "silence"
"""The treatment that says nothing; its value is 0."""


@dataclass(frozen=True)
class Catalogue:
    """The offers of a turn as arrays, each of shape (offers,), in the order of the scores.

    `category_index` numbers the categories from 0; offers of one category are similar.
    """

    offer_ids: tuple[str, ...]
    price_micros: NDArray[np.int64]
    margin_share: NDArray[np.float64]
    depth: NDArray[np.float64]
    category_index: NDArray[np.int32]

    @classmethod
    def from_table(cls, table: pa.Table) -> Catalogue:
        """Return the catalogue of a table with the schema `core.tables.CATALOGUE`, in its row order."""
        categories = [c or "" for c in table["category"].to_pylist()]
        numbers = {c: i for i, c in enumerate(sorted(set(categories)))}
        return cls(
            offer_ids=tuple(table["offer_id"].to_pylist()),
            price_micros=table["price_micros"].to_numpy(),
            margin_share=table["margin_share"].to_numpy(),
            depth=table["depth"].to_numpy(),
            category_index=np.array([numbers[c] for c in categories], dtype=np.int32),
        )


@dataclass(frozen=True)
class ChannelTerms:
    """One channel: `cost_micros` of a contact, `reach` in (0, 1], `capacity` in contacts of one turn."""

    name: str
    cost_micros: int
    reach: float
    capacity: int


@dataclass(frozen=True)
class Policy:
    """How the decision may act; the settings of the programme's policy, in micros and arrays.

    `level_cost_micros` is the extra cost of a mass, a segment, an individual portfolio. `salt` must differ between
    turns: it fixes every draw. `version` names the settings in the log.
    """

    portfolio_size: int
    variety: float
    exploration_share: float
    contacts: int
    channels: tuple[ChannelTerms, ...]
    level_cost_micros: tuple[int, int, int]
    salt: str
    version: str


@dataclass(frozen=True)
class CommonPortfolio:
    """One portfolio for many: indices of its offers and the weight that variety leaves each."""

    offers: NDArray[np.int32]
    weights: NDArray[np.float64]


@dataclass(frozen=True)
class Models:
    """What was learned, or is assumed, about response, and the portfolios of the levels below individual."""

    odds_ratio: float
    odds_ratio_low: float
    odds_ratio_high: float
    basis: str
    mass: CommonPortfolio
    segments: dict[str, CommonPortfolio]
    version: str


@dataclass(frozen=True)
class Prices:
    """What is shared reaches a customer only as this: the price of one contact in each channel, in micros.

    `explorable` says for each channel whether exploration may draw it: a channel that cannot hold even its share
    of exploration is not explored.
    """

    contact_micros: tuple[int, ...]
    explorable: tuple[bool, ...] = field(default=())

    @classmethod
    def free(cls, channels: int) -> Prices:
        """Return the prices of a world without limits."""
        return cls(contact_micros=(0,) * channels, explorable=(True,) * channels)
