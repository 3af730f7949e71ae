"""The header of an allocation instance: channels, size of portfolios and limits, checked.

Why it exists: people write it by hand, so every slip must be named with its place, its value and what is allowed.
The tables beside it are read elsewhere.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rapport.core.errors import InstanceInvalid, nearest
from rapport.simulate.instance_record import CONTACTS, COST, OFFERS, Group, Instance, InstanceLimit

FORMAT = 1
MOST_SIZE = 100
MOST_CHANNELS = 62
_KEYS = ("format", "size", "channels", "variety", "kinds", "through_reach", "limits")
_LIMIT_KEYS = ("name", "counts", "at_most", "at_least", "channels", "offers", "customers")
_CHANNEL_KEYS = ("name", "reach", "cost", "amounts")


@dataclass(frozen=True)
class ChannelTerms:
    """A channel as the header says it: name, reach, and what a contact costs and uses by default."""

    name: str
    reach: float = 1.0
    cost: float = 0.0
    amounts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Header:
    """What the header says; limits are checked later, when the tables are known."""

    place: str
    size: int
    channels: tuple[ChannelTerms, ...]
    variety: float
    kinds: dict[str, int]
    through_reach: frozenset[str]
    limits: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Known:
    """What limits may name: amounts, channels, offers and labels."""

    candidate_amounts: frozenset[str]
    contact_amounts: frozenset[str]
    channels: tuple[str, ...]
    offers: Mapping[Any, int]
    attributes: Mapping[str, tuple[str, ...]]
    groupings: Mapping[str, tuple[str, ...]]


MOST = 1e300
"""Larger numbers would overflow when they are multiplied."""


def _number(place: str, key: str, value: Any, low: float, high: float = math.inf) -> float:
    good = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < MOST
    if not good or not low <= value <= high:
        span = f"at least {low:g}" if math.isinf(high) else f"in [{low:g}, {high:g}]"
        raise InstanceInvalid(f"{place}: {key} is {value!r}; it must be a finite number {span}, below {MOST:g}.")
    return float(value)


def _whole(place: str, key: str, value: Any, low: int, high: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise InstanceInvalid(f"{place}: {key} is {value!r}; it must be a whole number from {low} to {high}.")
    return value


def _of_kind(place: str, key: str, value: Any, kind: type, said: str) -> Any:
    if not isinstance(value, kind):
        raise InstanceInvalid(f"{place}: {key} is {value!r}; it must be {said}.")
    return value


def _known_keys(place: str, value: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
    for key in value:
        if key not in allowed:
            raise InstanceInvalid(
                f"{place}: there is no key {key!r}; keys are {', '.join(allowed)}.{nearest(key, allowed)}"
            )


def _among(place: str, key: str, value: Any, allowed: Any, what: str) -> Any:
    if not isinstance(value, (str, int)) or isinstance(value, bool) or value not in allowed:
        some = ", ".join(str(a) for a in list(allowed)[:10]) or "none"
        more = f" and {len(allowed) - 10} more" if len(allowed) > 10 else ""
        hint = nearest(str(value), [str(a) for a in list(allowed)[:1000]])
        raise InstanceInvalid(f"{place}: {key} names {value!r}; {what} are {some}{more}.{hint}")
    return value


def read_header(text: str, place: str) -> Header:
    """Return what a header says.

    Raises
    ------
    InstanceInvalid
        It is not JSON, a key is unknown or missing, or a value is not allowed.
    """
    try:
        said = json.loads(text)
    except json.JSONDecodeError as error:
        raise InstanceInvalid(f"{place}:{error.lineno}: it is not JSON - {error.msg}; write one object.") from error
    _of_kind(place, "the header", said, dict, "one JSON object")
    _known_keys(place, said, _KEYS)
    if said.get("format") != FORMAT or isinstance(said.get("format"), bool):
        raise InstanceInvalid(f"{place}: format is {said.get('format')!r}; it must be {FORMAT}.")
    if "size" not in said:
        raise InstanceInvalid(f"{place}: size is missing; say how many offers a customer may get at most.")
    kinds = _of_kind(place, "kinds", said.get("kinds", {}), dict, 'an object such as {"discount": 1}')
    limits = _of_kind(place, "limits", said.get("limits", []), list, "a list of objects")
    through = _of_kind(place, "through_reach", said.get("through_reach", []), list, "a list of amounts")
    variety = _number(place, "variety", said.get("variety", 1.0), 0.0, 1.0)
    if variety == 0.0:
        raise InstanceInvalid(
            f"{place}: variety is 0; it must lie above 0 and be at most 1. For one of a kind, use kinds."
        )
    return Header(
        place=place,
        size=_whole(place, "size", said["size"], 1, MOST_SIZE),
        channels=_channels(place, said.get("channels", [{"name": "message"}])),
        variety=variety,
        kinds={k: _whole(place, f"kinds.{k}", most, 1, MOST_SIZE) for k, most in kinds.items()},
        through_reach=frozenset(_of_kind(place, "through_reach", a, str, "a list of amounts") for a in through),
        limits=tuple(_of_kind(place, f"limits[{i}]", x, dict, "an object") for i, x in enumerate(limits)),
    )


def _channels(place: str, said: Any) -> tuple[ChannelTerms, ...]:
    _of_kind(place, "channels", said, list, "a list of objects")
    if not 1 <= len(said) <= MOST_CHANNELS:
        raise InstanceInvalid(f"{place}: channels has {len(said)} entries; it must have 1 to {MOST_CHANNELS}.")
    channels = [_channel(f"{place}: channels[{i}]", c) for i, c in enumerate(said)]
    names = [c.name for c in channels]
    for name in names:
        if names.count(name) > 1:
            raise InstanceInvalid(f"{place}: channel {name!r} stands twice; names must differ.")
    return tuple(channels)


def _channel(place: str, said: Any) -> ChannelTerms:
    _of_kind(place, "the channel", said, dict, "an object with a name")
    _known_keys(place, said, _CHANNEL_KEYS)
    name = _of_kind(place, "name", said.get("name"), str, "text")
    if not name:
        raise InstanceInvalid(f"{place}: name is empty; give the channel a name.")
    amounts = _of_kind(place, "amounts", said.get("amounts", {}), dict, 'an object such as {"minutes": 5}')
    if COST in amounts:
        raise InstanceInvalid(f"{place}: amounts.cost is {amounts[COST]!r}; what a contact costs is the key cost.")
    return ChannelTerms(
        name=name,
        reach=_number(place, "reach", said.get("reach", 1.0), 0.0, 1.0),
        cost=_number(place, "cost", said.get("cost", 0.0), 0.0),
        amounts={k: _number(place, f"amounts.{k}", v, 0.0) for k, v in amounts.items()},
    )


def read_limits(header: Header, known: Known) -> tuple[InstanceLimit, ...]:
    """Return the limits that a header lists, each name in them looked up.

    Raises
    ------
    InstanceInvalid
        A limit names what is not there, or has a bound that is not allowed.
    """
    limits = tuple(_limit(header, i, x, known) for i, x in enumerate(header.limits))
    seen: set[str] = set()
    for i, limit in enumerate(limits):
        if limit.name in seen:
            raise InstanceInvalid(
                f"{header.place}: limits[{i}]: name is {limit.name!r} a second time; names must differ."
            )
        seen.add(limit.name)
    return limits


def _limit(header: Header, index: int, said: dict[str, Any], known: Known) -> InstanceLimit:
    name = said.get("name")
    place = f"{header.place}: limits[{index}]" + (f" {name!r}" if isinstance(name, str) else "")
    _known_keys(place, said, _LIMIT_KEYS)
    if not isinstance(name, str) or not name:
        raise InstanceInvalid(f"{place}: name is {name!r}; every limit needs a name, as text.")
    amounts = sorted(known.candidate_amounts | known.contact_amounts | {COST})
    counts = _among(place, "counts", said.get("counts"), [CONTACTS, OFFERS, *amounts], "what can be counted")
    senses = [key for key in ("at_most", "at_least") if key in said]
    if len(senses) != 1:
        raise InstanceInvalid(
            f"{place}: it has {' and '.join(senses) or 'neither at_most nor at_least'}; "
            "it must have exactly one of at_most and at_least. For a span write two limits."
        )
    if "offers" in said and counts != OFFERS and counts not in known.candidate_amounts:
        raise InstanceInvalid(
            f"{place}: offers are named, but {counts!r} belongs to contacts; "
            f"count {OFFERS!r} or an amount of candidates."
        )
    return InstanceLimit(
        name=name,
        counts=counts,
        bound=_number(place, senses[0], said[senses[0]], 0.0),
        at_least=senses[0] == "at_least",
        channels=_limit_channels(place, said, known),
        offers=_limit_offers(place, said, known),
        customers=_group(place, "customers", said["customers"], known.groupings) if "customers" in said else None,
    )


def _limit_channels(place: str, said: dict[str, Any], known: Known) -> tuple[int, ...] | None:
    if "channels" not in said:
        return None
    names = _of_kind(place, "channels", said["channels"], list, "a list of names of channels")
    return tuple(
        sorted({known.channels.index(_among(place, "channels", n, known.channels, "channels")) for n in names})
    )


def _limit_offers(place: str, said: dict[str, Any], known: Known) -> tuple[int, ...] | Group | None:
    if "offers" not in said:
        return None
    if isinstance(said["offers"], dict):
        return _group(place, "offers", said["offers"], known.attributes)
    ids = _of_kind(place, "offers", said["offers"], list, 'a list of offers, or an object such as {"supplier": "x"}')
    return tuple(sorted({known.offers[_among(place, "offers", o, known.offers, "offers")] for o in ids}))


def _group(place: str, key: str, said: Any, labels: Mapping[str, tuple[str, ...]]) -> Group:
    _of_kind(place, key, said, dict, 'an object such as {"tier": "gold"}')
    if len(said) != 1:
        raise InstanceInvalid(f'{place}: {key} has {len(said)} keys; it must have one, such as {{"tier": "gold"}}.')
    by, values = next(iter(said.items()))
    _among(place, key, by, tuple(labels), f"columns of {key}.parquet")
    values = values if isinstance(values, list) else [values]
    return Group(by, tuple(_among(place, f"{key}.{by}", str(v), labels[by], "its values") for v in values))


def write_header(instance: Instance, channels: list[dict[str, Any]]) -> str:
    """Return the header of an instance as JSON text; `channels` as they are to be said."""
    said: dict[str, Any] = {"format": FORMAT, "size": instance.size, "channels": channels}
    if instance.variety != 1.0:
        said["variety"] = instance.variety
    if instance.kinds:
        said["kinds"] = dict(instance.kinds)
    if instance.through_reach:
        said["through_reach"] = sorted(instance.through_reach)
    said["limits"] = [_said(instance, limit) for limit in instance.limits]
    return json.dumps(said, indent=1, allow_nan=False)


def _said(instance: Instance, limit: InstanceLimit) -> dict[str, Any]:
    said: dict[str, Any] = {"name": limit.name, "counts": limit.counts}
    said["at_least" if limit.at_least else "at_most"] = limit.bound
    if limit.channels is not None:
        said["channels"] = [instance.channels[r].name for r in limit.channels]
    if isinstance(limit.offers, Group):
        said["offers"] = {limit.offers.by: list(limit.offers.values)}
    elif limit.offers is not None:
        said["offers"] = [instance.offers[j].item() for j in limit.offers]
    if limit.customers is not None:
        said["customers"] = {limit.customers.by: list(limit.customers.values)}
    return said
