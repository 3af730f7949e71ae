"""Which coupon of a pool a household would take: a conditional logit over the pool, learned from redemptions.

Why it exists: the probability of buying a coupon's products says who buys them anyway; past redemptions say
what is taken out of a pool, how much the amounts bought count beside the number of purchase days, and whether old
purchases count more or less than recent ones (who chose the coupons looked at some past of their own). It reads the
same `PurchaseHistory` as the relevance model, with coupons as items, and is fitted on campaigns that began earlier.
No redemption on or after the day of scoring may enter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from rapport.core.reasons import Status
from rapport.differentiate.relevance_history import PurchaseHistory, decay

CHOICE_FEATURES = ("log_purchase_days", "log_sales", "log_recent_days")
_RECENT_HALF_LIFE = 45.0
_MIN_REDEMPTIONS = 30


@dataclass(frozen=True)
class ChoiceSet:
    """Redemptions of one past campaign, each a choice out of the campaign's pool.

    Attributes
    ----------
    features : float64 array, shape (n_redemptions, n_coupons, n_features)
        Of the household, from rows before the campaign began. The first is log(1 + purchase days), the one that ranks
        where nothing was learned.
    chosen : int64 array, shape (n_redemptions,)
        Index of the redeemed coupon in the pool.
    """

    features: NDArray[np.float64]
    chosen: NDArray[np.int64]


@dataclass(frozen=True)
class ChoiceModel:
    """Weights of the features, shape (n_features,), and what they rest on.

    With fewer than 30 redemptions ``status`` is TOO_FEW_REPEATS and the weights rank by purchase days.
    """

    weights: NDArray[np.float64]
    redemptions: int
    mean_log_likelihood: float
    status: Status


def choice_features(history: PurchaseHistory, as_of: int) -> NDArray[np.float64]:
    """Return what is known of every customer and coupon before a day.

    Parameters
    ----------
    history : PurchaseHistory
        Items are the coupons of one pool; rows on or after ``as_of`` are left out here.
    as_of : int
        First day of the campaign, days since 1970-01-01.

    Returns
    -------
    float64 array, shape (n_customers, n_coupons, len(CHOICE_FEATURES))
        log(1 + purchase days); log(1 + sales in currency units), sales below zero as zero; log(1 + recent days),
        where a purchase day counts 2**(-age / 45 days).
    """
    past = history.before(as_of)
    shape = (past.n_customers, past.n_items)
    days = np.zeros(shape, dtype=np.int64)
    sales = np.zeros(shape, dtype=np.int64)
    recent = np.zeros(shape)
    np.add.at(days, (past.customer, past.item), 1)
    np.add.at(sales, (past.customer, past.item), past.sales_micros)
    np.add.at(recent, (past.customer, past.item), decay(as_of - past.day.astype(np.int64), _RECENT_HALF_LIFE))
    return np.stack([np.log1p(days), np.log1p(np.maximum(sales, 0) / 1e6), np.log1p(recent)], axis=2)


def _prior(n_features: int) -> NDArray[np.float64]:
    # Purchase days alone: what ranks well before anything was learned.
    return np.array([1.0] + [0.0] * (n_features - 1))


def _scores(features: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    # A loop over the few features: a matrix product would give a customer other last bits in another chunk.
    total = np.zeros(features.shape[:-1])
    for j in range(features.shape[-1]):
        total += features[..., j] * weights[j]
    return total


def fit_choice(sets: list[ChoiceSet], ridge: float = 5.0) -> ChoiceModel:
    """Return the conditional logit of redemptions over their pools.

    Parameters
    ----------
    sets : list of ChoiceSet
        Past campaigns, cut at the day of scoring by the caller; an empty list is allowed.
    ridge : float
        Pull towards ranking by purchase days, >= 0.

    References
    ----------
    McFadden (1974), "Conditional logit analysis of qualitative choice behavior", eq. 12 and 15.
    """
    n = sum(len(s.chosen) for s in sets)
    if n < _MIN_REDEMPTIONS:
        return ChoiceModel(_prior(len(CHOICE_FEATURES)), n, float("nan"), Status.TOO_FEW_REPEATS)
    prior = _prior(sets[0].features.shape[-1])

    def loss(w: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        pull = w - prior
        value, slope = float(ridge * pull @ pull), 2 * ridge * pull
        for s in sets:
            z = _scores(s.features, w)
            z -= z.max(axis=1, keepdims=True)
            p = np.exp(z)
            p /= p.sum(axis=1, keepdims=True)
            each = np.arange(len(s.chosen))
            value -= float(np.log(p[each, s.chosen]).sum())
            slope = slope - s.features[each, s.chosen].sum(axis=0) + np.einsum("rc,rcf->f", p, s.features)
        return value, slope

    best = optimize.minimize(loss, prior, jac=True, method="L-BFGS-B")
    pull = best.x - prior
    likelihood = (ridge * float(pull @ pull) - float(best.fun)) / n
    status = Status.OK if best.success else Status.NOT_CONVERGED
    return ChoiceModel(best.x, n, likelihood, status)


def predict_choice(model: ChoiceModel, history: PurchaseHistory, as_of: int) -> NDArray[np.float64]:
    """Return a score that ranks the coupons of a pool for each customer, shape (n_customers, n_coupons).

    The softmax of a customer's scores is P(coupon, given that one of the pool is redeemed).
    """
    return _scores(choice_features(history, as_of), model.weights)
