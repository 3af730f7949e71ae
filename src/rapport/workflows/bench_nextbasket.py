"""Measures how well next baskets are told, beside published and plain ways on the same customers.

Why it exists: every figure that is claimed comes out of here, in the one shape of measured figures. Every customer is
asked once, in one of five folds; no last basket of somebody who is asked reaches a feature or a model.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rapport.differentiate.nextbasket import Fold, Ints, NextBasket, folds, groups, weighed, without_last
from rapport.differentiate.nextbasket_compare import (
    neighbours_next,
    personal_frequency,
    popularity,
    tifuknn,
    upcf,
)
from rapport.differentiate.nextbasket_features import Known, Rows, Teachers, known_of, outcomes, rows_of
from rapport.differentiate.nextbasket_ranker import GROUPS, fit_ranker, predict_ranker, ranked, taught_rows
from rapport.measure.bootstrap import HouseholdDraws, Spread
from rapport.measure.next_basket import BasketHits, basket_hits
from rapport.measure.ranking import top_k
from rapport.workflows.nextbasket_data import made_up_baskets, tafeng_baskets

LISTED = 20
BARS = {"recall10": 0.170, "recall20": 0.212, "ndcg10": 0.150}
WORDS = {"recall10": "recall at 10", "recall20": "recall at 20", "ndcg10": "nDCG at 10"}
BESIDE = {
    "popular": "popularity",
    "popular_last": "popularity among last baskets",
    "frequency": "personal frequency",
    "tifuknn": "TIFUKNN",
    "upcf": "UP-CF@r",
    "neighbours": "neighbours' last baskets",
}
SMALL_CUSTOMERS = 400
Floats = NDArray[np.float64]


def bench_nextbasket(folder: Path, small: bool, progress: Callable[[str], None]) -> list[dict[str, Any]]:
    """Measure lists for next baskets and return the figures in the one shape.

    Parameters
    ----------
    folder : Path
        Not written to.
    small : bool
        The same code on made-up baskets, in seconds; without bars, which are about the public ones.
    progress : callable
        Told what is measured next.

    Raises
    ------
    RapportError
        The public baskets are not given, or not in order.
    """
    known = made_up_baskets(SMALL_CUSTOMERS) if small else tafeng_baskets()
    problem = without_last(known)
    bench = _Bench(problem, "planted" if small else "tafeng", not small, progress)
    bench.ask_in_folds()
    bench.ask_by_pasts()
    return bench.rows()


class _Bench:
    """Asks every customer once, and words the figures."""

    def __init__(self, problem: NextBasket, name: str, barred: bool, progress: Callable[[str], None]) -> None:
        self._problem, self._name, self._barred, self._progress = problem, name, barred, progress
        self._customers = problem.past.customers
        self._bought = weighed(problem.past, 1.0)
        self._lists = {way: np.full((self._customers, LISTED), -1, dtype=np.int64) for way in ("ours", *BESIDE)}
        self._lists["pasts"] = self._lists["ours"].copy()
        self._lists["pasts_frequency"] = self._lists["ours"].copy()
        self._candidates = np.zeros((2, self._customers))
        self._fold = np.zeros(self._customers, dtype=np.int64)
        self._compared = np.zeros(self._customers, dtype=bool)
        self._seconds: list[float] = []

    def ask_in_folds(self) -> None:
        """Ask each fold's customers by what its training customers bought last."""
        problem = self._problem
        known = known_of(problem.past)
        for number, fold in enumerate(folds(self._customers)):
            self._progress(f"fold {number + 1} of 5: {len(fold.train):,} teach, {len(fold.test):,} are asked")
            self._fold[fold.test] = number
            if number == 0:
                self._compared[fold.validation] = True
            began = time.perf_counter()
            teachers = Teachers(known, problem.target, fold.train)
            model = fit_ranker(taught_rows(teachers))
            self._ask(known, teachers, model, fold.test, "ours")
            self._seconds.append(time.perf_counter() - began)
            for way, scores, ties in _comparators(problem, fold):
                self._lists[way][fold.test] = _listed(scores, ties)

    def ask_by_pasts(self) -> None:
        """Ask everybody by what others bought last but one: no last basket of anybody reaches a model."""
        self._progress("by pasts alone: everybody is asked, learned from last baskets but one")
        problem, earlier = self._problem, without_last(self._problem.past)
        everybody = np.arange(self._customers, dtype=np.int64)
        before, known = known_of(earlier.past), known_of(problem.past)
        model = fit_ranker(taught_rows(Teachers(before, earlier.target, everybody)))
        for group in groups(everybody, GROUPS):
            teachers = Teachers(before, earlier.target, np.setdiff1d(everybody, group))
            self._ask(known, teachers, model, np.sort(group), "pasts")
        popular = popularity(problem.past.items)
        for part in np.array_split(everybody, 5):
            self._lists["pasts_frequency"][part] = _listed(personal_frequency(problem.past, part, popular), popular)

    def _ask(self, known: Known, teachers: Teachers, model: str, asked: Ints, way: str) -> None:
        rows = rows_of(known, teachers, asked)
        self._lists[way][asked] = ranked(rows, predict_ranker(model, rows), asked, LISTED)
        if way == "ours":
            self._candidates[:, asked] = _reached(rows, self._problem, asked)

    def rows(self) -> list[dict[str, Any]]:
        """Return the figures."""
        self._progress(f"intervals over {self._customers:,} customers")
        hits = {way: basket_hits(lists, self._problem.target, self._bought) for way, lists in self._lists.items()}
        words = _Words(self._name, self._barred, self._customers, hits)
        found = [words.ours(measure) for measure in BARS]
        found += [words.above(measure, "ours", way) for measure in BARS for way in BESIDE]
        # Where nobody buys anything again, or anything new, there is nothing to find and no figure.
        apart = [m for m in ("repeat10", "explore10", "own10") if not np.isnan(getattr(hits["ours"], m)).all()]
        found += [words.apart(measure, way) for measure in apart for way in BESIDE]
        found += self._further(words, hits["ours"])
        found += [words.by_pasts(measure) for measure in BARS]
        return found

    def _further(self, words: _Words, ours: BasketHits) -> list[dict[str, Any]]:
        fold_means = [float(np.mean(ours.recall10[self._fold == f])) for f in range(5)]
        unseen = np.where(self._compared, np.nan, ours.recall10)
        own, explored = self._candidates
        return [
            words.row("recall10_worst_fold", "recall at 10, lowest of the five folds", min(fold_means), "share"),
            words.mean("recall10_unseen", "recall at 10, without the customers variants were compared on", unseen),
            words.mean("candidates", "recall of all candidates: own items and 100 others", own + explored),
            words.mean("candidates_own", "of it items bought before", own),
            words.row(
                "fold_s", "seconds to learn and ask, one fold, one thread", float(np.median(self._seconds)), "s"
            ),
            words.row("peak_gib", "peak memory, reading and comparators included", _peak_gib(), "GiB"),
        ]


class _Words:
    """Words figures in the one shape."""

    def __init__(self, name: str, barred: bool, customers: int, hits: dict[str, BasketHits]) -> None:
        self._name, self._barred, self._hits = name, barred, hits
        self._draws = HouseholdDraws(np.arange(customers, dtype=np.int64), "bench/nextbasket")
        self._what = f"{customers:,} customers' last baskets"

    def row(self, name: str, label: str, value: float, unit: str, **more: Any) -> dict[str, Any]:
        """Return one figure."""
        bar = more.pop("bar", None)
        bar = bar if self._barred else None
        interval, beside = more.pop("interval", None), more.pop("comparator_value", None)
        return {
            "name": f"{self._name}_{name}",
            "label": f"{self._what}: {label}",
            "value": float(f"{value:.6g}"),
            "unit": unit,
            "interval": None if interval is None else [float(f"{end:.4g}") for end in interval],
            "comparator": None,
            **more,
            "comparator_value": None if beside is None else float(f"{beside:.6g}"),
            "bar": bar,
            "meets": None if bar is None else value >= bar,
        }

    def mean(self, name: str, label: str, values: Floats, **more: Any) -> dict[str, Any]:
        """Return the mean over customers with its interval; those without a value do not count."""
        spread = self._spread(values)
        assert spread.value is not None
        return self.row(name, label, spread.value, "share", interval=[spread.low, spread.high], **more)

    def _spread(self, values: Floats) -> Spread:
        return self._draws.ratio(np.nan_to_num(values), (~np.isnan(values)).astype(np.float64))

    def _of(self, way: str, measure: str) -> Floats:
        values: Floats = getattr(self._hits[way], measure)
        return values

    def _best(self, measure: str) -> str:
        return max(BESIDE, key=lambda way: float(np.nanmean(self._of(way, measure))))

    def ours(self, measure: str) -> dict[str, Any]:
        """Return a barred figure beside the best comparator."""
        best = self._best(measure)
        return self.mean(
            measure,
            WORDS[measure],
            self._of("ours", measure),
            bar=BARS[measure],
            comparator=BESIDE[best],
            comparator_value=float(np.mean(self._of(best, measure))),
        )

    def above(self, measure: str, way: str, other: str) -> dict[str, Any]:
        """Return how much more than a comparator we find, customer by customer."""
        theirs = self._of(other, measure)
        return self.mean(
            f"{measure}_above_{other}",
            f"{WORDS[measure]}, Rapport less {BESIDE[other]}",
            self._of(way, measure) - theirs,
            comparator=BESIDE[other],
            comparator_value=float(np.mean(theirs)),
        )

    def apart(self, measure: str, other: str) -> dict[str, Any]:
        """Return a figure of repeat or explore items beside a comparator's."""
        told = {
            "repeat10": "recall at 10 of items bought before",
            "explore10": "recall at 10 of items never bought before",
            "own10": "share of the first ten that was bought before",
        }
        return self.mean(
            f"{measure}_beside_{other}",
            told[measure],
            self._of("ours", measure),
            comparator=BESIDE[other],
            comparator_value=float(np.nanmean(self._of(other, measure))),
        )

    def by_pasts(self, measure: str) -> dict[str, Any]:
        """Return a figure of lists that no last basket of anybody reached."""
        return self.mean(
            f"pasts_{measure}",
            f"{WORDS[measure]}, no last basket of anybody known",
            self._of("pasts", measure),
            comparator="personal frequency, popularity of pasts",
            comparator_value=float(np.mean(self._of("pasts_frequency", measure))),
        )


def _peak_gib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _listed(scores: NDArray[np.float32], ties: Floats) -> Ints:
    lists = top_k(scores.astype(np.float64), LISTED, ties=ties)
    short = LISTED - lists.shape[1]
    return np.pad(lists, ((0, 0), (0, short)), constant_values=-1) if short else lists


def _comparators(problem: NextBasket, fold: Fold) -> Iterator[tuple[str, NDArray[np.float32], Floats]]:
    """Yield the scores of each way of telling, and what breaks its ties."""
    past, taught, asked = problem.past, problem.target[fold.train], fold.test
    last = popularity(taught)
    popular = popularity(past.items) + last
    everybody = np.ones((len(asked), 1), dtype=np.float32)
    yield "popular", (everybody * popular).astype(np.float32), popular
    yield "popular_last", (everybody * last).astype(np.float32), popular
    yield "frequency", personal_frequency(past, asked, popular), popular
    yield "tifuknn", tifuknn(past, fold.train, asked), popular
    yield "upcf", upcf(past, fold.train, asked), popular
    yield "neighbours", neighbours_next(past, problem.target, fold.train, asked), popular


def _reached(rows: Rows, problem: NextBasket, asked: Ints) -> Floats:
    """Return the share of each basket among own and among other candidates, shape (2, asked)."""
    found = outcomes(rows, problem.target).astype(np.float64)
    size = np.diff(problem.target.indptr)[asked]
    place = np.searchsorted(asked, rows.customer)
    kinds = [np.bincount(place, weights=found * kind, minlength=len(asked)) for kind in (rows.own, ~rows.own)]
    return np.stack(kinds) / size
