"""Names of companies: the name, and apart from it the legal form.

Why it exists: `Miller & Sons, Inc.` and `MILLER AND SONS INCORPORATED` are one company, whose form tells it from
`Miller and Sons LLC`.
"""

from __future__ import annotations

import re

import pyarrow as pa
import pyarrow.compute as pc

from rapport.core.reasons import ValueReason
from rapport.identify.blocked import is_blocked_name, is_no_value
from rapport.identify.fold import fold
from rapport.identify.standard_values import Values, nothing, read_distinct

FORMS = {
    form: code
    for code, forms in {
        "inc": "inc|incorporated", "corp": "corp|corporation", "co": "co|company", "llc": "llc|l l c|limited "
        "liability company",
        "llp": "llp|l l p|limited liability partnership", "lp": "lp|l p|limited partnership", "pc": "p c",
        "ltd": "ltd|limited|l t d", "plc": "plc|p l c|public limited company", "pty": "pty|proprietary",
        "pty ltd": "pty ltd|proprietary limited|pty limited", "co ltd": "co ltd|co limited|company limited",
        "pvt ltd": "pvt ltd|private limited|pte ltd|pvt limited", "gmbh": "gmbh|g m b h|mbh|gesellschaft mit "
        "beschrankter haftung",
        "gmbh co kg": "gmbh co kg|gmbh and co kg|gmbh und co kg|gmbh and co|gmbh u co kg", "ag":
        "ag|aktiengesellschaft",
        "kg": "kg|kommanditgesellschaft", "ohg": "ohg", "gbr": "gbr", "ug": "ug|ug haftungsbeschrankt", "ev": "e "
        "v|ev",
        "eg": "eg|e g", "ek": "e k|e kfm", "se": "se", "sa": "sa|s a|societe anonyme|sociedad anonima", "sas":
        "sas|s a s",
        "sarl": "sarl|s a r l|societe a responsabilite limitee", "sasu": "sasu", "eurl": "eurl|e u r l", "sci": "sci",
        "srl": "srl|s r l", "spa": "spa|s p a", "sl": "sl|s l|sociedad limitada", "slu": "slu|s l u", "sau": "sau",
        "lda": "lda|limitada", "ltda": "ltda", "bv": "bv|b v|besloten vennootschap", "nv": "nv|n v|naamloze "
        "vennootschap",
        "vof": "vof|v o f", "bvba": "bvba", "ab": "ab|aktiebolag", "as": "as|a s|aksjeselskap|aktieselskab",
        "asa": "asa",
        "aps": "aps", "oy": "oy|osakeyhtio", "oyj": "oyj", "sro": "sro|s r o|spol s r o", "doo": "doo|d o o",
        "zrt": "zrt",
        "kft": "kft|korlatolt felelossegu tarsasag", "spzoo": "sp z o o|spolka z o o|sp zoo", "ooo": "ooo",
        "oao": "oao",
        "kk": "kk|kabushiki kaisha|k k", "cv": "sa de cv|s a de c v", "ulc": "ulc",
    }.items()
    for form in forms.split("|")
}  # fmt: skip
"""Legal forms, folded, and the code of each. None of the codes means another form."""

_LONGEST = max(len(f.split()) for f in FORMS)
_LEADING = frozenset({"ooo", "oao"})


def read_organisations(texts: pa.Array) -> tuple[Values, pa.Array]:
    """Return the names of companies, and beside them the codes of their legal forms."""
    if len(texts) == texts.null_count:
        return Values(texts, nothing(len(texts))), nothing(len(texts))
    both = read_distinct(texts, _joined)
    halves = pc.split_pattern(both.values, "|")
    null = pa.scalar(None, pa.string())
    name, form = pc.list_element(halves, 0), pc.list_element(halves, 1)
    return Values(name, both.reasons), pc.if_else(pc.equal(form, ""), null, form)


def _joined(text: str) -> tuple[str | None, ValueReason | None]:
    name, form, reason = read_organisation(text)
    return (None, reason) if name is None else (f"{name}|{form or ''}", None)


def read_organisation(text: str) -> tuple[str | None, str | None, ValueReason | None]:
    """Return name and code of the legal form of one company, or why it has none."""
    if is_no_value(text):
        return None, None, ValueReason.BLOCKED_VALUE
    words = fold(re.sub(r"[&+]", " and ", text)).split()
    forms: list[str] = []
    while len(words) > 1:
        taken = next((n for n in range(min(_LONGEST, len(words) - 1), 0, -1) if " ".join(words[-n:]) in FORMS), 0)
        if taken:
            forms.insert(0, FORMS[" ".join(words[-taken:])])
            words = words[:-taken]
            words = words[:-1] if len(words) > 1 and words[-1] == "and" else words
        elif words[0] in _LEADING:
            forms.insert(0, words[0])
            words = words[1:]
        else:
            break
    name = " ".join(words)
    if not name or is_blocked_name(name):
        return None, None, ValueReason.BLOCKED_VALUE
    form = " ".join(forms)
    return name, FORMS.get(form, form) or None, None
