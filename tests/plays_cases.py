"""Plays for tests: written out in full, so that a test says only what it is about."""

from __future__ import annotations

from typing import Any

from rapport.program.plays import Play
from rapport.workflows.plays import Shelved


def play(name: str = "ask", **changes: Any) -> Play:
    """Return a play that talks to everybody, and saves half of one unit of the currency, but for the changes."""
    treatment = {
        "effect": "contact",
        "say": "How are we doing?",
        "at_stake": "1000000",
        "share": 0.5,
        "low": 0.25,
        "high": 1.0,
        "share_why": "Assumed for a test.",
        "channel": "call",
    }
    plain = {
        "name": name,
        "title": f"Title of {name}",
        "why": f"Why {name}.",
        "when": "true",
        "owner": "owner",
        "evidence": "A comparison.",
        "treatment": treatment,
    }
    given = changes.pop("treatment", {})
    if given.get("effect", "contact") != "contact":
        plain["treatment"] = given
    else:
        plain["treatment"] = treatment | given
    return Play.model_validate(plain | changes)


def restrain(name: str = "quiet", **treatment: Any) -> Play:
    """Return a play that restrains everybody."""
    return play(name, treatment={"effect": "restrain"} | treatment)


def steer(name: str = "widen", **treatment: Any) -> Play:
    """Return a play that steers everybody."""
    return play(name, treatment={"effect": "steer"} | treatment)


def shelved(one: Play) -> Shelved:
    """Return a play as if it came from a programme's folder."""
    return Shelved(one, f"plays/{one.name}.toml", "", own=True, used=True)


FILE = """\
name = "grand-reserve"
title = "Buyers of the grand reserve"
why = "They like to be asked first."
when = "sales_micros >= 50000000"
owner = "cellar master"
evidence = "Bottles kept aside and taken, against a random share not called."

[treatment]
effect = "contact"
say = "Dear {{ traits['first_name'] or 'friend' }}, shall we keep a case for you?"
at_stake = "margin_micros"
share = 0.1
low = 0.0
high = 0.2
share_why = "Assumed."
"""
"""A play of a programme's own, as its file."""
