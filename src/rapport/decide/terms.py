"""What the decision is given besides the customer: catalogue, models, policy, prices. A few megabytes at most.

Why it exists: everything global is small and frozen, so any worker can hold it and a decision can be replayed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.core.errors import OfferInvalid
from rapport.decide.plays import PlayTerms

SILENCE = "silence"
"""The treatment that says nothing; its value is 0."""


@dataclass(frozen=True)
class Steered:
    """What people lay upon the offers: levers, kinds and plays; `boost` and `kind` of shape (offers,)."""

    boost: NDArray[np.float64]
    kind: NDArray[np.int32]
    kind_most: NDArray[np.int32]
    plays: PlayTerms | None = None

    @classmethod
    def by_nothing(cls, offers: int) -> Steered:
        """Return no lever and no kind for so many offers."""
        return cls(np.zeros(offers), np.full(offers, -1, dtype=np.int32), np.zeros(0, dtype=np.int32))


@dataclass(frozen=True)
class Catalogue:
    """The offers of a turn as arrays, each of shape (offers,), in the order of the scores.

    `category_index` numbers the categories from 0; offers of one category are similar. `boost` is the share by which
    levers raise (or lower) an offer's value in the choice. `kind` numbers the kinds of which at most `kind_most` may
    stand in one portfolio, -1 for offers of none. `plays` are those of the turn, None where there are none.
    """

    offer_ids: tuple[str, ...]
    price_micros: NDArray[np.int64]
    margin_share: NDArray[np.float64]
    depth: NDArray[np.float64]
    category_index: NDArray[np.int32]
    boost: NDArray[np.float64]
    kind: NDArray[np.int32]
    kind_most: NDArray[np.int32]
    plays: PlayTerms | None = None

    @classmethod
    def from_table(cls, table: pa.Table, steered: Steered | None = None) -> Catalogue:
        """Return the catalogue of a table with the schema `core.tables.CATALOGUE`, in its row order.

        Raises
        ------
        OfferInvalid
            A price, margin or depth is missing or no finite number.
        """
        for name in ("price_micros", "margin_share", "depth"):
            told = table[name].to_numpy()
            if not np.isfinite(told).all():
                at = int(np.argmin(np.isfinite(told)))
                raise OfferInvalid(
                    f"offer {table['offer_id'][at].as_py()!r}: {name} is {told[at]}; must be a finite number. "
                    f"Mend the offer and score the turn again."
                )
        categories = [c or "" for c in table["category"].to_pylist()]
        numbers = {c: i for i, c in enumerate(sorted(set(categories)))}
        steered = steered or Steered.by_nothing(len(table))
        return cls(
            boost=steered.boost,
            kind=steered.kind,
            kind_most=steered.kind_most,
            plays=steered.plays,
            offer_ids=tuple(table["offer_id"].to_pylist()),
            price_micros=table["price_micros"].to_numpy(),
            margin_share=table["margin_share"].to_numpy(),
            depth=table["depth"].to_numpy(),
            category_index=np.array([numbers[c] for c in categories], dtype=np.int32),
        )


@dataclass(frozen=True)
class ChannelTerms:
    """One channel.

    `cost_micros` of a contact, `reach` in (0, 1], `minutes` a contact takes, `leaving` the chance in [0, 1] that a
    first contact makes a customer leave.
    """

    name: str
    cost_micros: int
    reach: float
    minutes: float = 0.0
    leaving: float = 0.0


@dataclass(frozen=True)
class SharedLimit:
    """One limit that customers share, by what it counts and whose use of it counts.

    counts : "contacts", "contact_cost", "minutes", "offers" or "giveaway"
    at_least : the bound is a minimum; else a maximum
    bound : pieces or minutes; micros for money
    channels : positions among the policy's channels
    offers : positions in the catalogue; None for all
    scope : position among the turn's scopes, the classes of customers that limits are about; None for everyone
    """

    name: str
    counts: str
    at_least: bool
    bound: float
    channels: tuple[int, ...]
    offers: tuple[int, ...] | None = None
    scope: int | None = None


@dataclass(frozen=True)
class Policy:
    """How the decision may act; the settings of the programme's policy, in micros and arrays.

    `level_cost_micros` is the extra cost of a mass, a segment, an individual portfolio. `pressure`, at least 1, is
    the factor by which the chance of leaving rises with each contact already made in the period. `scopes` names the
    classes of customers that limits are about. `salt` must differ between turns: it fixes every draw. `version` names
    the settings in the log.
    """

    portfolio_size: int
    variety: float
    exploration_share: float
    contacts: int
    channels: tuple[ChannelTerms, ...]
    level_cost_micros: tuple[int, int, int]
    salt: str
    version: str
    limits: tuple[SharedLimit, ...] = ()
    scopes: tuple[str, ...] = ()
    pressure: float = 1.0


@dataclass(frozen=True)
class CommonPortfolio:
    """One portfolio for many: indices of its offers, the most valuable first."""

    offers: NDArray[np.int32]


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
class Repairs:
    """The few customers for whom prices alone do not keep the limits, and what they get instead.

    keys : (r,) int64, ascending
    route : (r,) int32, channel x 3 + level - 1, or -1 for silence
    offers : (r, K) int32, positions in the catalogue, -1 for empty slots
    """

    keys: NDArray[np.int64]
    route: NDArray[np.int32]
    offers: NDArray[np.int32]

    @classmethod
    def none(cls, size: int) -> Repairs:
        """Return that nobody is repaired, for portfolios of `size`."""
        return cls(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int32), np.zeros((0, size), dtype=np.int32))


@dataclass(frozen=True)
class Prices:
    """What is shared reaches a customer only as this: the price of one unit of each limit, in micros.

    `limit_micros` is at least 0 for maxima and at most 0 for minima. `explorable` says for each channel whether
    exploration may draw it: a channel that cannot hold even its share of exploration is not explored.
    """

    limit_micros: NDArray[np.float64]
    explorable: tuple[bool, ...]
    repairs: Repairs

    @classmethod
    def free(cls, policy: Policy) -> Prices:
        """Return the prices of a world in which no limit binds."""
        open_to = (True,) * len(policy.channels)
        return cls(np.zeros(len(policy.limits)), open_to, Repairs.none(policy.portfolio_size))
