"""Which records are one customer: verified keys, then weighed evidence, then clusters; doubts go to review.

Why it exists: customers must be known at every contact point, and a wrong merge has legal effect. Everything is
decided here and below from tables; what runs queries and Splink lies behind `rapport.workflows.link_ports`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from rapport.core.people import STANDARD
from rapport.identify.comparisons import ORGANISATION, PERSON
from rapport.identify.link_model import LinkModel, atoms_of
from rapport.identify.link_threshold import best_believed, thresholds
from rapport.program.identify import Identify
from rapport.workflows.link_ports import Ints, Linker, MakeLinker, Scored
from rapport.workflows.ports import Progress
from rapport.workflows.resolve_decide import decide, nothing_to_compare
from rapport.workflows.resolve_fit import choose, learn
from rapport.workflows.resolve_judge import (
    Given,
    Judged,
    Resolution,
    believed,
    floor_of,
    given_of,
    judge,
    take,
    weights_of,
)

__all__ = ["Known", "Resolution", "resolve", "resolve_again", "resolve_more"]


@dataclass(frozen=True)
class Known:
    """What an earlier run with the same model found: its records, links and clusters."""

    standard: pa.Table
    links: pa.Table
    clusters: pa.Table


def resolve(
    standard: pa.Table,
    verdicts: pa.Table,
    settings: Identify,
    verified: Collection[tuple[str, str]],
    make_linker: MakeLinker,
    progress: Progress,
    also: Sequence[float] = (),
) -> Resolution:
    """Return which records are one customer.

    Parameters
    ----------
    standard : Table
        As `STANDARD`; string columns after those are compared as texts whose meaning is not known.
    verdicts : Table
        As `VERDICTS`: what people decided; always honoured, `never` before `same` where they contradict.
    settings : Identify
        Costs of a wrong merge, a missed one, a look.
    verified : collection of (system, column)
        What each system has verified.
    make_linker : callable
        Opens the machine that compares.
    progress : Progress
        Told the stages.
    also : sequence of float
        Further thresholds, in log2 odds, at which clusters are formed.
    """
    texts = tuple(c for c in standard.column_names if c not in STANDARD.names)
    limits = thresholds(settings)
    with make_linker() as linker:
        progress.start("comparing records", None)
        given = given_of(linker, standard, texts, verdicts, verified)
        found = choose(linker, standard.num_rows, texts, about_of(standard)) if standard.num_rows > 1 else None
        if found is None:
            progress.finish()
            return nothing_to_compare(linker, given)
        model = learn(linker, found, given, limits, texts)
        judged = judge(
            linker,
            model,
            given,
            linker.score(
                weights_of(model), min([floor_of(model), *(b - 1 - np.log2(max(model.shares.match)) for b in also)])
            ),
        )
        if settings.aim == "f1":
            model = replace(model, thresholds=best_believed(*believed(judged), model.thresholds))
        result = decide(linker, model, given, judged, also)
        progress.finish()
    result.estimates["pairs_compared"] = found.pairs
    result.estimates["blocks_left_out"] = found.skip.num_rows
    return result


def about_of(standard: pa.Table) -> str:
    """Return whether most records are organisations' or people's."""
    firms = sum(1 for k in standard["kind"].to_pylist() if k == ORGANISATION)
    return ORGANISATION if 2 * firms > standard.num_rows else PERSON


def resolve_more(
    model: LinkModel,
    known: Known,
    new: pa.Table,
    verdicts: pa.Table,
    verified: Collection[tuple[str, str]],
    make_linker: MakeLinker,
    progress: Progress,
) -> Resolution:
    """Return what a whole run with this model would, weighing only pairs with a new record.

    Parameters
    ----------
    model : LinkModel
        Of an earlier run; settings of costs are in it.
    known : Known
        Records of earlier runs with this model, and what was found.
    new : Table
        As `STANDARD`: records to add. A record of a known key takes the place of the known one.
    """
    old = known.standard.filter(~np.isin(known.standard["record_key"].to_numpy(), new["record_key"].to_numpy()))
    standard = pa.concat_tables([old.select(new.column_names), new])
    with make_linker() as linker:
        progress.start("comparing new records", new.num_rows)
        given = given_of(linker, standard, model.texts, verdicts, verified)
        linker.frequencies(model.comparisons, model.frequencies, True)
        fresh = np.unique(given.node[np.isin(given.record_key, new["record_key"].to_numpy())])
        linker.find_pairs(model.rules, atoms_of(model.texts), model.skip, 0.0, fresh)
        judged = judge(linker, model, given, linker.score(weights_of(model), floor_of(model)))
        judged = _with_known(linker, model, given, judged, known.links, fresh)
        result = decide(linker, model, given, judged, ())
        progress.advance(new.num_rows)
        progress.finish()
    return result


def resolve_again(
    model: LinkModel,
    standard: pa.Table,
    verdicts: pa.Table,
    verified: Collection[tuple[str, str]],
    make_linker: MakeLinker,
    progress: Progress,
) -> Resolution:
    """Return which records are one customer by a model that is there already."""
    with make_linker() as linker:
        progress.start("comparing records", standard.num_rows)
        given = given_of(linker, standard, model.texts, verdicts, verified)
        linker.frequencies(model.comparisons, model.frequencies, True)
        linker.find_pairs(model.rules, atoms_of(model.texts), model.skip, 0.0, None)
        judged = judge(linker, model, given, linker.score(weights_of(model), floor_of(model)))
        result = decide(linker, model, given, judged, ())
        progress.finish()
    return result


def _with_known(
    linker: Linker, model: LinkModel, given: Given, judged: Judged, links: pa.Table, fresh: Ints
) -> Judged:
    """Add the links of earlier runs between records that are as they were."""
    left, right = links["left_key"].to_numpy(), links["right_key"].to_numpy()
    there = np.isin(left, given.record_key) & np.isin(right, given.record_key)
    place = np.searchsorted(given.record_key, np.stack([left[there], right[there]]))
    nodes = np.sort(given.node[place], axis=0)
    nodes = nodes[:, ~np.isin(nodes, fresh).any(axis=0)]
    pairs = np.unique(nodes, axis=1)
    if pairs.shape[1] == 0:
        return judged
    again = judge(linker, model, given, linker.score_these(weights_of(model), pairs[0], pairs[1]))
    parts = [judged.scored, again.scored]
    scored = Scored(*(np.concatenate([getattr(p, f) for p in parts]) for f in Scored.__dataclass_fields__))
    odds = np.concatenate([judged.odds, again.odds])
    order = np.lexsort((scored.right, scored.left))
    return Judged(take(scored, order), odds[order])
