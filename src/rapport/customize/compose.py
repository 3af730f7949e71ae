"""Compose what each customer gets: a message, or one row of a print file.

Why it exists: one decision, one touch. The decision says which offers and which channel; here it becomes
words, from standard modules, with what is known of the customer and graceful where it is not. The same
decision always gives the same bytes. No file is read, nothing is sent, and no claim may enter that is not in
the data.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Literal

import pyarrow as pa

from rapport.core.errors import OfferInvalid, ProgramInvalid, nearest
from rapport.customize.names import readable_name, show_day, show_percent
from rapport.customize.sandbox import CheckedTemplate
from rapport.customize.talks import TalkWords, talk_columns

Format = Literal["message", "print"]

SILENCE = "silence"
"""The channel of a decision to say nothing."""

PREFERENCE_PLACEHOLDER = "[preference link]"
"""Stands where a channel that carries messages puts its own link to preferences; files keep the words."""

TEMPLATE_NAMES = ("message.html.j2", "message.txt.j2", "subject.txt.j2")

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_NAMELESS = re.compile(r"\bDear\s*,")
_BLANK_LINES = re.compile(r"\n{3,}")
_TRAILING = re.compile(r"[ \t]+$", re.MULTILINE)
_SHOWS_INCLUDES = re.compile(r"\{[{%][^}]*\bincludes\b")

_GROUPS = (("repeat", "Yours again"), ("explore", "Something new for you"))
_OTHER_GROUP = "Also for you"

_WHY = {
    "individual": "These offers were chosen for your household from what it has bought with us.",
    "segment": "These offers were chosen for a group of customers that you belong to.",
    "mass": "The same offers go to many of our customers.",
}


@dataclass(frozen=True)
class TemplateSet:
    """Texts of the three templates; `place` is where errors say they stand."""

    html: str
    text: str
    subject: str
    place: str = "templates"


@dataclass(frozen=True)
class SenderFacts:
    """Who writes, and what the programme says of its channels.

    Attributes
    ----------
    name : str
        The company, as customers know it.
    currency : str
        ISO 4217 code.
    formats : mapping of str to {"message", "print"}
        Format of each channel of the programme.
    portfolio_size : int
        Most offers of one touch; gives a print file its columns.
    name_traits : tuple of str
        Traits that hold the name to greet with, the first filled one wins.
    needs : mapping of str to str
        The trait by which a channel reaches a customer, such as the e-mail address: a column of its print rows.
    includes : tuple of (str, str or None)
        Name of each include of the programme, and its text where it has one: a template of its own.
    talks : mapping of str to TalkWords
        By offer id, the offers that are reasons to talk: for the one who talks, never for the customer to read.
    talk_channels : frozenset of str
        Channels of such talks, whose print rows have columns for them.
    only_talk : frozenset of str
        Those of them that carry nothing else, whose print rows have no columns for offers.
    """

    name: str
    currency: str
    formats: Mapping[str, Format]
    portfolio_size: int
    name_traits: tuple[str, ...] = (
        "first_name",
        "given_name",
        "forename",
        "name",
        "vorname",
        "prenom",
        "nombre",
        "nome",
    )
    needs: Mapping[str, str] = field(default_factory=dict)
    includes: tuple[tuple[str, str | None], ...] = ()
    talks: Mapping[str, TalkWords] = field(default_factory=dict)
    talk_channels: frozenset[str] = frozenset()
    only_talk: frozenset[str] = frozenset()


@dataclass(frozen=True)
class ComposedMessage:
    """One touch, ready to be carried.

    Every touch has a subject, HTML and text, and a row of decided attributes for a print shop or a mail merge;
    `format` says which of them the channel carries: "message" or "print".
    `deliver` is false for those who are kept out to measure against: composed, never to be carried.
    """

    touch_id: str
    customer_key: int
    customer_id: str
    turn: str
    channel: str
    format: Format
    deliver: bool
    subject: str
    html: str
    text: str
    offer_ids: tuple[str, ...]
    row: Mapping[str, str]


@dataclass(frozen=True)
class OfferWords:
    """One offer as a template sees it."""

    id: str
    name: str
    percent: str
    kind: str
    valid_until: str
    last_day: date


@dataclass(frozen=True)
class OfferGroup:
    """Offers under one heading."""

    title: str
    offers: tuple[OfferWords, ...]


class _NoName(str):
    """What stands for a name that is not known: reads as `customer`, counts as absent in a condition."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return False


class _Traits:
    """Traits of one customer for a template; one that is not known is empty, never an error."""

    __slots__ = ("_names", "_values")
    # With indexing alone Python would walk through 0, 1, 2 ... for ever.
    __iter__ = None

    def __init__(self, values: Mapping[str, str], names: tuple[str, ...]) -> None:
        self._values = values
        self._names = names

    def __getitem__(self, name: str) -> str:
        found = self._values.get(name, "")
        return _NoName("customer") if not found and name in self._names else found


def touch_id(turn: str, channel: str, customer_key: int) -> str:
    """Return the id of a touch: ``<turn>-<channel>-<16 hex digits of the customer's key, unsigned>``.

    Parameters
    ----------
    turn, channel : str
        Letters, digits, dot, dash and underscore, since the id names files.
    customer_key : int
        In [-2**63, 2**63).

    Raises
    ------
    ProgramInvalid
        Where turn or channel holds anything else.
    """
    for what, name in (("turn", turn), ("channel", channel)):
        if not _NAME.fullmatch(name):
            raise ProgramInvalid(
                f"{what} is {name!r}; must begin with a letter or digit and hold only letters, digits, "
                f"dot, dash and underscore. Rename it."
            )
    return f"{turn}-{channel}-{customer_key & 0xFFFFFFFFFFFFFFFF:016x}"


def compose_messages(
    decisions: pa.Table,
    catalogue: pa.Table,
    traits: pa.Table | None,
    templates: TemplateSet,
    sender: SenderFacts,
    included: Mapping[int, Sequence[int]] | None = None,
    because: Mapping[int, str] | None = None,
) -> list[ComposedMessage]:
    """Return one composed message for each decision that is not silence, in the order of the decisions.

    Parameters
    ----------
    decisions : Table or RecordBatch of `core.tables.DECISIONS`, n rows
    catalogue : Table of `core.tables.CATALOGUE`
    traits : Table or None
        `customer_key` and any string columns; customers may be missing, cells may be null.
    templates : TemplateSet
    sender : SenderFacts
    included : mapping of int to positions, optional
        By customer key, which of `sender.includes` hold; nothing for customers who are not there.
    because : mapping of int to text, optional
        By customer key, the figures for which a reason to talk is for the customer.

    Returns
    -------
    list of ComposedMessage, at most n
        The held-out are composed too, with `deliver` false.

    Raises
    ------
    ProgramInvalid
        A template is refused or cannot be filled in (names template and line), or leaves out the texts that the
        programme includes; a channel is not in `sender.formats`.
    OfferInvalid
        A decision names an offer that the catalogue lacks, more than `portfolio_size`, or none where nothing else
        is said either.
    """
    checked = _Checked(templates, sender.includes, sender.talks)
    figures = because or {}
    offers = _offer_words(catalogue)
    known = _traits_by_key(traits)
    told = included or {}
    return [
        _compose(
            d | {"because": figures.get(d["customer_key"], "")},
            offers,
            (known.get(d["customer_key"], {}), told.get(d["customer_key"], ())),
            checked,
            sender,
        )
        for d in _spoken(decisions)
    ]


class _Checked:
    def __init__(
        self,
        templates: TemplateSet,
        includes: Sequence[tuple[str, str | None]],
        talks: Mapping[str, TalkWords],
    ) -> None:
        html, text, subject = (f"{templates.place}/{name}" for name in TEMPLATE_NAMES)
        self.html = CheckedTemplate(html, templates.html, html=True)
        self.text = CheckedTemplate(text, templates.text, html=False)
        self.subject = CheckedTemplate(subject, templates.subject, html=False)
        # Filled as plain text: the message's template escapes them like any other value.
        self.includes = {
            i: (name, CheckedTemplate(f"program.toml, includes.{name}.text", said, html=False))
            for i, (name, said) in enumerate(includes)
            if said is not None
        }
        self.talks = {offer: CheckedTemplate(t.place, t.say, html=False) for offer, t in talks.items()}
        for place, source in ((html, templates.html), (text, templates.text)):
            if self.includes and not _SHOWS_INCLUDES.search(source):
                raise ProgramInvalid(
                    f"{place}: shows no `includes`, and the programme includes a text "
                    f"({next(iter(self.includes.values()))[0]}) that would be lost. "
                    f"Add {{% for said in includes %}}{{{{ said }}}}{{% endfor %}}."
                )


_NEEDED = (
    "customer_key",
    "customer_id",
    "turn",
    "tier",
    "channel",
    "level",
    "deliver",
    "offer_ids",
    "offer_kinds",
    "offer_contributions_micros",
)


def _spoken(decisions: pa.Table) -> Iterator[dict[str, Any]]:
    columns = [decisions.column(name).to_pylist() for name in _NEEDED]
    for values in zip(*columns, strict=True):
        row = dict(zip(_NEEDED, values, strict=True))
        if row["channel"] != SILENCE:
            yield row


def _offer_words(catalogue: pa.Table) -> dict[str, OfferWords]:
    names = ("offer_id", "name", "depth", "valid_from", "valid_days")
    columns = [catalogue.column(name).to_pylist() for name in names]
    found = {}
    for offer_id, name, depth, valid_from, valid_days in zip(*columns, strict=True):
        # An offer valid for one day ends on the day it begins.
        last = valid_from + timedelta(days=valid_days - 1)
        found[offer_id] = OfferWords(offer_id, readable_name(name), show_percent(depth), "", show_day(last), last)
    return found


def _traits_by_key(traits: pa.Table | None) -> dict[int, dict[str, str]]:
    if traits is None:
        return {}
    kept = [f.name for f in traits.schema if pa.types.is_string(f.type) or pa.types.is_large_string(f.type)]
    columns = [traits.column(name).to_pylist() for name in kept]
    keys = traits.column("customer_key").to_pylist()
    # One line each: a line break in a name would end a header, a control character can hide text.
    return {
        key: {n: _one_line(v) for n, v in zip(kept, values, strict=True) if v is not None}
        for key, *values in zip(keys, *columns, strict=True)
    }


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _chosen(
    decision: dict[str, Any], offers: Mapping[str, OfferWords], most: int, least: int
) -> tuple[OfferWords, ...]:
    """Return the offers of a decision, the one with the highest expected contribution first."""
    place = f"decision of customer {decision['customer_id']}"
    ids = decision["offer_ids"] or []
    kinds = decision["offer_kinds"] or [""] * len(ids)
    if not least <= len(ids) <= most:
        raise OfferInvalid(
            f"{place}: has {len(ids)} offers in channel {decision['channel']}; must have {least} to {most}. "
            f"Decide the turn again."
        )
    if not ids:
        return ()
    missing = [i for i in ids if i not in offers]
    if missing:
        raise OfferInvalid(
            f"{place}: offer {missing[0]} is not in the catalogue; must be one of its {len(offers):,}."
            f"{nearest(missing[0], offers)} Decide the turn again."
        )
    gains = decision["offer_contributions_micros"] or [0] * len(ids)
    best = max(range(len(ids)), key=lambda slot: (gains[slot], -slot))
    order = [best, *(slot for slot in range(len(ids)) if slot != best)]
    found = (offers[ids[s]] for s in order)
    return tuple(
        OfferWords(o.id, o.name, o.percent, kinds[s], o.valid_until, o.last_day)
        for s, o in zip(order, found, strict=True)
    )


def _grouped(offers: tuple[OfferWords, ...], best: str) -> tuple[OfferGroup, ...]:
    """Return the offers under their headings, those of the best offer's heading right after it."""
    named = dict(_GROUPS)
    groups = [OfferGroup(title, tuple(o for o in offers if o.kind == kind)) for kind, title in _GROUPS]
    groups.append(OfferGroup(_OTHER_GROUP, tuple(o for o in offers if o.kind not in named)))
    return tuple(sorted((g for g in groups if g.offers), key=lambda g: g.title != best))


def _compose(
    decision: dict[str, Any],
    offers: Mapping[str, OfferWords],
    customer: tuple[dict[str, str], Sequence[int]],
    checked: _Checked,
    sender: SenderFacts,
) -> ComposedMessage:
    channel = decision["channel"]
    form = _form_of(channel, sender)
    values, told = customer
    texts = [checked.includes[i] for i in told if i in checked.includes]
    talk = next((o for o in decision["offer_ids"] or () if o in sender.talks), None)
    chosen = _chosen(_sold(decision, talk), offers, sender.portfolio_size, least=0 if texts or talk else 1)
    best_title = dict(_GROUPS).get(chosen[0].kind, _OTHER_GROUP) if chosen else ""
    name = next((values[n] for n in sender.name_traits if values.get(n)), "")
    greeting = f"Dear {name}" if name else "Dear customer"
    identity = touch_id(decision["turn"], channel, decision["customer_key"])
    address = {sender.needs[channel]: values.get(sender.needs[channel], "")} if channel in sender.needs else {}
    filled = {
        "sender": sender.name,
        "currency": sender.currency,
        "greeting": greeting,
        "traits": _Traits(values, sender.name_traits),
        "tier": decision["tier"],
        "best": chosen[0] if chosen else None,
        "best_title": best_title,
        "offers": chosen,
        "groups": _grouped(chosen[1:], best_title),
        "others": max(len(chosen) - 1, 0),
        "why": _WHY.get(decision["level"], _WHY["mass"]) if chosen else "",
        "preferences": PREFERENCE_PLACEHOLDER,
    }
    said = {name: template.fill(filled).strip() for name, template in texts}
    filled["includes"] = tuple(said.values())
    addressed = (greeting, address, _asked(said, checked))
    row = _print_row(identity, decision, addressed, chosen, _slots(channel, sender))
    # Who only talks writes nothing to the customer: there is no message, only the row of the one who talks.
    written = talk is None or bool(chosen)
    return ComposedMessage(
        touch_id=identity,
        customer_key=decision["customer_key"],
        customer_id=decision["customer_id"],
        turn=decision["turn"],
        channel=channel,
        format=form,
        deliver=decision["deliver"],
        subject=_one_line(checked.subject.fill(filled)) if written else sender.talks[talk or ""].title,
        html=_NAMELESS.sub("Dear customer,", checked.html.fill(filled)) if written else "",
        text=_tidy(checked.text.fill(filled)) if written else "",
        offer_ids=tuple(decision["offer_ids"]),
        row=row | _talk_row(talk, decision, filled, checked, sender),
    )


def _slots(channel: str, sender: SenderFacts) -> int:
    """Return for how many offers a print row of a channel has columns."""
    return 0 if channel in sender.only_talk else sender.portfolio_size


def _sold(decision: dict[str, Any], talk: str | None) -> dict[str, Any]:
    """Return the decision without its reason to talk, which is not for the customer to read."""
    if talk is None:
        return decision
    lists = ("offer_ids", "offer_kinds", "offer_contributions_micros")
    kept = [slot for slot, offer in enumerate(decision["offer_ids"]) if offer != talk]
    return decision | {name: [decision[name][s] for s in kept] for name in lists if decision[name]}


def _talk_row(
    talk: str | None, decision: dict[str, Any], filled: Mapping[str, Any], checked: _Checked, sender: SenderFacts
) -> dict[str, str]:
    """Return the columns for the one who talks; none in channels without plays."""
    if decision["channel"] not in sender.talk_channels:
        return {}
    words = sender.talks.get(talk or "")
    said = checked.talks[talk].fill(dict(filled)) if talk else ""
    told = talk_columns(talk, words, decision["because"], said)
    return {name: _one_line(value) for name, value in told.items()}


def _form_of(channel: str, sender: SenderFacts) -> Format:
    form = sender.formats.get(channel)
    if form is None:
        raise ProgramInvalid(
            f"program.toml: channel {channel!r} of a decision is not among the programme's channels; "
            f"allowed are {', '.join(sorted(sender.formats))}. Decide the turn again."
        )
    return form


def _asked(said: Mapping[str, str], checked: _Checked) -> dict[str, str]:
    """Return a column of the print row for every text of the programme, empty where it is not for the customer."""
    return {f"include_{name}": _one_line(said.get(name, "")) for name, _ in checked.includes.values()}


def _tidy(text: str) -> str:
    return _BLANK_LINES.sub("\n\n", _TRAILING.sub("", _NAMELESS.sub("Dear customer,", text))).strip() + "\n"


def _print_row(
    identity: str,
    decision: dict[str, Any],
    addressed: tuple[str, dict[str, str], dict[str, str]],
    chosen: tuple[OfferWords, ...],
    size: int,
) -> dict[str, str]:
    greeting, address, asked = addressed
    row = {
        "touch_id": identity,
        "customer_id": decision["customer_id"],
        **address,
        "tier": decision["tier"],
        "greeting": greeting,
        **asked,
    }
    if size:
        # The earliest last day: until then every offer of the row holds.
        row["valid_until"] = min(o.last_day for o in chosen).isoformat() if chosen else ""
    for slot in range(size):
        offer = chosen[slot] if slot < len(chosen) else None
        row[f"offer_{slot + 1}_id"] = offer.id if offer else ""
        row[f"offer_{slot + 1}_name"] = offer.name if offer else ""
        row[f"offer_{slot + 1}_percent"] = offer.percent if offer else ""
    return row
