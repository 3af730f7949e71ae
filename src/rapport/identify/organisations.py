"""Accounts and their contacts: who works where, in which role, and whom to talk to first.

Why it exists: companies buy through people, and a seller needs several of them in each. Who belongs to an account is
told by its id, its name, or a domain that is its own alone; the domain of a mail provider ties nobody to anything.

A contact belongs to an account by the first of these that is given: its `account_id` in the same system; its
organisation's name; the domain of its e-mail or website. A name or domain that several accounts share ties nobody.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

Seniority = Literal["owner", "c_level", "director", "manager", "staff", "unknown"]
SENIORITIES: tuple[Seniority, ...] = ("owner", "c_level", "director", "manager", "staff", "unknown")
"""Owner or board; chief officer; director, head or vice president; manager; staff; not told. The highest first."""

WEIGHT: dict[Seniority, float] = {
    "owner": 1.0,
    "c_level": 0.9,
    "director": 0.7,
    "manager": 0.5,
    "staff": 0.2,
    "unknown": 0.1,
}
"""How much of an account's value a contact of each seniority is taken to speak for; assumed."""

TITLES: dict[Seniority, str] = {
    "owner": (
        r"owner|founder|co-?founder|partner|proprietor|chair(man|woman|person)?|board|president"
        r"|inhaber(in)?|gesellschafter(in)?|gruender(in)?|grunder(in)?|aufsichtsrat|eigentumer(in)?"
        r"|proprietaire|fondateur|fondatrice|associee?|propietari[oa]|fundador(a)?|soci[oa]|presidente|presidenta"
    ),
    "c_level": (
        r"c[efiotmrpdshl]o|cmo|ciso|chief|managing director|geschaftsfuhrer(in)?|geschaeftsfuehrer(in)?|vorstand"
        r"|vorstandin|directeur general|directrice generale|pdg|dg|gerant|gerante|director general"
        r"|directora general|consejer[oa] delegad[oa]"
    ),
    "director": (
        r"director|vp|svp|evp|vice[ -]president|head|directeur|directrice|directora|leiter(in)?|\w+leiter(in)?"
        r"|direktor(in)?|prokurist(in)?|bereichsleitung|responsable|chef de service|jef[ea]|vicepresident[ea]"
    ),
    "manager": (r"manager(in)?|supervisor|lead|team ?lead|teamleiter(in)?|gestionnaire|gerente|encargad[oa]|foreman"),
    "staff": (
        r"assistant|assistent(in)?|clerk|engineer|ingenieur(in)?|developer|entwickler(in)?|analyst(in)?|consultant"
        r"|berater(in)?|sachbearbeiter(in)?|specialist|spezialist(in)?|buyer|einkaufer(in)?|sales|representative"
        r"|accountant|buchhalter(in)?|secretary|sekretar(in)?|technician|techniker(in)?|intern|praktikant(in)?"
        r"|employe|employee|comptable|acheteu(r|se)|commercial(e)?|asistente|emplead[oa]|contable|comprador(a)?"
        r"|vendedor(a)?|tecnic[oa]|coordinator|administrator|associate|mitarbeiter(in)?|vertrieb"
    ),
}
"""Words of titles in English, German, French and Spanish, in lower case without accents."""

_CHECKED: tuple[tuple[Seniority, re.Pattern[str]], ...] = (
    # Before the words they hold: a vice president is no president, a team leader no head, an associate no partner.
    ("director", re.compile(r"(?<!\w)(vice[ -]?president\w*|vicepresident\w*|[se]?vp)(?!\w)")),
    ("manager", re.compile(r"(?<!\w)(team ?leiter(in)?|project manager|account manager|product owner)(?!\w)")),
    ("staff", re.compile(r"(?<!\w)((assist|secret|sekret)\w+ (to|of|der|des|de|du|del)|business partner)(?!\w)")),
    *((s, re.compile(rf"(?<!\w)({words})(?!\w)")) for s, words in TITLES.items()),
)

FREE_MAIL = frozenset(
    [
        "gmail.com",
        "googlemail.com",
        "outlook.com",
        "hotmail.com",
        "hotmail.de",
        "hotmail.fr",
        "hotmail.es",
        "live.com",
        "msn.com",
        "yahoo.com",
        "yahoo.de",
        "yahoo.fr",
        "yahoo.es",
        "yahoo.co.uk",
        "ymail.com",
        "rocketmail.com",
        "aol.com",
        "icloud.com",
        "me.com",
        "mac.com",
        "gmx.at",
        "gmx.de",
        "gmx.net",
        "gmx.com",
        "web.de",
        "t-online.de",
        "freenet.de",
        "aon.at",
        "chello.at",
        "a1.net",
        "orange.fr",
        "wanadoo.fr",
        "free.fr",
        "laposte.net",
        "sfr.fr",
        "terra.es",
        "telefonica.net",
        "proton.me",
        "protonmail.com",
        "pm.me",
        "mail.com",
        "mail.ru",
        "yandex.ru",
        "yandex.com",
        "qq.com",
        "163.com",
        "126.com",
        "zoho.com",
        "fastmail.com",
        "tutanota.com",
        "hey.com",
        "hotmail.co.uk",
        "btinternet.com",
        "comcast.net",
        "bluewin.ch",
        "libero.it",
        "virgilio.it",
        "bigpond.com",
        "optusnet.com.au",
        "inbox.lv",
        "seznam.cz",
        "wp.pl",
        "o2.pl",
    ]
)
"""Domains at which anybody can have an address; they never tie a person to an account."""

CONTACTS = pa.schema(
    [
        pa.field("account_id", pa.string(), nullable=False),
        pa.field("account", pa.string()),
        pa.field("customer_id", pa.string(), nullable=False),
        pa.field("name", pa.string()),
        pa.field("job_title", pa.string()),
        pa.field("seniority", pa.string(), nullable=False),
        pa.field("basis", pa.string(), nullable=False),
    ]
)
"""One row an account and person. Ids are those of customers; `basis` is `account_id`, `organisation` or `domain`."""


@dataclass(frozen=True)
class Missing:
    """A wanted prospect with too few contacts: `account_id` is None where no account of that name is known."""

    name: str
    account_id: str | None
    contacts: int
    wanted: int

    @property
    def lacking(self) -> int:
        """Return how many contact names are missing."""
        return max(self.wanted - self.contacts, 0)

    @property
    def task(self) -> str:
        """Return what somebody is to do about it."""
        account = "" if self.account_id else " (no record of the account yet)"
        return (
            f"Find {self.lacking} more contact names at {self.name}{account}: {self.contacts} of {self.wanted} known."
        )


def seniority_of(title: str | None) -> Seniority:
    """Return the seniority that a job title tells, in English, German, French or Spanish."""
    text = _plain(title)
    return next((s for s, words in _CHECKED if words.search(text)), "unknown")


def _plain(text: str | None) -> str:
    import unicodedata

    apart = unicodedata.normalize("NFKD", (text or "").lower().replace("ß", "ss"))
    return " ".join("".join(c for c in apart if not unicodedata.combining(c)).replace(".", "").split())


def domain_of(text: str | None) -> str | None:
    """Return the domain of an e-mail address or a website that can belong to a company, None where it cannot."""
    if not text:
        return None
    host = text.rsplit("@", 1)[-1] if "@" in text else re.sub(r"^[a-z+]+://", "", text.lower())
    host = re.split(r"[/?#:]", host.lower(), maxsplit=1)[0].removeprefix("www.").strip(".")
    return host if "." in host and host not in FREE_MAIL else None


def contacts_of_accounts(standard: pa.Table, customers: pa.Table) -> pa.Table:
    """Return the contacts of all accounts, CONTACTS, by account and seniority.

    Parameters
    ----------
    standard : Arrow table
        `core.people.STANDARD`; accounts are its records of kind organisation.
    customers : Arrow table
        record_key, customer_id of every record, organisations included.

    Returns
    -------
    Arrow table
        A person with records at several accounts has a row for each; several records at one account make one row,
        that of the highest seniority.
    """
    ids = dict(zip(customers["record_key"].to_pylist(), customers["customer_id"].to_pylist(), strict=True))
    columns = "record_key system record_id kind given_name surname emails organisation website account_id job_title"
    records = standard.select(columns.split()).to_pylist()
    accounts = [r for r in records if r["kind"] == "organisation" and r["record_key"] in ids]
    index = _Index.of(accounts, ids)
    best: dict[tuple[str, str], dict[str, Any]] = {}
    for record in records:
        who = ids.get(record["record_key"])
        if record["kind"] != "person" or who is None:
            continue
        for account, basis in index.accounts_of(record):
            row = _contact(record, who, (account, index.names.get(account)), basis)
            held = best.get((account, who))
            if held is None or _before(row, held):
                best[account, who] = row
    rows = sorted(best.values(), key=lambda r: (r["account_id"], SENIORITIES.index(r["seniority"]), r["customer_id"]))
    return pa.Table.from_pylist(rows, CONTACTS)


def _before(row: Mapping[str, Any], held: Mapping[str, Any]) -> bool:
    return SENIORITIES.index(row["seniority"]) < SENIORITIES.index(held["seniority"])


def _contact(record: Mapping[str, Any], who: str, account: tuple[str, str | None], basis: str) -> dict[str, Any]:
    return {
        "account_id": account[0],
        "account": account[1],
        "customer_id": who,
        "name": " ".join(n for n in (record["given_name"], record["surname"]) if n) or None,
        "job_title": record["job_title"],
        "seniority": seniority_of(record["job_title"]),
        "basis": basis,
    }


@dataclass(frozen=True)
class _Index:
    """Where an account is found: by record id in its system, by name, by domain; shared ones are left out."""

    by_record: Mapping[tuple[str, str], str]
    by_name: Mapping[str, str]
    by_domain: Mapping[str, str]
    names: Mapping[str, str]

    @classmethod
    def of(cls, accounts: Iterable[Mapping[str, Any]], ids: Mapping[int, str]) -> _Index:
        records: dict[tuple[str, str], str] = {}
        names: dict[str, str] = {}
        by_name: dict[str, set[str]] = {}
        by_domain: dict[str, set[str]] = {}
        for a in accounts:
            account = ids[a["record_key"]]
            records[a["system"], a["record_id"]] = account
            if a["organisation"]:
                names.setdefault(account, a["organisation"])
                by_name.setdefault(a["organisation"], set()).add(account)
            for domain in filter(None, map(domain_of, [a["website"], *(a["emails"] or [])])):
                by_domain.setdefault(domain, set()).add(account)
        return cls(records, _alone(by_name), _alone(by_domain), names)

    def accounts_of(self, record: Mapping[str, Any]) -> list[tuple[str, str]]:
        """Return the accounts of a person's record, each with what tells it."""
        told = self.by_record.get((record["system"], record["account_id"] or ""))
        if told is not None:
            return [(told, "account_id")]
        named = self.by_name.get(record["organisation"] or "")
        if named is not None:
            return [(named, "organisation")]
        domains = filter(None, map(domain_of, [*(record["emails"] or []), record["website"]]))
        return [(a, "domain") for a in sorted({self.by_domain[d] for d in domains if d in self.by_domain})]


def _alone(found: Mapping[str, Collection[str]]) -> dict[str, str]:
    return {key: next(iter(accounts)) for key, accounts in found.items() if len(accounts) == 1}


def missing_contacts(
    wanted: Sequence[tuple[str, int]], contacts: pa.Table, accounts: Mapping[str, str]
) -> list[Missing]:
    """Return every wanted prospect with the contacts it has, those that lack most first.

    Parameters
    ----------
    wanted : sequence of (name, contact names wanted at least)
    contacts : Arrow table
        CONTACTS; a contact without a name is none that can be called.
    accounts : mapping of str to str
        Standard name of each account -> its id.
    """
    named: dict[str, int] = {}
    for account, name in zip(contacts["account_id"].to_pylist(), contacts["name"].to_pylist(), strict=True):
        named[account] = named.get(account, 0) + (name is not None)
    by_name = {_plain(name): account for name, account in accounts.items()}
    rows = []
    for name, least in wanted:
        account = by_name.get(_plain(name))
        rows.append(Missing(name, account, named.get(account or "", 0), least))
    return sorted(rows, key=lambda m: (-m.lacking, m.name))


def top_contacts(contacts: pa.Table, values: Mapping[str, float], accounts: int, each: int) -> list[dict[str, Any]]:
    """Return the top contacts of the top accounts: rows of CONTACTS with the account's `value` and their `weight`.

    Parameters
    ----------
    values : mapping of str to float
        Worth of each account, in any unit; an account not named is worth 0 and comes last.
    accounts, each : int
        How many accounts, and contacts of each.

    Returns
    -------
    list of dict
        Accounts by value, contacts by value x the weight of their seniority (`WEIGHT`), which is `weight`.
    """
    rows = contacts.to_pylist()
    order = sorted({r["account_id"] for r in rows}, key=lambda a: (-values.get(a, 0.0), a))[:accounts]
    top = []
    for account in order:
        mine = [r for r in rows if r["account_id"] == account]
        mine.sort(key=lambda r: (-WEIGHT[r["seniority"]], r["customer_id"]))
        worth = values.get(account, 0.0)
        top += [r | {"value": worth, "weight": worth * WEIGHT[r["seniority"]]} for r in mine[:each]]
    return top
