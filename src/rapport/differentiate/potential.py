"""What each customer could contribute a year, were they served like the best of their peers.

Why it exists: a customer who gives little may have little to give, or may give most of it to others. What peers with
the same needs and the same traits contribute tells the two apart. Peers may be few, so each group of peers is a
sample that is completed by the groups it belongs to, as far as such groups have been found to be alike. A customer's
figure is a look-up in the table of cells and a difference of whole micros: the same bits alone and in any batch. No
chance of response and no offer may enter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rapport.core.money import round_micros
from rapport.core.reasons import Status
from rapport.differentiate.likelihood import Floats, Integers, record_version
from rapport.differentiate.potential_peers import Completed, PeerTree, codes_of, complete, peer_tree, whole_micros

YEAR_DAYS: Final = 365.0
QUARTER_DAYS: Final = 91.0

Labels = Mapping[str, Sequence[Any]]


class CellTable(Protocol):
    """The names of levels and the labels of cells of any table over groups of peers."""

    @property
    def names(self) -> tuple[str, ...]:
        """Return the label of each level, coarsest first."""

    @property
    def asks_known(self) -> tuple[bool, ...]:
        """Return which levels only say whether the label is known."""

    @property
    def labels(self) -> tuple[tuple[str | None, ...], ...]:
        """Return the labels of each cell."""


@dataclass(frozen=True, slots=True)
class PotentialTerms:
    """What counts as served well, and how sure a figure must be.

    Attributes
    ----------
    quantile : float
        The peer who is reached for: 0.80 is the one whom a fifth of the peers exceed. In [0.5, 0.99].
    interval : float
        Probability that the interval is to hold, in (0, 1).
    least_customers : int
        A cell with fewer has the status TOO_FEW_CUSTOMERS, >= 1. Its figure then rests mostly on coarser cells.
    """

    quantile: float = 0.80
    interval: float = 0.80
    least_customers: int = 20


@dataclass(frozen=True, slots=True)
class PotentialModel:
    """The table of cells: for each group of peers what its best contribute. One row a cell, coarse ones first.

    Attributes
    ----------
    quantile, interval : float
        As in ``PotentialTerms``.
    names : tuple of str
        The label of each level, coarsest first. A cell of level l shares l labels; level 0 is everyone.
    asks_known : tuple of bool
        Which levels only say whether the label is known: a label that is missing for some has such a level before its
        own, so that customers of whom it is known are peers of each other first.
    alike : tuple of float
        For each level, in [0, 0.99]: the intraclass correlation of being at or below the quantile of the coarser
        cell. 0: the label tells nothing, 0.99: it tells all.
    labels : tuple of tuples
        The labels of each cell; None is a label that is missing, ``known`` any label on a level that asks only this.
    customers : int64 array, shape (cells,)
        Customers whose own figures stand in the cell.
    own_share : float64 array, shape (cells,), in [0, 1]
        Weight of these customers in the estimate; the rest comes from coarser cells.
    weight_customers : float64 array, shape (cells,)
        How many customers the estimate is worth.
    own_micros : int64 array, shape (cells,)
        The quantile of the cell's own customers, not completed; for comparison.
    potential_micros, low_micros, high_micros : int64 arrays, shape (cells,)
        The quantile of the completed cell, a year, and its interval. Each is the figure of a customer who was seen.
    status : tuple of Status
        OK or TOO_FEW_CUSTOMERS, for each cell.
    version : str
        Names the form of the record and its content.
    """

    quantile: float
    interval: float
    names: tuple[str, ...]
    asks_known: tuple[bool, ...]
    alike: tuple[float, ...]
    labels: tuple[tuple[str | None, ...], ...]
    customers: Integers
    own_share: Floats
    weight_customers: Floats
    own_micros: Integers
    potential_micros: Integers
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
            "alike": list(self.alike),
            "labels": [list(row) for row in self.labels],
            "status": [str(s) for s in self.status],
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> PotentialModel:
        """Return the model that ``to_record`` wrote."""
        whole = ("customers", "own_micros", "potential_micros", "low_micros", "high_micros")
        columns: dict[str, Any] = {k: _frozen(np.array(record[k], dtype=np.int64)) for k in whole}
        columns |= {k: _frozen(np.array(record[k], dtype=np.float64)) for k in ("own_share", "weight_customers")}
        columns["labels"] = tuple(tuple(row) for row in record["labels"])
        columns["status"] = tuple(Status(s) for s in record["status"])
        columns |= {k: tuple(record[k]) for k in ("names", "asks_known", "alike")}
        return cls(**{**record, **columns})


@dataclass(frozen=True, slots=True)
class CustomerPotential:
    """What each customer could contribute a year; read-only arrays of shape (n,) in the order given.

    Attributes
    ----------
    cell : int64 array
        Row of the table of cells: the finest cell known that has the customer's labels.
    labels_known : int64 array
        How many of that cell's labels are not missing. 0: all that these peers share is that nothing is known.
    actual_micros, potential_micros : int64 arrays
        What the customer contributes a year, as given, and what the best of the peers do.
    unrealised_micros, low_micros, high_micros : int64 arrays, >= 0
        Potential less actual, at least 0, and the same for the ends of the interval of the potential.
    wallet_known : bool array
    share_of_wallet : float64 array
        Actual / wallet; 0 where the wallet is not known. Above 1 the wallet was understated, below 0 the customer
        costs money.
    status : array of Status
        That of the cell.
    """

    cell: Integers
    labels_known: Integers
    actual_micros: Integers
    potential_micros: Integers
    unrealised_micros: Integers
    low_micros: Integers
    high_micros: Integers
    wallet_known: NDArray[np.bool_]
    share_of_wallet: Floats
    status: NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class TierPotential:
    """The unrealised potential of one tier.

    Attributes
    ----------
    tier : str
    customers, reached : int
        Customers, and those at or above their potential.
    actual_micros, unrealised_micros : int
        Exact sums, a year.
    share_of_unrealised : float or None
        Of the sum over all tiers; None where that is 0.
    median_unrealised_micros : int
        The middle one, the lower of two.
    """

    tier: str
    customers: int
    reached: int
    actual_micros: int
    unrealised_micros: int
    share_of_unrealised: float | None
    median_unrealised_micros: int


def yearly_micros(total_micros: ArrayLike, known_days: ArrayLike, least_days: float = QUARTER_DAYS) -> Integers:
    """Return what customers contribute a year, from what they did since they are known.

    Parameters
    ----------
    total_micros : int64 array, shape (n,)
    known_days : array, shape (n,)
        Days from the first purchase to now, >= 0.
    least_days : float
        Who is known for less is taken to be known for so long: a week is not multiplied by 52. > 0.

    Returns
    -------
    int64 array, shape (n,): ``total 365 / max(known, least)``, halves to even.
    """
    days = np.asarray(known_days, dtype=np.float64)
    if not (np.isfinite(days).all() and (days >= 0).all() and least_days > 0):
        raise ValueError("known_days: not lengths of time; must be >= 0, and least_days > 0. Give days.")
    yearly = whole_micros(total_micros, "total_micros") * (YEAR_DAYS / np.maximum(days, least_days))
    return round_micros(yearly)


def fit_potential(
    actual_micros: ArrayLike, labels: Labels, terms: PotentialTerms = PotentialTerms()
) -> PotentialModel:
    """Return the table of cells, learned from what customers contribute a year.

    Parameters
    ----------
    actual_micros : int64 array, shape (n,)
        Contribution (or spend) a year, at most 2**61 either way; may be below zero.
    labels : mapping of str to sequences of n labels
        Coarsest first: the label that tells most about what a customer can give, such as the needs group, then the
        demographics. None, NaN and blank text are missing; missing is a label of its own, beside the others.
    terms : PotentialTerms

    Returns
    -------
    PotentialModel
        With a row for everyone also where there is no customer; it then holds 0 and TOO_FEW_CUSTOMERS.

    Raises
    ------
    ValueError
        If amounts are not whole micros, lengths differ, or the terms are not possible.

    Notes
    -----
    The distribution of a cell is a draw around that of its coarser cell: a Dirichlet process, whose posterior mean is
    a mixture of the two. How near such draws lie is the intraclass correlation rho of being at or below an amount,
    pooled over five amounts around the coarser cell's quantile. With M the number of customers that the coarser cell
    (without this one) is worth, it counts as

        e = 1 / (rho + 1 / (M + 1)) - 1

    customers beside the cell's own n, at most 1 / rho - 1 and at most M. The share of the cell at or below an amount
    is then Beta((n + e) F, (n + e)(1 - F)) with F the mixture's share; the interval is the amounts between which
    the cell's quantile lies with the probability asked for.

    References
    ----------
    Perlich, Rosset, Lawrence & Zadrozny (2007), KDD, 977-985: potential as a high quantile of what like customers
    spend. Ferguson (1973), Annals of Statistics 1(2), theorem 1: posterior of the Dirichlet process. Ridout, Demetrio
    & Firth (1999), Biometrics 55(1): rho by analysis of variance. Woodruff (1952), JASA 47: interval of a quantile by
    inverting that of a share.
    """
    _check_terms(terms)
    actual = whole_micros(actual_micros, "actual_micros")
    tree = peer_tree(actual, labels)
    found = complete(tree, terms.quantile, terms.interval)
    model = _table(tree, found, terms)
    return _versioned(model)


def predict_potential(
    model: PotentialModel, actual_micros: ArrayLike, labels: Labels, wallet_micros: ArrayLike | None = None
) -> CustomerPotential:
    """Return what each customer could contribute a year.

    Parameters
    ----------
    model : PotentialModel
    actual_micros : int64 array, shape (n,)
        Contribution (or spend) a year, in the measure that the model was fitted on.
    labels : mapping of str to sequences of n labels
        The labels that the model was fitted on; others are ignored. A label that the model has not seen leaves the
        customer in the coarser cell.
    wallet_micros : int64 array, shape (n,), optional
        What the customer spends a year everywhere, in the measure of ``actual_micros``; 0 or below is not known.

    Returns
    -------
    CustomerPotential
        Each customer's row depends on that customer and the table only.

    Raises
    ------
    ValueError
        If amounts are not whole micros, lengths differ, or a label of the model is not given.
    """
    actual = whole_micros(actual_micros, "actual_micros")
    cell = cells_of(model, labels, actual.size)
    wallet = np.zeros_like(actual) if wallet_micros is None else whole_micros(wallet_micros, "wallet_micros")
    if wallet.shape != actual.shape:
        raise ValueError(f"wallet_micros: {wallet.size} for {actual.size} customers; give one each.")
    known = wallet > 0
    said = [zip(row, model.asks_known, strict=False) for row in model.labels]
    named = np.array([sum(v is not None and not asks for v, asks in row) for row in said], dtype=np.int64)
    ends = (model.potential_micros, model.low_micros, model.high_micros)
    unrealised, low, high = (_frozen(np.maximum(end[cell] - actual, 0)) for end in ends)
    share = np.divide(actual, wallet, out=np.zeros(actual.shape), where=known)
    return CustomerPotential(
        cell=_frozen(cell),
        labels_known=_frozen(named[cell]),
        actual_micros=_frozen(actual.copy()),
        potential_micros=_frozen(model.potential_micros[cell]),
        unrealised_micros=unrealised,
        low_micros=low,
        high_micros=high,
        wallet_known=_frozen(known),
        share_of_wallet=_frozen(share),
        status=_frozen(np.array(model.status, dtype=object)[cell]),
    )


def potential(
    actual_micros: ArrayLike,
    labels: Labels,
    terms: PotentialTerms = PotentialTerms(),
    wallet_micros: ArrayLike | None = None,
) -> tuple[PotentialModel, CustomerPotential]:
    """Return the table of cells fitted on some customers, and what each of these customers could contribute.

    Parameters, errors and formulae are those of ``fit_potential`` and ``predict_potential``.
    """
    model = fit_potential(actual_micros, labels, terms)
    return model, predict_potential(model, actual_micros, labels, wallet_micros)


def most_growable(found: CustomerPotential, keys: ArrayLike) -> Integers:
    """Return the places of customers in the order in which they are worth growing, the most growable first.

    The order is that of the lower end of the unrealised potential, so that an amount that few peers vouch for does
    not lead; then the unrealised potential, then the smaller key. Who would respond is not known here: the list says
    where there is something to win, not how easily.

    Parameters
    ----------
    found : CustomerPotential
    keys : int64 array, shape (n,)

    Returns
    -------
    int64 array: places of the customers with an unrealised potential above zero.
    """
    names = np.asarray(keys)
    if names.shape != found.cell.shape:
        raise ValueError(f"keys: {names.size} for {found.cell.size} customers; give one each.")
    order = np.lexsort((names, -found.unrealised_micros, -found.low_micros))
    return order[found.unrealised_micros[order] > 0]


def summarise_potential(found: CustomerPotential, tiers: ArrayLike) -> tuple[TierPotential, ...]:
    """Return the unrealised potential of each tier that has customers, in the order of their names.

    Parameters
    ----------
    found : CustomerPotential
    tiers : array of str, shape (n,)
        Tier or segment of each customer. No figure over all is given.
    """
    names = np.asarray(tiers)
    if names.shape != found.cell.shape:
        raise ValueError(f"tiers: {names.size} for {found.cell.size} customers; give one each.")
    total = sum(found.unrealised_micros.tolist())
    rows = []
    for tier in np.unique(names):
        mine = names == tier
        gaps = np.sort(found.unrealised_micros[mine])
        unrealised = sum(gaps.tolist())
        rows.append(
            TierPotential(
                tier=str(tier),
                customers=gaps.size,
                reached=int(np.count_nonzero(gaps == 0)),
                actual_micros=sum(found.actual_micros[mine].tolist()),
                unrealised_micros=unrealised,
                share_of_unrealised=unrealised / total if total else None,
                median_unrealised_micros=int(gaps[(gaps.size - 1) // 2]),
            )
        )
    return tuple(rows)


def peer_name(model: CellTable, cell: int) -> str:
    """Return what the peers of a cell share, such as ``needs: baby, age: 25-34, income: not known``."""
    row = zip(model.names, model.asks_known, model.labels[cell], strict=False)
    last = {name: text for name, _, text in row}
    return ", ".join(f"{name}: {'not known' if text is None else text}" for name, text in last.items()) or "everyone"


def _check_terms(terms: PotentialTerms) -> None:
    if not 0.5 <= terms.quantile <= 0.99:
        raise ValueError(f"quantile: {terms.quantile}; must lie in [0.5, 0.99]. Give 0.80 for the best fifth.")
    if not 0.0 < terms.interval < 1.0:
        raise ValueError(f"interval: not a probability - {terms.interval}; must lie in (0, 1). Give 0.80.")
    if terms.least_customers < 1:
        raise ValueError(f"least_customers: {terms.least_customers}; must be at least 1. Give a count.")


def _table(tree: PeerTree, found: Completed, terms: PotentialTerms) -> PotentialModel:
    enough = found.customers >= terms.least_customers
    return PotentialModel(
        quantile=terms.quantile,
        interval=terms.interval,
        names=tree.names,
        asks_known=tree.asks_known,
        alike=tuple(found.alike.tolist()),
        labels=tree.labels,
        customers=_frozen(found.customers),
        own_share=_frozen(found.own_share),
        weight_customers=_frozen(found.weight_customers),
        own_micros=_frozen(found.own),
        potential_micros=_frozen(found.middle),
        low_micros=_frozen(found.low),
        high_micros=_frozen(found.high),
        status=tuple(Status.OK if e else Status.TOO_FEW_CUSTOMERS for e in enough.tolist()),
    )


def _versioned(model: PotentialModel) -> PotentialModel:
    record = model.to_record()
    return PotentialModel.from_record(record | {"version": record_version("potential", record)})


def cells_of(model: CellTable, labels: Labels, n: int) -> Integers:
    """Return the row of the finest cell of each customer, going down from everyone label by label."""
    cell = np.zeros(n, dtype=np.int64)
    here = np.ones(n, dtype=bool)
    rows = {row: i for i, row in enumerate(model.labels)}
    for level, (name, asks_known) in enumerate(zip(model.names, model.asks_known, strict=True), start=1):
        if name not in labels:
            raise ValueError(f"labels: {name!r} is not given; needed are {', '.join(model.names)}. Give them all.")
        finer = [(rows[row[:-1]], row[-1], i) for row, i in rows.items() if len(row) == level]
        seen: list[str | None] = [*sorted({text for _, text, _ in finer if text is not None}), None]
        place: dict[str | None, int] = {text: i for i, text in enumerate(seen)}
        wide = len(seen) + 1
        ids = np.array([parent * wide + place[text] for parent, text, _ in finer], dtype=np.int64)
        order = np.argsort(ids)
        ids, targets = ids[order], np.array([i for _, _, i in finer], dtype=np.int64)[order]
        codes = codes_of(labels[name], place, n, name, asks_known)
        wanted = cell * wide + np.where(codes < 0, len(seen), codes)
        at = np.minimum(np.searchsorted(ids, wanted), max(ids.size - 1, 0))
        here &= (ids[at] == wanted) if ids.size else False
        cell = np.where(here, targets[at], cell) if ids.size else cell
    return cell


def _frozen(values: NDArray[Any]) -> NDArray[Any]:
    values.setflags(write=False)
    return values
