"""What a model of needs groups is: its groups, how their number was chosen, its record.

Why it exists: names, profiles, reports and rules read the same record, and a later turn compares its groups with it.
A model is data: arrays and words, no code. No fitting may enter (see ``needs``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final

import numpy as np

from rapport.core.reasons import Status
from rapport.differentiate.needs_counts import Counts, Feature, Floats, Vocabulary, evidence
from rapport.differentiate.needs_fit import Groups, fold_in

RECORD: Final = "needs-1"
EVERYONE: Final = "everyone"
"""Name of the one group where no groups hold."""


@dataclass(frozen=True, slots=True)
class ComparedNumber:
    """How one number of groups did on customers and weeks that its fit had not seen.

    Gains are in nats per held-out purchase, over popularity unless said otherwise, with 95 % intervals over
    customers.

    Attributes
    ----------
    k : int
    stability : float
        Cosine of the profiles, as deviations from those of everyone, of the same group fitted to two halves of the
        customers: the least stable group, mean over the pairs of halves; in [-1, 1]. 1 for k = 1.
    membership : float
        Correlation of the customers' weights in the same group by the two halves' models, mean over groups.
    adjusted_rand : float
        Agreement of main groups by the two halves' models (Hubert & Arabie 1985); 0 by chance, 1 the same.
    gain, gain_low, gain_high : float
    gain_new : float
        The same among things that the customer had not bought before.
    over_personal, over_personal_low, over_personal_high : float
        Of personal frequency drawn towards the groups, over personal frequency drawn towards popularity.
    stable, chosen : bool
    """

    k: int
    stability: float
    membership: float
    adjusted_rand: float
    gain: float
    gain_low: float
    gain_high: float
    gain_new: float
    over_personal: float
    over_personal_low: float
    over_personal_high: float
    stable: bool
    chosen: bool


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What the numbers of groups were compared on.

    Attributes
    ----------
    days : int
        Length of the held-out end of the known time.
    customers, purchases : int
    popularity : float
        Log-likelihood of a held-out purchase by popularity, nats; the exponential of its negative is the perplexity.
    personal, personal_low, personal_high : float
        Gain of personal frequency, drawn towards popularity as far as suits it best, over popularity.
    """

    days: int
    customers: int
    purchases: int
    popularity: float
    personal: float
    personal_low: float
    personal_high: float


@dataclass(frozen=True)
class NeedsModel:
    """Needs groups as learned.

    Attributes
    ----------
    version : str
        Names the form of the record and its content.
    as_of : str
        Day, ISO 8601; nothing on or after it was used.
    first_day : str
        First day of the history learned from.
    level : {'item', 'category', 'department'}
    status : Status
        OK; TOO_FEW_CUSTOMERS or NOT_MEASURABLE where no number of groups could be compared.
    why : str
        How many groups there are and by what rule, in one sentence.
    customers : int
        Customers learned from.
    vocabulary : Vocabulary
    groups : Groups
        Largest first.
    names : tuple of str, k of them
    marks : tuple of k tuples of (view, value, log-odds z-score, ratio to everyone), the most distinguishing first
    compared : tuple of ComparedNumber
    held_out : HeldOut or None
    kept_from : str
        Version of the model whose names were kept where groups are the same; empty where there was none.
    """

    version: str
    as_of: str
    first_day: str
    level: str
    status: Status
    why: str
    customers: int
    vocabulary: Vocabulary
    groups: Groups
    names: tuple[str, ...]
    marks: tuple[tuple[tuple[str, str, float, float], ...], ...]
    compared: tuple[ComparedNumber, ...] = ()
    held_out: HeldOut | None = None
    kept_from: str = ""

    @property
    def k(self) -> int:
        """Return how many groups there are."""
        return self.groups.k

    def to_record(self) -> dict[str, Any]:
        """Return the model as a dict of plain values that JSON can hold."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        return plain | {
            "record": RECORD,
            "status": str(self.status),
            "vocabulary": {
                "features": [list(f) for f in self.vocabulary.features],
                "base": self.vocabulary.base.tolist(),
                "covered": self.vocabulary.covered,
            },
            "groups": {"share": self.groups.share.tolist(), "profile": self.groups.profile.tolist()},
            "names": list(self.names),
            "marks": [[list(m) for m in group] for group in self.marks],
            "compared": [asdict(c) for c in self.compared],
            "held_out": None if self.held_out is None else asdict(self.held_out),
        }

    def versioned(self) -> NeedsModel:
        """Return the model with the version that its content gives it."""
        record = self.to_record() | {"version": ""}
        digest = hashlib.blake2b(json.dumps(record, sort_keys=True).encode(), digest_size=6).hexdigest()
        return NeedsModel(**{f.name: getattr(self, f.name) for f in fields(self)} | {"version": f"needs-{digest}"})

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> NeedsModel:
        """Return the model that ``to_record`` wrote.

        Raises
        ------
        ValueError
            If the record is of another form, or lacks a field.
        """
        if record.get("record") != RECORD:
            raise ValueError(f"needs record: form is {record.get('record')!r}; must be {RECORD!r}. Fit it again.")
        odd = sorted(set(record) ^ ({f.name for f in fields(cls)} | {"record"}))
        if odd:
            raise ValueError(f"needs record: fields missing or unknown - {', '.join(odd)}; fit the model again.")
        words, groups = record["vocabulary"], record["groups"]
        read: dict[str, Any] = {
            "status": Status(record["status"]),
            "vocabulary": Vocabulary(
                tuple(Feature(*f) for f in words["features"]), np.array(words["base"]), words["covered"]
            ),
            "groups": Groups(np.array(groups["share"]), np.array(groups["profile"])),
            "names": tuple(record["names"]),
            "marks": tuple(tuple((m[0], m[1], m[2], m[3]) for m in g) for g in record["marks"]),
            "compared": tuple(ComparedNumber(**c) for c in record["compared"]),
            "held_out": None if record["held_out"] is None else HeldOut(**record["held_out"]),
        }
        return cls(**{f.name: read.get(f.name, record[f.name]) for f in fields(cls)})


def predict_needs(model: NeedsModel, counts: Counts) -> Floats:
    """Return the weights of customers in the groups, each worked out alone.

    Parameters
    ----------
    model : NeedsModel
    counts : Counts of n customers over the model's vocabulary, as counted

    Returns
    -------
    float64 array, shape (n, k); rows sum to 1. Who has bought nothing that the model knows has the groups' shares.
    """
    return fold_in(evidence(counts, model.vocabulary), model.groups)
