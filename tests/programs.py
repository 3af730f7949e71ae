"""The smallest programme that is allowed, as text and as data, for every test that needs one.

The text stands in full, so that a test can count its lines; `changed` replaces one piece of it and refuses to
replace what is not there.
"""

from __future__ import annotations

import tomllib
from typing import Any

from rapport.program.model import Program

MINIMAL = """\
name = "Corner shop"
currency = "EUR"
timezone = "Europe/Vienna"

[[challenges]]
name = "few-visits"
text = "People come once and do not come back."

[[goals]]
name = "more-visits"
challenge = "few-visits"
measure = "purchase_days_per_customer"
target_change = 0.05
by = 2030-12-31

[tiers]
top_share = 0.25
bottom_share = 0.20

[tiers.purpose]
A = "Keep."
B = "Grow."
C = "Serve cheaply."

[[sources]]
kind = "transactions"
path = "lines.csv"
columns = { customer_id = "who", basket_id = "trip", product_id = "what", at = "when", sales = "paid" }

[margins]
default = 0.30

[offers]
depth = 0.20
query = "SELECT DISTINCT item FROM purchases"

[lift]
odds_ratio = 4.0
low = 2.0
high = 8.0
why = "A guess."

[[channels]]
name = "email"
goals = ["more-visits"]
cost_per_contact = 0.01
capacity = 100
reach = 0.5

[policy]
holdout_share = 0.10
"""


def changed(*pieces: tuple[str, str]) -> str:
    """Return the minimal programme's text with pieces of it replaced, each of which must stand in it once."""
    text = MINIMAL
    for old, new in pieces:
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in the minimal programme"
        text = text.replace(old, new)
    return text


def program_with(**parts: Any) -> Program:
    """Return the minimal programme with whole parts replaced, such as ``policy={...}``."""
    return Program.model_validate(tomllib.loads(MINIMAL) | parts)
