"""Render the audit of a programme's data: one page that stands alone, in the look of the report of a turn.

Why it exists: who decides what to collect and what to mend reads a page, not a terminal; it can be mailed and
printed. It holds ids of customers and no other word about them, fetches nothing, and says no time of its making. No
number is computed here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from rapport.identify.audit import UNMAPPED
from rapport.reports.blocks import Block, Cell, Missing, Section, Table
from rapport.reports.facts import counted
from rapport.reports.figures import KeyFigure, Shown, show_figure, show_number

Row = Mapping[str, Any]


def render_audit(found: Mapping[str, Any], programme: str, currency: str) -> str:
    """Return the page of an audit.

    Parameters
    ----------
    found : mapping
        `people`, `agreement`, `collect` (see `rapport.workflows.audit_people`); `fields`, `summary` of the sources.
    programme, currency : str
        Name and currency of the programme.
    """
    environment = Environment(
        loader=PackageLoader("rapport.reports", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    collect = found["collect"]
    sections = [_collect(collect, currency), _people(found["people"]), _agreement(found["agreement"])]
    return environment.get_template("audit.html.j2").render(
        programme=programme,
        currency=currency,
        as_of=collect["as_of"].isoformat() if collect else "",
        summary=_summary(found, currency),
        sections=(*(sections if collect else [_no_people()]), _sources(found["fields"], found["summary"])),
    )


def _summary(found: Mapping[str, Any], currency: str) -> tuple[KeyFigure, ...]:
    def count(label: str, number: int, meaning: str) -> KeyFigure:
        return KeyFigure(label, show_figure(counted(number), currency), meaning)

    collect, sources = found["collect"], found["summary"]["sources"]
    keys = [
        count("Rows of sources", sum(s["rows"] for s in sources), f"In {len(sources):,} sources of what happened."),
        count(
            "Rows in quarantine",
            sum(sum(s["quarantined"].values()) for s in sources),
            "Could not be used; the section on the sources says why.",
        ),
    ]
    if collect:
        systems = {r["system"]: r["rows"] for r in found["people"] if r["system"] != UNMAPPED}
        records = sum(systems.values())
        keys = [
            count("People", collect["customers"], f"In {records:,} records of {len(systems):,} systems."),
            count("People not reached at all", collect["unreachable"], "No e-mail, no phone and no address."),
            count("Reached by outdated contacts only", collect["outdated_only"], "All that is known is too old."),
            count("People who lack a contact", collect["lacking"], "An e-mail, a phone or an address."),
            *keys,
        ]
    return tuple(keys)


def _no_people() -> Section:
    what = "No system that holds records of people is declared, so nothing is known of who customers are."
    gone = Missing(what, "Propose one from a file.", "rapport map FILE")
    return Section("people", "Records of people", (), (gone,))


def _money(micros: int | None, currency: str) -> str:
    return "not known" if micros is None else show_number(micros, "money", currency)


def _share(value: float) -> str:
    return show_number(value, "share", "", 1)


def _day(day: date | None) -> Cell:
    """Return a day as a figure, so that it is not broken at its dashes."""
    return "" if day is None else Shown(day.isoformat(), "", "", assumed=False)


def _named(field: str) -> str:
    return field.replace("_", " ")


def _collect(found: Row, currency: str) -> Section:
    turn = found["turn"]
    says = (
        "What makes most value reachable comes first. A value too old to be relied on counts as lacking.",
        f"Values are those of turn {turn}."
        if turn
        else "Values are not known before the first turn; customers count instead.",
    )
    headers = (
        "Field",
        "Lacking",
        "Missing",
        "Outdated",
        "Not reached at all",
        "Would become reachable",
        "Value of lacking",
        "Value gained",
    )
    rows = tuple(
        (
            _named(f["field"]),
            *(f"{f[k]:,}" for k in ("lacking", "missing", "outdated", "unreachable", "becomes_reachable")),
            *(_money(f[k], currency) for k in ("value_micros", "reachable_value_micros")),
        )
        for f in found["fields"]
    )
    note = "Would become reachable: people of whom e-mail, phone and address are all missing or outdated."
    blocks: list[Block] = [Table("What people lack", headers, rows, note)]
    if found["first"]:
        blocks.append(_first(found, currency))
    return Section("collect", "What to collect next", says, tuple(blocks))


def _first(found: Row, currency: str) -> Table:
    rows = tuple(
        (
            r["customer_id"],
            r["reached"],
            ", ".join(map(_named, r["missing"])) or "nothing",
            ", ".join(map(_named, r["outdated"])) or "nothing",
            _money(r["value_micros"], currency),
        )
        for r in found["first"]
    )
    left = found["lacking"] - len(rows)
    note = f"{left:,} more people lack a way to be reached." if left else ""
    headers = ("Customer", "Reached", "Missing", "Outdated", "Value")
    return Table("Whose contacts to collect first", headers, rows, note)


def _people(rows: Sequence[Row]) -> Section:
    from rapport.reports.charts_audit import usable_chart

    held = [r for r in rows if r["system"] != UNMAPPED]
    systems = tuple(dict.fromkeys(r["system"] for r in held))
    says = (
        "Usable is the share of a system's records whose value can be read and may identify somebody.",
        "A field does not have to be perfect to be used: one that 70 % have works for those 70 %.",
    )
    tables = [_system(s, [r for r in held if r["system"] == s]) for s in systems]
    absent = [r for r in rows if r["system"] == UNMAPPED]
    blocks: list[Block] = [usable_chart(held), *tables]
    if absent:
        told = tuple((_named(r["field"]), r["unlocks"]) for r in absent)
        blocks.append(Table("Fields that no system fills", ("Field", "What it would unlock"), told))
    return Section("people", "Fields of each system", says, tuple(blocks))


def _system(name: str, rows: Sequence[Row]) -> Table:
    headers = (
        "Field",
        "Grade",
        "Filled",
        "Valid",
        "Usable",
        "Distinct",
        "Freshest",
        "Age, days",
        "Refused",
        "Unlocks",
    )
    told = tuple(
        (
            _named(r["field"]),
            r["grade"],
            *(_share(r[k]) for k in ("fill", "validity", "usable")),
            f"{r['distinct']:,}",
            _day(r["freshest"]),
            "" if r["median_age_days"] is None else f"{r['median_age_days']:,}",
            ", ".join(f"{n:,} {why}" for why, n in r["refused"].items()) or "none",
            r["unlocks"],
        )
        for r in rows
    )
    note = "Age is the median of the records that have the field, since each was last changed."
    return Table(f"{name}: {rows[0]['rows']:,} records", headers, told, note)


def _agreement(rows: Sequence[Row]) -> Section:
    from rapport.reports.charts_audit import agreement_chart

    title = "Where systems agree"
    says = (
        "Of customers of whom two or more systems hold a field: the share of whom all say the same, standardised.",
    )
    if not rows:
        gone = Missing("No customer has a field in two systems.", "Nothing is known of how far systems agree.")
        return Section("agreement", title, says, (gone,))
    told = tuple((_named(r["field"]), f"{r['customers']:,}", f"{r['agree']:,}", _share(r["share"])) for r in rows)
    pairs = tuple(
        (
            _named(r["field"]),
            f"{p['left']} and {p['right']}",
            f"{p['customers']:,}",
            f"{p['agree']:,}",
            _share(p["share"]),
        )
        for r in rows
        for p in r["pairs"]
    )
    blocks: tuple[Block, ...] = (
        Table("Agreement by field", ("Field", "Customers", "Agree", "Share"), told),
        agreement_chart(rows),
        Table("Agreement of each two systems", ("Field", "Systems", "Customers", "Agree", "Share"), pairs),
    )
    return Section("agreement", title, says, blocks)


def _sources(fields: Sequence[Row], summary: Row) -> Section:
    headers = ("Field", "Source", "Grade", "Filled", "Valid", "Usable", "Distinct", "Freshest", "Unlocks")
    rows = tuple(
        (
            _named(f["column"]),
            f["source"],
            f["grade"],
            *(_share(f[k]) for k in ("fill", "validity", "usable")),
            f"{f['distinct']:,}",
            _day(f["freshest"]),
            f["unlocks"],
        )
        for f in fields
    )
    kept = tuple(
        (
            s["source"],
            f"{s['rows']:,}",
            f"{s['kept']:,}",
            ", ".join(f"{n:,} {why}" for why, n in s["quarantined"].items()) or "none",
        )
        for s in summary["sources"]
    )
    says = ["What customers did, from the sources of the programme."]
    if summary["unknown_items"]:
        says.append(f"{summary['unknown_items']:,} transaction lines are of products that the product source lacks.")
    blocks = (
        Table("Rows of each source", ("Source", "Rows", "Kept", "In quarantine"), kept),
        Table("Fields of each source", headers, rows),
    )
    return Section("sources", "Fields of the sources", tuple(says), blocks)
