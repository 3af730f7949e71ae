"""What an answer would be worth before it is given, and what customers like this one have answered.

Why it exists: a question is worth what it is expected to change in the decision, in money, less the annoyance of
asking. Nothing is asked and nothing is decided here; the values of decisions come from the project's one decision.

References
----------
Raiffa and Schlaifer (1961), "Applied statistical decision theory", chapter 4: expected values of perfect and of
sample information. Howard (1966), "Information value theory".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rapport.core.errors import LookupFailed

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

PRIOR_EACH = 1.0
"""Answers imagined for each possible answer before anybody has given one (Laplace)."""

CELL_STRENGTH = 10.0
"""A group of customers alike outweighs the wider one that holds it once this many of them have answered."""

TASTE_STRENGTH = 25.0
"""Customers of the average taste imagined in each group of one answer."""

UNKNOWN = -1
"""Code of what is not known."""


@dataclass(frozen=True)
class Information:
    """What knowing is worth, in the unit of the values.

    now : value of the best treatment under the present belief
    informed : expected value of deciding after the answer
    best_now : that treatment; best : the best treatment of each answer
    """

    now: float
    informed: float
    best_now: int
    best: tuple[int, ...]

    @property
    def worth(self) -> float:
        """Return what the answer is worth: informed less now, never below 0 but for rounding."""
        return self.informed - self.now


def value_of_answers(values: Floats, probability: Floats) -> Information:
    """Return the expected value of perfect information.

    Parameters
    ----------
    values : (answers, treatments), value of each treatment given each answer
    probability : (answers,) >= 0, sums to 1

    Returns
    -------
    Information
        ``informed = sum over a of P(a) max over t of v(a, t)``, ``now = max over t of sum over a of P(a) v(a, t)``.

    Raises
    ------
    LookupFailed
        Shapes do not fit, a value is no number, or the probabilities are none.
    """
    v, p = _checked(values, probability)
    expected = p @ v
    best_now = int(np.argmax(expected))
    best = np.argmax(v, axis=1)
    informed = float(p @ v[np.arange(len(v)), best])
    return Information(float(expected[best_now]), informed, best_now, tuple(int(b) for b in best))


def value_of_signals(values: Floats, probability: Floats, likelihood: Floats) -> Information:
    """Return the expected value of sample information: of a signal that tells of the answer, perhaps wrongly.

    Parameters
    ----------
    values, probability : as for `value_of_answers`
    likelihood : (answers, signals), chance of each signal given the truth; rows sum to 1

    Returns
    -------
    Information
        `best` has one treatment for each signal.
    """
    v, p = _checked(values, probability)
    told = np.asarray(likelihood, dtype=np.float64)
    if told.ndim != 2 or len(told) != len(p) or not np.allclose(told.sum(axis=1), 1.0) or (told < 0).any():
        raise LookupFailed(
            f"likelihood: is none - shape {told.shape}; must have a row for each of {len(p)} answers, "
            "each summing to 1."
        )
    # Joint weights of signal and truth: the posterior times the chance of the signal, so that nothing is divided.
    by_signal = (told * p[:, None]).T @ v
    expected = p @ v
    best_now = int(np.argmax(expected))
    best = tuple(int(b) for b in np.argmax(by_signal, axis=1))
    return Information(float(expected[best_now]), float(by_signal.max(axis=1).sum()), best_now, best)


def signal_worth(values: Floats, probability: Floats, likelihood: Floats) -> Floats:
    """Return the worth of a signal, as `value_of_signals` gives it, for n customers at once, (n,).

    Parameters
    ----------
    values : (n, answers, treatments); probability : (n, answers); likelihood : (answers, signals)
    """
    joint = np.einsum("na,am,nat->nmt", probability, likelihood, values, optimize=True)
    return np.asarray(joint.max(axis=2).sum(axis=1) - joint.sum(axis=1).max(axis=1))


def _checked(values: Floats, probability: Floats) -> tuple[Floats, Floats]:
    v, p = np.asarray(values, dtype=np.float64), np.asarray(probability, dtype=np.float64)
    if v.ndim != 2 or p.shape != v.shape[:1] or not v.size or not np.isfinite(v).all():
        raise LookupFailed(
            f"values: shape {v.shape} beside {p.shape} probabilities; must be finite, a row for each answer."
        )
    if (p < 0).any() or not np.isclose(p.sum(), 1.0):
        raise LookupFailed(f"probability: sums to {p.sum():g}; must be at least 0 each and sum to 1.")
    return v, p


@dataclass(frozen=True)
class Alike:
    """How likely each answer is for a customer, and from whom that is known.

    probability : (A,); answered : how many gave an answer at all
    levels : number of customers with an answer in each narrower group of those alike, the whole first
    """

    probability: Floats
    answered: int
    levels: tuple[int, ...]


def answer_probabilities(answers: Ints, answer_count: int, features: Ints, mine: Ints) -> Alike:
    """Return how likely each answer is for a customer, from customers alike who have answered.

    Parameters
    ----------
    answers : (n,) code of each customer's answer, in [0, answer_count), or `UNKNOWN`
    answer_count : int
        A, at least 1.
    features : (n, F) codes of what else is known of each, `UNKNOWN` where it is not
    mine : (F,) the same of the customer asked about

    Returns
    -------
    Alike

    Notes
    -----
    Groups are nested: everybody; those who share the feature that tells most about the answer; of these, those who
    share the next; features unknown of the customer are passed over. With n(a) of n answers in a group, its share is
    ``(n(a) + m * share of the wider group) / (n + m)`` (m-estimate: Cestnik 1990; a chain of Dirichlet priors: MacKay
    and Peto 1995), so that a group of two says little and an empty one nothing. The order of features is that of
    their mutual information with the answer, corrected by its mean under independence, (A - 1)(V - 1) / 2n, after
    Miller (1955); features that tell nothing are left out.
    """
    there = answers != UNKNOWN
    known, told = answers[there], features[there]
    counts = np.bincount(known, minlength=answer_count).astype(np.float64)
    share = (counts + PRIOR_EACH) / (counts.sum() + PRIOR_EACH * answer_count)
    levels = [len(known)]
    inside = np.ones(len(known), dtype=np.bool_)
    for f in _telling(known, answer_count, told, mine):
        inside &= told[:, f] == mine[f]
        counts = np.bincount(known[inside], minlength=answer_count).astype(np.float64)
        share = (counts + CELL_STRENGTH * share) / (counts.sum() + CELL_STRENGTH)
        levels.append(int(inside.sum()))
    return Alike(share, len(known), tuple(levels))


def _telling(answers: Ints, answer_count: int, features: Ints, mine: Ints) -> list[int]:
    """Return the features that are known of the customer and tell about the answer, the most telling first."""
    gains = [
        (_information(answers, answer_count, features[:, f]), -f) for f in range(len(mine)) if mine[f] != UNKNOWN
    ]
    return [-f for gain, f in sorted(gains, reverse=True) if gain > 0.0]


def _information(answers: Ints, answer_count: int, feature: Ints) -> float:
    """Return the mutual information of answer and feature in nats, less what chance alone would show."""
    there = feature != UNKNOWN
    if not there.any():
        return 0.0
    _, value = np.unique(feature[there], return_inverse=True)
    table = np.bincount(value * answer_count + answers[there], minlength=(int(value.max()) + 1) * answer_count)
    joint = table.reshape(-1, answer_count) / there.sum()
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    filled = joint > 0
    gain = float((joint[filled] * np.log(joint[filled] / apart[filled])).sum())
    spread = (len(joint) - 1) * (int((joint.sum(axis=0) > 0).sum()) - 1)
    return gain - spread / (2.0 * float(there.sum()))


def probabilities_given(
    base: Floats, answer_probability: Floats, totals: Floats, counts: Floats, overall: Floats
) -> Floats:
    """Return what a customer's chances of buying would be after each answer, (A, J).

    Parameters
    ----------
    base : (J,) the chances now, in [0, 1]
    answer_probability : (A,) how likely each answer is
    totals : (A, J) sum of the chances of customers with each answer, of those alike in whether they bought the item
    counts : (A, J) how many those are
    overall : (J,) mean chance of all of those alike

    Returns
    -------
    (A, J) float64 in [0, 1]
        ``base * r(a) / sum over b of P(b) r(b)``, where r(a) is the mean chance of those who answered a over that of
        all, pulled to 1 as if `TASTE_STRENGTH` average customers had answered the same. Before chances are cut at 1
        they average to `base` over the answers: an answer that is not known yet changes no chance (the law of total
        probability), so that knowing is not paid for by wishful chances.
    """
    mean = np.maximum(overall, 1e-12)
    ratio = (totals + TASTE_STRENGTH * mean) / ((counts + TASTE_STRENGTH) * mean)
    centred = ratio / (answer_probability @ ratio)
    return np.asarray(np.clip(base * centred, 0.0, 1.0))


@dataclass(frozen=True)
class Sum:
    """The sum of one question, all amounts in micros.

    informed : (A,) value of the best decision after each answer; `now` without one
    """

    probability: Floats
    informed: Ints
    now: int
    reply_probability: float
    decisions: int
    annoyance: int

    @property
    def gain(self) -> float:
        """Return the expected gain of one decision from an answer."""
        return float(self.probability @ self.informed) - self.now

    @property
    def worth(self) -> int:
        """Return what asking is worth: chance of an answer x decisions x gain, less the annoyance; whole micros."""
        return round(self.reply_probability * self.decisions * self.gain) - self.annoyance


def best_questions(worth: Sequence[int], at_most: int) -> list[int]:
    """Return the places of the questions to ask, the most valuable first: those worth more than nothing."""
    order = sorted(range(len(worth)), key=lambda q: (-worth[q], q))
    return [q for q in order[:at_most] if worth[q] > 0]
