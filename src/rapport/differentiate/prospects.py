"""What the not-yet customer is worth: the first year of customers like them.

Why it exists: how much may be spent to win somebody depends on what people like them brought in their first year.
Such people may be few, so the mean of each group of look-alikes is pulled to that of the group around it, as far as
groups have been found to be alike. A prospect's figure is a look-up: the same alone and in any batch. What the
prospect themselves did may not enter, since there is nothing yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rapport.core.money import round_micros
from rapport.core.reasons import Status
from rapport.differentiate.likelihood import Floats, Integers, record_version
from rapport.differentiate.potential import Labels, cells_of
from rapport.differentiate.potential_peers import PeerTree, peer_tree, whole_micros

YEAR_DAYS: Final = 365
INTERVAL: Final = 0.80
MIN_CUSTOMERS: Final = 20


@dataclass(frozen=True, slots=True)
class ProspectModel:
    """The table of cells: the mean first year of each group of look-alikes. One row a cell, coarse ones first.

    Attributes
    ----------
    names, asks_known, labels
        As in ``potential.PotentialModel``.
    customers : int64 array, shape (cells,)
        Customers whose own first year stands in the cell.
    own_share : float64 array, shape (cells,), in [0, 1]
        Weight of their mean; the rest is the coarser cell's.
    value_micros, low_micros, high_micros : int64 arrays, shape (cells,)
        Mean contribution of the first year, and its 80 % interval.
    status : tuple of Status
        OK or TOO_FEW_CUSTOMERS (fewer than 20 in the cell).
    version : str
        Names the form of the record and its content.
    """

    names: tuple[str, ...]
    asks_known: tuple[bool, ...]
    labels: tuple[tuple[str | None, ...], ...]
    customers: Integers
    own_share: Floats
    value_micros: Integers
    low_micros: Integers
    high_micros: Integers
    status: tuple[Status, ...]
    version: str = ""

    def to_record(self) -> dict[str, Any]:
        """Return the model as a dict of plain values that JSON can hold."""
        record = {name: getattr(self, name) for name in self.__slots__}
        plain = {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in record.items()}
        return plain | {
            "names": list(self.names),
            "asks_known": list(self.asks_known),
            "labels": [list(row) for row in self.labels],
            "status": [str(s) for s in self.status],
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> ProspectModel:
        """Return the model that ``to_record`` wrote."""
        whole = ("customers", "value_micros", "low_micros", "high_micros")
        columns: dict[str, Any] = {k: _frozen(np.array(record[k], dtype=np.int64)) for k in whole}
        columns["own_share"] = _frozen(np.array(record["own_share"], dtype=np.float64))
        columns["labels"] = tuple(tuple(row) for row in record["labels"])
        columns["status"] = tuple(Status(s) for s in record["status"])
        columns |= {k: tuple(record[k]) for k in ("names", "asks_known")}
        return cls(**{**record, **columns})


@dataclass(frozen=True, slots=True)
class ProspectValues:
    """What each prospect is worth in the first year; read-only arrays of shape (n,) in the order given.

    Attributes
    ----------
    cell : int64 array
    value_micros, low_micros, high_micros : int64 arrays
        Mean of look-alikes and its interval, times the conversion rate where one was given.
    if_customer : bool
        No conversion rate was given: the value is that of a prospect who becomes a customer.
    status : array of Status
        That of the cell.
    """

    cell: Integers
    value_micros: Integers
    low_micros: Integers
    high_micros: Integers
    if_customer: bool
    status: NDArray[np.object_]


def fit_prospects(first_year_micros: ArrayLike, labels: Labels) -> ProspectModel:
    """Return the table of cells, learned from the first year of customers.

    Parameters
    ----------
    first_year_micros : int64 array, shape (n,)
        Contribution in the 365 days from the first purchase on, of customers known for at least so long.
    labels : mapping of str to sequences of n labels
        Traits that prospects have too, coarsest first; None, NaN and blank are missing.

    Returns
    -------
    ProspectModel
        With a row for everyone also where there is no customer; it then holds 0 and TOO_FEW_CUSTOMERS.

    Raises
    ------
    ValueError
        If amounts are not whole micros, or lengths differ.

    Notes
    -----
    A cell of n customers with mean x has the value ``m = Z x + (1 - Z) m'``, with m' that of the coarser cell and
    ``Z = n / (n + s2 / t2)``: s2 is the variance within the cells of the level, t2 that between cells of one coarser
    cell, by analysis of variance, not below 0. Its variance is ``v = Z s2 / n + (1 - Z)^2 v'``. For everyone m is the
    mean and v the variance of a mean. The interval is that of the normal distribution.

    References
    ----------
    Efron & Morris (1975), JASA 70; Searle, Casella & McCulloch (1992), Variance Components, ch. 3. First-year value
    of look-alikes: Gupta, Lehmann & Stuart (2004), "Valuing customers", Journal of Marketing Research 41(1).
    """
    first_year = whole_micros(first_year_micros, "first_year_micros")
    tree = peer_tree(first_year, labels)
    sizes, share, mean, variance = _completed(tree)
    reach = _reach() * np.sqrt(variance)
    enough = sizes >= MIN_CUSTOMERS
    model = ProspectModel(
        names=tree.names,
        asks_known=tree.asks_known,
        labels=tree.labels,
        customers=_frozen(sizes.astype(np.int64)),
        own_share=_frozen(share),
        value_micros=_frozen(round_micros(mean)),
        low_micros=_frozen(round_micros(mean - reach)),
        high_micros=_frozen(round_micros(mean + reach)),
        status=tuple(Status.OK if e else Status.TOO_FEW_CUSTOMERS for e in enough.tolist()),
    )
    record = model.to_record()
    return ProspectModel.from_record(record | {"version": record_version("prospects", record)})


def predict_prospects(
    model: ProspectModel, labels: Labels, n: int, conversion_rate: float | None = None
) -> ProspectValues:
    """Return what each of n prospects is worth in the first year.

    Parameters
    ----------
    model : ProspectModel
    labels : mapping of str to sequences of n labels
        Those that the model was fitted on; a label it has not seen leaves the prospect in the coarser cell.
    n : int
    conversion_rate : float, optional
        Share of prospects who become customers, in [0, 1]. Its own uncertainty is not in the interval.

    Raises
    ------
    ValueError
        If the rate is none, lengths differ, or a label of the model is not given.
    """
    if conversion_rate is not None and not 0.0 <= conversion_rate <= 1.0:
        raise ValueError(f"conversion_rate: {conversion_rate}; must lie in [0, 1]. Give 0.02 for 2 %.")
    rate = 1.0 if conversion_rate is None else conversion_rate
    cell = cells_of(model, labels, n)
    value, low, high = (
        _frozen(round_micros(column[cell] * np.float64(rate)))
        for column in (model.value_micros, model.low_micros, model.high_micros)
    )
    status = np.array(model.status, dtype=object)[cell]
    return ProspectValues(_frozen(cell), value, low, high, conversion_rate is None, _frozen(status))


def _completed(tree: PeerTree) -> tuple[Floats, Floats, Floats, Floats]:
    """Return customers, own share, value and its variance of each cell, level after level."""
    if tree.values.size == 0:
        return (np.zeros(1),) * 4
    values = tree.values.astype(np.float64)
    n = values.size
    mean = np.array([values.mean()])
    # One customer alone says nothing of how much customers differ.
    variance = np.array([float(values.var(ddof=1)) / n if n > 1 else 0.0])
    rows = [(np.array([float(n)]), np.ones(1), mean, variance)]
    for level in range(1, len(tree.codes)):
        size, own, within, between = _level(values, tree.codes[level], tree.parents[level])
        around, unsure = (column[tree.parents[level]] for column in (mean, variance))
        whole = size == rows[-1][0][tree.parents[level]]
        share = np.where(whole, 0.0, size * between / (size * between + within) if between > 0 else 0.0)
        mean = share * own + (1.0 - share) * around
        variance = share * within / size + (1.0 - share) ** 2 * unsure
        rows.append((size, share, mean, variance))
    sizes, shares, means, variances = (np.concatenate(column) for column in zip(*rows, strict=True))
    return sizes, shares, means, variances


def _level(values: Floats, code: Integers, parents: Integers) -> tuple[Floats, Floats, float, float]:
    """Return size and mean of the cells of a level, the variance within, and that between those of one parent."""
    cells = parents.size
    size = np.bincount(code, minlength=cells).astype(np.float64)
    own = np.bincount(code, weights=values, minlength=cells) / size
    whole = np.bincount(parents, weights=size)
    around = np.bincount(parents, weights=size * own) / whole
    free_within, free_between = values.size - cells, cells - whole.size
    if free_within <= 0 or free_between <= 0:
        return size, own, 1.0, 0.0
    within = float(np.sum((values - own[code]) ** 2)) / free_within
    mean_square = float(np.sum(size * (own - around[parents]) ** 2)) / free_between
    typical = float(np.sum(whole - np.bincount(parents, weights=size**2) / whole)) / free_between
    between = max(mean_square - within, 0.0) / typical if typical > 0 else 0.0
    # Cells whose customers do not differ at all speak for themselves.
    return size, own, max(within, 1e-9), between


def _reach() -> float:
    from scipy.special import ndtri

    return float(ndtri((1.0 + INTERVAL) / 2.0))


def _frozen(values: NDArray[Any]) -> NDArray[Any]:
    values.setflags(write=False)
    return values
