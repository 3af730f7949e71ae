"""Values that never identify anyone: what people type where they have nothing to say, and what the company names.

Why it exists: two records that share `test@test.com` or 000-0000 share nothing. Closed lists; which values are too
frequent to identify is found in `rapport.identify.standard_frequent`.
"""

from __future__ import annotations

import re

from rapport.identify.fold import fold
from rapport.identify.standard_values import words

NO_VALUE = words(
    "null none nil nan na n a n/a nv no not available not applicable not known not given not provided unknown "
    "unbekannt "
    "inconnu desconocido onbekend ukjent okand tba tbd tbc missing blank empty leer vide vacio undefined undef void "
    "x xx xxx xxxx xxxxx y yy z zz zzz keine kein keine angabe k a ka sin datos no name noname nobody nomail no "
    "email "
    "noemail no phone nophone"
) - {"n", "a", "no", "not", "x", "y", "k", "name", "email", "phone", "available", "applicable", "known", "given"}
NO_VALUE_TEXTS = frozenset(
    {
        "not available", "not applicable", "not known", "not given", "not provided", "keine angabe", "n a", "k a",
        "no name", "no email", "no mail", "no phone", "sin datos", "do not call", "see notes", "same", "as above",
    }
)  # fmt: skip
"""Texts, folded, that stand for no value in any column."""

PLACEHOLDER_NAMES = words(
    "test tester testing testperson customer client kunde guest gast anonymous anonym anon anonymus user dummy "
    "sample "
    "example demo asdf asdfg asdfgh qwerty qwertz abc abcd aaa aaaa bbb firstname lastname surname givenname vorname "
    "nachname somebody someone walkin unnamed deleted removed fake"
)
_MAILBOX = re.compile(
    r"(test|tests|tester|testing|no-?reply|do-?not-?reply|none|null|na|no|nobody|nomail|noemail|no-?email|unknown|"
    r"anonymous|example|fake|dummy|asdf\w*|qwerty\w*|a|aa|aaa|abc|x|xx|xxx)([+.\-_]?\d*)"
)
_ROBOT = re.compile(r"(no-?reply|do-?not-?reply|mailer-daemon|postmaster|bounces?|null|devnull)([+.\-_].*)?")
_NO_DOMAIN = words(
    "example.com example.org example.net test.com test.org test.de none.com noemail.com nomail.com no.com na.com "
    "email.com.invalid asdf.com abc.com null.com unknown.com fake.com mailinator.com nowhere.com noreply.com"
)
_MARKED = re.compile(
    r"test|tests|tester|testing|none|null|nobody|no-?mail|no-?email|unknown|anonymous|dummy|asdf\w*|xxx"
)


def is_no_value(text: str) -> bool:
    """Return whether a text of any column stands for no value, such as `n/a` or `---`."""
    folded = fold(text)
    return not folded or folded in NO_VALUE or folded in NO_VALUE_TEXTS


def is_blocked_name(folded: str) -> bool:
    """Return whether a folded name is a placeholder, such as `test` or `customer`."""
    if folded in NO_VALUE or folded in NO_VALUE_TEXTS:
        return True
    words = folded.split()
    return all(w in PLACEHOLDER_NAMES or w.isdigit() for w in words) and not folded.isdigit()


def is_blocked_email(address: str) -> bool:
    """Return whether a standard address is nobody's: of a reserved domain, a robot's, or made up to fill a field."""
    local, _, domain = address.rpartition("@")
    if domain in _NO_DOMAIN or domain.startswith(("example.", "test.")):
        return True
    return bool(_ROBOT.fullmatch(local) or _MARKED.fullmatch(local))


def is_blocked_number(digits: str) -> bool:
    """Return whether an id is filled with one repeated character, or counts up or down, such as 000000 or 123456."""
    if len(set(digits)) <= 1:
        return len(digits) != 1 or digits == "0"
    return len(digits) >= 5 and (digits in "01234567890123456789" or digits in "98765432109876543210")
