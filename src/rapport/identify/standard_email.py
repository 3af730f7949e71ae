"""E-mail addresses as they are compared, and the mailbox that the provider's own rules make of each.

Why it exists: `Jane.Doe+shop@googlemail.com` and `janedoe@gmail.com` are two addresses of one mailbox, and only the
provider's documented rules say so. What an address is, email-validator says; nothing is looked up on the network.
"""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from rapport.core.reasons import ValueReason
from rapport.identify.blocked import is_blocked_email, is_no_value
from rapport.identify.standard_values import Values, read_rest, words

_PLAIN = r"^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$"
_WRAPPED = re.compile(r"^(?:mailto:)?[^<>]*<([^<>]+)>$", re.IGNORECASE)

_ALIASES = {"googlemail.com": "gmail.com", "me.com": "icloud.com", "mac.com": "icloud.com",
            "protonmail.com": "proton.me", "pm.me": "proton.me", "protonmail.ch": "proton.me",
            "ya.ru": "yandex.ru", "yandex.com": "yandex.ru"}  # fmt: skip
_PLUS = words(
    "gmail.com outlook.com hotmail.com live.com msn.com icloud.com proton.me fastmail.com fastmail.fm yandex.ru"
)
_NO_DOTS = frozenset({"gmail.com", "proton.me"})
_NO_SIGNS = frozenset({"proton.me"})
_YAHOO = re.compile(r"(?:yahoo|ymail|rocketmail)\.[a-z.]+")
_MICROSOFT = re.compile(r"(?:outlook|hotmail|live)\.[a-z]{2,3}(?:\.[a-z]{2})?")


def read_emails(texts: pa.Array) -> Values:
    """Return standard addresses, each text holding one.

    Letters in lower case, the domain in its ASCII form (IDNA 2008), the local part in Unicode's composed form. A
    slip in the domain, such as `gmial.com`, is left: an address is never changed to another.
    """
    text = pc.utf8_trim_whitespace(texts)
    parts = pc.split_pattern(text, "@")
    two = pc.equal(pc.list_value_length(parts), 2)
    pair = pc.if_else(two, text, pa.scalar("@", pa.string()))
    halves = pc.split_pattern(pair, "@")
    local, domain = pc.list_element(halves, 0), pc.list_element(halves, 1)
    plain = pc.and_(pc.match_substring_regex(local, _PLAIN), pc.less_equal(pc.binary_length(local), 64))
    plain = pc.and_(plain, pc.less_equal(pc.binary_length(pair), 254))
    domains = domain.dictionary_encode()
    known = pa.array([_domain(d) for d in domains.dictionary.to_pylist()], pa.string()).take(domains.indices)
    fast = pc.binary_join_element_wise(pc.ascii_lower(local), known, "@")
    fast = pc.if_else(pc.fill_null(plain, False), fast, pa.scalar(None, pa.string()))
    fast = pc.if_else(
        pc.match_substring_regex(pc.coalesce(fast, pa.scalar("")), _SUSPECT), pa.scalar(None, pa.string()), fast
    )
    return read_rest(text, fast, read_email)


_SUSPECT = (
    r"^(?:no|do|mailer|postmaster|bounce|null|devnull|test|none|nobody|unknown|anonymous|dummy|asdf|xxx|na@)"
    r"|@(?:example|test|none|noemail|nomail|no|na|asdf|abc|null|unknown|fake|mailinator|nowhere|noreply|email)\."
)
"""Addresses that may be blocked: a wider net than `is_blocked_email`, which decides."""


def read_email(text: str) -> tuple[str | None, ValueReason | None]:
    """Return one standard address, or why it is none."""
    if is_no_value(text):
        return None, ValueReason.BLOCKED_VALUE
    wrapped = _WRAPPED.match(text)
    bare = wrapped.group(1) if wrapped else text.removeprefix("mailto:")
    address = _valid(bare.strip(" \t\r\n,;.<>\"'"))
    for _ in range(2):
        again = address and _valid(address)
        if again == address:
            break
        address = again
    else:
        address = None
    if address is None:
        return None, ValueReason.NOT_AN_EMAIL if not _reserved(bare) else ValueReason.BLOCKED_VALUE
    return (None, ValueReason.BLOCKED_VALUE) if is_blocked_email(address) else (address, None)


def mailbox(address: str) -> str:
    """Return the mailbox of a standard address by the documented rules of its provider; others keep the address.

    Gmail ignores dots and what follows a plus; Outlook.com, iCloud, Fastmail, Proton and Yandex what follows a plus;
    Proton dots, hyphens and underscores; Yahoo's disposable addresses end in a hyphen and a keyword.
    """
    local, _, domain = address.rpartition("@")
    domain = _ALIASES.get(domain, domain)
    if domain in _PLUS or _MICROSOFT.fullmatch(domain):
        local = local.partition("+")[0] or local
    if domain in _NO_DOTS:
        local = local.replace(".", "") or local
    if domain in _NO_SIGNS:
        local = local.replace("-", "").replace("_", "") or local
    if _YAHOO.fullmatch(domain):
        local = local.partition("-")[0] or local
    return f"{local}@{domain}"


def mailboxes(addresses: pa.Array) -> pa.Array:
    """Return the mailbox of each standard address."""
    marked = pc.match_substring_regex(addresses, _MARKED_AT)
    same = pc.if_else(marked, pa.scalar(None, pa.string()), addresses)
    return read_rest(addresses, same, lambda a: (mailbox(a), None)).values


_MARKED_AT = (
    r"[+].*@(?:gmail|googlemail|me|mac|icloud|protonmail|proton|pm|ya|yandex|fastmail|outlook|hotmail|live|msn)\."
    r"|[.].*@(?:gmail|googlemail|protonmail|proton|pm)\.|[-_].*@(?:protonmail|proton|pm)\."
    r"|-.*@(?:yahoo|ymail|rocketmail)\.|@(?:" + "|".join(re.escape(d) for d in _ALIASES) + ")$"
)
"""Addresses whose mailbox may be another text: a wider net than `mailbox`, which decides."""


def _domain(domain: str) -> str | None:
    checked = _valid(f"a@{domain}") if domain and domain.isascii() else None
    return None if checked is None else checked[2:]


def _valid(text: str) -> str | None:
    from email_validator import EmailNotValidError, validate_email

    try:
        found = validate_email(text, check_deliverability=False)
    except (EmailNotValidError, UnicodeError):
        return None
    return f"{found.local_part.lower()}@{found.ascii_domain.lower()}"


def _reserved(text: str) -> bool:
    return bool(re.search(r"@(?:.*\.)?(?:test|invalid|localhost|local|example)$", text.strip().lower()))
