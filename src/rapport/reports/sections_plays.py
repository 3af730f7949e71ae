"""The section on plays: whom each is for, what is at stake, who does it, and what the decision made of it.

Why it exists: owners want their lists and what these should bring; who trusts a play wants to see what must be
measured first. Where a turn used no play the page says nothing.
"""

from __future__ import annotations

from rapport.reports.blocks import Cell, Section, Table
from rapport.reports.blocks import Terms as Meanings
from rapport.reports.facts import ReportFacts, counted
from rapport.reports.facts_plays import PlayFacts
from rapport.reports.figures import show_figure


def plays_sections(facts: ReportFacts) -> tuple[Section, ...]:
    """Return the section on plays; none where the turn used none."""
    if facts.plays is None:
        return ()
    plays = facts.plays.plays
    talks = [p for p in plays if p.delivered is not None]
    says = (
        "Plays compete with offers in the same decision: a reason to talk is chosen where what it should save is "
        "worth more than the contact and what the limits make of it. What a talk saves is assumed unless marked "
        "otherwise.",
    )
    blocks = [_whom(plays, facts.currency)]
    if talks:
        blocks.append(_talks(talks, facts.currency))
    meanings = Meanings(tuple((f"{p.title} ({p.name})", _meaning(p)) for p in plays))
    return (Section("plays", "Plays", says, (*blocks, meanings)),)


def _whom(plays: tuple[PlayFacts, ...], currency: str) -> Table:
    tiers = [t for t, _ in plays[0].customers]
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            p.title,
            p.effect,
            *(show_figure(counted(n), currency) for _, n in p.customers),
            show_figure(counted(p.contacted), currency),
            show_figure(counted(p.held_out), currency),
        )
        for p in plays
    )
    headers = ("Play", "Effect", *tiers, "Contacted in this turn", "Held out")
    return Table("Whom each play is for", headers, rows, "By tier; a customer can be meant by several plays.")


def _talks(talks: list[PlayFacts], currency: str) -> Table:
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            p.title,
            p.owner,
            p.channel,
            show_figure(p.at_stake, currency) if p.at_stake else "",
            show_figure(counted(p.delivered or 0), currency),
            show_figure(p.expected, currency) if p.expected else "",
        )
        for p in talks
    )
    headers = ("Play", "Owner", "Channel", "At stake", "Chosen and delivered", "Expected of these, after contacts")
    note = "The channel's list in the outbox names each customer, why, and what to say."
    return Table("Reasons to talk", headers, rows, note)


def _meaning(play: PlayFacts) -> str:
    assumed = f" Assumed: {play.assumption}" if play.assumption else ""
    return f"{play.why}{assumed} To trust it, measure: {play.evidence}"
