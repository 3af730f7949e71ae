"""Scores of every item for every customer from what others bought: neighbours, succession, co-purchase.

Why it exists: most items of a next basket were never bought before by that customer; they are told from customers
with a similar past. What is learned from next baskets comes from the customers who teach, handed in by name: nobody
is scored with an own next basket.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from rapport.differentiate.nextbasket import Baskets, Floats, Ints, Matrix, unit_rows, weighed

SCORE_NAMES = (
    "neighbours",
    "neighbours_near",
    "neighbours_last",
    "after_last",
    "after_past",
    "beside_last",
    "beside_past",
)


@dataclass(frozen=True)
class Tastes:
    """Views of everybody's past that similarity is taken on; unit rows, shape (customers, items) each.

    Attributes
    ----------
    faded, last : sparse matrix
        Past baskets faded by .8 a basket, and the last known basket alone, rare items weighing more.
    mass_faded, mass_last : sparse matrix
        The same without weights of items and not of unit length.
    beside : sparse matrix, shape (items, items)
        Cosine of being in one basket.
    """

    faded: Matrix
    last: Matrix
    mass_faded: Matrix
    mass_last: Matrix
    beside: Matrix


def tastes_of(past: Baskets) -> Tastes:
    """Return the views of all pasts."""
    faded, last = weighed(past, 0.8), weighed(past, 1.0, 1)
    buyers = np.bincount(faded.indices, minlength=faded.shape[1])
    rare = sparse.diags(np.log((past.customers + 1.0) / (buyers + 1.0)).astype(np.float32))
    together = (past.items.T @ past.items).tocsr()
    size = together.diagonal()
    damp = sparse.diags((1.0 / np.sqrt(size + 10.0)).astype(np.float32))
    beside = (damp @ together @ damp).tocsr()
    beside.setdiag(0.0)
    beside.eliminate_zeros()
    return Tastes(unit_rows(faded @ rare), unit_rows(last @ rare), faded, last, beside)


@dataclass(frozen=True)
class Teaching:
    """Pasts with the baskets that came after, of customers who teach; shape (teachers, items) each, rows aligned."""

    faded: Matrix
    last: Matrix
    mass_faded: Matrix
    mass_last: Matrix
    target: Matrix


def teaching_of(tastes: Tastes, target: Matrix, teachers: Ints) -> Teaching:
    """Return what some customers teach: nothing else of `target` is read."""
    rows = (tastes.faded, tastes.last, tastes.mass_faded, tastes.mass_last, target)
    return Teaching(*(matrix[teachers].tocsr() for matrix in rows))


def scores_of(tastes: Tastes, teaching: Teaching, asked: Ints) -> list[Floats]:
    """Return the scores of `asked` by what others bought after similar pasts.

    Parameters
    ----------
    tastes : Tastes
        Of everybody's past.
    teaching : Teaching
        Of others than `asked`.
    asked : int64 array
        Places of customers.

    Returns
    -------
    list of float32 arrays, shape (asked, items), in the order of SCORE_NAMES

    Notes
    -----
    With y_v the basket after v's past: *neighbours*: sum_v s(u, v) y_v over all teachers, divided by sum_v s(u, v), s
    the cosine of faded pasts; *near* with s^3; *last* on last known baskets. *after*: mean over the customer's items
    j, by weight, of P(i in the next basket | j in the past) among teachers. *beside*: cosines of co-purchase.
    """
    Y = teaching.target
    near = (tastes.faded[asked] @ teaching.faded.T).toarray()
    last = (tastes.last[asked] @ teaching.last.T).toarray()
    found = [_mean_of(near, Y), _mean_of(near**3, Y), _mean_of(last, Y)]
    for mass, taught in ((tastes.mass_last, teaching.mass_last), (tastes.mass_faded, teaching.mass_faded)):
        then = (taught.T @ Y).tocsr()
        seen = np.asarray(taught.sum(axis=0)).ravel()
        share = sparse.diags((1.0 / (seen + 5.0)).astype(np.float32)) @ then
        own = mass[asked]
        own = sparse.diags((1.0 / np.asarray(own.sum(axis=1)).ravel()).astype(np.float32)) @ own
        found.append((own @ share).toarray())
    found += [(mass[asked] @ tastes.beside).toarray() for mass in (tastes.mass_last, tastes.mass_faded)]
    return [f.astype(np.float32, copy=False) for f in found]


def _product(weights: Floats, Y: Matrix) -> Floats:
    return np.ascontiguousarray((Y.T @ np.ascontiguousarray(weights.T)).T)


def _mean_of(similarity: Floats, Y: Matrix) -> Floats:
    total = np.maximum(similarity.sum(axis=1, keepdims=True), 1e-9)
    return _product(similarity / total, Y)
