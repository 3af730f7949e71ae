"""Cells of exported files that a spreadsheet program must not take for formulas.

Why it exists: a name such as ``=HYPERLINK(...)`` in the data becomes a command where someone opens the export.
Files that Rapport reads back itself are not written through this.
"""

from __future__ import annotations

_BEGINS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def safe_cell(text: str) -> str:
    """Return a text that spreadsheet programs show and do not compute: an apostrophe goes before what may begin one.

    Numbers, such as ``-12.5`` or ``+43 1 5870``, are left as they are. Blanks before the sign do not hide it.
    """
    begin = text.lstrip(" \u00a0")
    if not begin.startswith(_BEGINS) or _is_number(begin):
        return text
    return f"'{text}"


def _is_number(text: str) -> bool:
    return len(text) > 1 and text[0] in "+-" and text[1:].replace(" ", "").replace(".", "").replace(",", "").isdigit()
