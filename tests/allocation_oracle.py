"""An allocation solved again by HiGHS, and a plan counted again in plain Python; written from the instance alone.

The formulation is the textbook one: y says that a customer is spoken to through a channel, z that an offer stands in
the message, at a rank within its category where variety counts. x <= y, sum x <= size * y, sum y <= 1. For each
customer and channel these rows describe an integral polytope, and the choice among channels is a disjunction of them,
so the linear relaxation is as strong as the Lagrangian bound (Geoffrion 1974), kinds across categories aside.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

import highspy
import numpy as np

from rapport.simulate.instance_record import (
    ANY_CHANNEL,
    CONTACTS,
    COST,
    OFFERS,
    Group,
    Instance,
    InstanceLimit,
    Labels,
)

Row = tuple[dict[int, float], float, float]


@dataclass(frozen=True)
class Optima:
    """The best value in fractions, and in whole choices; None where no plan keeps the limits.

    `likely` is the best in fractions of what could be had whole: nothing that alone uses more than a maximum.
    """

    fractions: float | None
    likely: float | None
    whole: float | None


@dataclass
class _Model:
    worth: list[float] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    limit_use: list[dict[int, float]] = field(default_factory=list)

    def variable(self, worth: float) -> int:
        self.worth.append(worth)
        return len(self.worth) - 1

    def keep(self, terms: dict[int, float], low: float, high: float) -> None:
        self.rows.append((terms, low, high))


def label_of(labels: Labels, at: int) -> str | None:
    return None if labels.codes[at] < 0 else labels.names[labels.codes[at]]


def _in_group(held: dict[str, Labels], group: object, at: int) -> bool:
    if group is None:
        return True
    if isinstance(group, Group):
        return label_of(held[group.by], at) in group.values
    return at in group


def contact_use(instance: Instance, limit: InstanceLimit, i: int, r: int) -> float:
    """How much a contact uses of a limit."""
    if limit.offers is not None or not _in_group(dict(instance.customer_labels), limit.customers, i):
        return 0.0
    if limit.channels is not None and r not in limit.channels:
        return 0.0
    if limit.counts == CONTACTS:
        return 1.0
    if limit.counts == COST:
        return float(instance.contacts.cost[i, r])
    amounts = instance.contacts.amounts
    return float(amounts[limit.counts][i, r]) if limit.counts in amounts else 0.0


def offer_use(instance: Instance, limit: InstanceLimit, c: int, r: int) -> float:
    """How much a candidate uses of a limit through a channel."""
    rows = instance.candidates
    i, j = int(rows.customer[c]), int(rows.offer[c])
    if not _in_group(dict(instance.customer_labels), limit.customers, i):
        return 0.0
    if not _in_group(dict(instance.offer_labels), limit.offers, j):
        return 0.0
    if limit.channels is not None and r not in limit.channels:
        return 0.0
    if limit.counts == OFFERS:
        return 1.0
    if limit.counts not in rows.amounts:
        return 0.0
    reach = instance.channels[r].reach if limit.counts in instance.through_reach else 1.0
    return float(rows.amounts[limit.counts][c]) * reach


def _category(instance: Instance, j: int) -> object:
    labels = instance.offer_labels.get("category")
    name = None if labels is None else label_of(labels, j)
    return ("alone", j) if name is None else name


def _kind(instance: Instance, j: int) -> str | None:
    labels = instance.offer_labels.get("kind")
    name = None if labels is None else label_of(labels, j)
    return name if name in instance.kinds else None


def _count(model: _Model, instance: Instance, spoken: tuple[int, int, int], z: dict[tuple[int, int], int]) -> None:
    """Say how much of every limit a message and its offers use."""
    i, r, y = spoken
    for use, limit in zip(model.limit_use, instance.limits, strict=True):
        contact = contact_use(instance, limit, i, r)
        if contact:
            use[y] = contact
        for (c, _), v in z.items():
            used = offer_use(instance, limit, c, r)
            if used:
                use[v] = used


def _message(model: _Model, instance: Instance, i: int, r: int, carried: list[int]) -> int:
    """Add the variables and rows of one customer and channel; return the variable that says it is used."""
    rows, size = instance.candidates, instance.size
    y = model.variable(-float(instance.contacts.cost[i, r]))
    ranks = size if instance.variety < 1.0 else 1
    reach = instance.channels[r].reach
    z = {
        (c, k): model.variable(reach * (instance.variety**k if rows.value[c] > 0 else 1.0) * float(rows.value[c]))
        for c in carried
        for k in range(ranks)
    }
    for c in carried:
        whole = {z[c, k]: 1.0 for k in range(ranks)}
        model.keep({**whole, y: -1.0}, 0.0 if rows.must[c] else -math.inf, 0.0)
    model.keep({**dict.fromkeys(z.values(), 1.0), y: -float(size)}, -math.inf, 0.0)
    if not instance.forced[i]:
        model.keep({**dict.fromkeys(z.values(), 1.0), y: -1.0}, 0.0, math.inf)
    for kind, most in instance.kinds.items():
        of_kind = {v: 1.0 for (c, _), v in z.items() if _kind(instance, int(rows.offer[c])) == kind}
        model.keep({**of_kind, y: -float(most)}, -math.inf, 0.0)
    if ranks > 1:
        by_rank: dict[tuple[object, int], dict[int, float]] = defaultdict(dict)
        for (c, k), v in z.items():
            by_rank[_category(instance, int(rows.offer[c])), k][v] = 1.0
        for terms in by_rank.values():
            model.keep({**terms, y: -1.0}, -math.inf, 0.0)
    _count(model, instance, (i, r, y), z)
    return y


def _model(instance: Instance) -> _Model:
    assert (instance.candidates.value >= 0).all(), "ranks by value need values of at least 0"
    model = _Model(limit_use=[{} for _ in instance.limits])
    rows = instance.candidates
    for i in range(len(instance.customers)):
        spoken: dict[int, float] = {}
        for r in range(len(instance.channels)):
            if math.isinf(instance.contacts.cost[i, r]):
                continue
            mine = np.flatnonzero(rows.customer == i)
            carried = [int(c) for c in mine if rows.channel[c] in {ANY_CHANNEL, r}]
            spoken[_message(model, instance, i, r, carried)] = 1.0
        if spoken:
            model.keep(spoken, 1.0 if instance.forced[i] else 0.0, 1.0)
    for limit, terms in zip(instance.limits, model.limit_use, strict=True):
        if limit.at_least:
            model.keep(terms, limit.bound, math.inf)
        else:
            model.keep(terms, -math.inf, limit.bound)
    return model


def _too_large(model: _Model, instance: Instance) -> set[int]:
    """The variables that alone use more than a maximum."""
    return {
        v
        for limit, use in zip(instance.limits, model.limit_use, strict=True)
        for v, used in use.items()
        if not limit.at_least and used > limit.bound * (1.0 + 1e-9)
    }


def _solve(model: _Model, whole: bool, without: Iterable[int] = ()) -> float | None:
    if any(not terms and not low <= 0.0 <= high for terms, low, high in model.rows):
        return None
    if not model.worth:
        return 0.0
    lp = highspy.HighsLp()
    lp.num_col_, lp.num_row_ = len(model.worth), len(model.rows)
    lp.col_cost_ = np.array(model.worth)
    upper = np.ones(lp.num_col_)
    upper[list(without)] = 0.0
    lp.col_lower_, lp.col_upper_ = np.zeros(lp.num_col_), upper
    lp.row_lower_ = np.array([low for _, low, _ in model.rows], dtype=float)
    lp.row_upper_ = np.array([high for _, _, high in model.rows], dtype=float)
    lp.sense_ = highspy.ObjSense.kMaximize
    lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    lp.a_matrix_.start_ = np.cumsum([0, *(len(terms) for terms, _, _ in model.rows)]).astype(np.int32)
    lp.a_matrix_.index_ = np.array([v for terms, _, _ in model.rows for v in terms], dtype=np.int32)
    lp.a_matrix_.value_ = np.array([u for terms, _, _ in model.rows for u in terms.values()], dtype=float)
    if whole:
        lp.integrality_ = [highspy.HighsVarType.kInteger] * lp.num_col_
    highs = highspy.Highs()
    highs.silent()
    for option, value in (("mip_rel_gap", 0.0), ("mip_abs_gap", 1e-9), ("threads", 1)):
        highs.setOptionValue(option, value)
    highs.passModel(lp)
    highs.run()
    status = highs.getModelStatus()
    if status == highspy.HighsModelStatus.kInfeasible:
        return None
    assert status == highspy.HighsModelStatus.kOptimal, status
    return float(highs.getInfo().objective_function_value)


def optima(instance: Instance) -> Optima:
    """The best value of an instance, in fractions and in whole choices."""
    model = _model(instance)
    likely = _solve(model, whole=False, without=_too_large(model, instance))
    return Optima(_solve(model, whole=False), likely, _solve(model, whole=True))


@dataclass(frozen=True)
class Counted:
    """A plan counted again: its value, what it uses, and everything that is wrong with it."""

    value: float
    used: dict[str, float]
    broken: tuple[str, ...]
    faults: tuple[str, ...]


def _message_faults(instance: Instance, i: int, r: int, taken: list[int], mine: list[int]) -> Iterable[str]:
    rows = instance.candidates
    if math.isinf(instance.contacts.cost[i, r]):
        yield f"customer {i}: channel {r} is closed"
    if len(taken) > instance.size or len(set(taken)) < len(taken):
        yield f"customer {i}: offers {taken}"
    if not taken and not instance.forced[i]:
        yield f"customer {i}: an empty message"
    for c in mine:
        if rows.must[c] and rows.channel[c] in {ANY_CHANNEL, r} and c not in taken:
            yield f"customer {i}: without the must {c}"
    for kind, most in instance.kinds.items():
        if sum(_kind(instance, int(rows.offer[c])) == kind for c in taken) > most:
            yield f"customer {i}: too many of kind {kind}"


def _message_value(instance: Instance, i: int, r: int, taken: list[int]) -> float:
    values: dict[object, list[float]] = defaultdict(list)
    for c in taken:
        values[_category(instance, int(instance.candidates.offer[c]))].append(float(instance.candidates.value[c]))
    worth = sum(
        v * (instance.variety**k if v > 0 else 1.0)
        for of in values.values()
        for k, v in enumerate(sorted(of, reverse=True))
    )
    return instance.channels[r].reach * worth - float(instance.contacts.cost[i, r])


def count_plan(instance: Instance, plan: Iterable[tuple[str | None, list[object]]]) -> Counted:
    """Count a plan, one (channel, offers) for each customer in their order, as the output file has it."""
    rows = instance.candidates
    names = [c.name for c in instance.channels]
    offers = instance.offers.tolist()
    value, faults = 0.0, []
    used = {limit.name: 0.0 for limit in instance.limits}
    said = list(plan)
    assert len(said) == len(instance.customers)
    for i, (channel, chosen) in enumerate(said):
        if channel is None:
            if chosen:
                faults.append(f"customer {i}: offers in silence")
            if instance.forced[i] and np.isfinite(instance.contacts.cost[i]).any():
                faults.append(f"customer {i}: silence is forbidden")
            continue
        r = names.index(channel)
        mine = [int(c) for c in np.flatnonzero(rows.customer == i)]
        carried = {offers[rows.offer[c]]: c for c in mine if rows.channel[c] in {ANY_CHANNEL, r}}
        faults += [f"customer {i}: {o} is no candidate" for o in chosen if o not in carried]
        taken = [carried[o] for o in chosen if o in carried]
        faults += _message_faults(instance, i, r, taken, mine)
        value += _message_value(instance, i, r, taken)
        for limit in instance.limits:
            used[limit.name] += contact_use(instance, limit, i, r)
            used[limit.name] += sum(offer_use(instance, limit, c, r) for c in taken)
    broken = []
    for limit in instance.limits:
        slack = used[limit.name] - limit.bound if limit.at_least else limit.bound - used[limit.name]
        if slack < -1e-9 * max(1.0, limit.bound):
            broken.append(limit.name)
    return Counted(value, used, tuple(broken), tuple(faults))
