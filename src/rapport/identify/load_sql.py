"""How a company's columns become the canonical ones: SQL that reads each value, or says why it cannot.

Why it exists: a row that cannot be used keeps its number, its value and a reason, and all others become rows of
declared tables. Only SQL text is made here; no file is opened and no row is touched. How a value is read stands
in `rapport.identify.value_sql`.

A required column that cannot be read puts the row in quarantine; one that may be absent is then missing
(money: zero), and the audit counts it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from rapport.core.errors import ProgramInvalid, SourceColumns, nearest
from rapport.core.reasons import RowReason
from rapport.core.tables import LOADED, SOURCE_COLUMNS, STATES, SourceColumn
from rapport.identify.value_sql import Cell, bounded_sql, family_of, held_sql, quoted, value_sql
from rapport.program.source import Source

NATURAL_KEYS: dict[str, tuple[str, ...]] = {
    "customers": ("customer_id",),
    "products": ("product_id",),
    "campaigns": ("campaign_id",),
}
"""Kinds that other tables join to: one row for each key, whether the mapping declares it or not."""

ROW = "__row"
"""Column of a source's view that counts the data rows of the file from 1."""


@dataclass(frozen=True)
class Reading:
    """How one source is read: its kind and name, a view of the engine, its cells, keys and traits, what to bind."""

    kind: str
    name: str
    view: str
    cells: tuple[Cell, ...]
    keys: tuple[tuple[str, ...], ...] = ()
    traits: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)

    @property
    def staged(self) -> str:
        """Name of the table of `staged_sql`'s rows."""
        return f"staged_{self.name}"

    def of(self, column: str) -> tuple[Cell, ...]:
        """Return the cells that fill one of Rapport's columns; more than one are added up."""
        return tuple(c for c in self.cells if c.column == column)


def plan_reading(source: Source, view: str, schema: pa.Schema, home: str) -> Reading:
    """Return how a source is to be read.

    Parameters
    ----------
    source : Source
        The mapping.
    view : str
        Name under which the engine knows the file, with its rows counted in ``__row``.
    schema : pyarrow.Schema
        Columns of the view.
    home : str
        Time zone of the programme.

    Raises
    ------
    SourceColumns
        Columns of the mapping are not in the file; one line for each.
    ProgramInvalid
        A trait would take the name of a state column, of a column of customers, or of another trait.
    """
    _refuse_absent(source, [n for n in schema.names if n != ROW])
    cells: list[Cell] = []
    for declared in SOURCE_COLUMNS[source.kind]:
        for name in _listed(source.columns.get(declared.name)):
            cells.append(_cell(len(cells), declared, name, schema, source.decimal == ","))
    traits = name_traits(source.traits)
    for name, trait in zip(source.traits, traits, strict=True):
        declared = SourceColumn(trait, "text", False, "trait", f"profiles and segments by {trait}")
        cells.append(_cell(len(cells), declared, name, schema, source.decimal == ","))
    keys = dict.fromkeys(k for k in (source.key, NATURAL_KEYS.get(source.kind, ())) if k)
    zone = source.timezone or home
    return Reading(
        source.kind,
        source.called,
        view,
        tuple(cells),
        tuple(keys),
        dict(zip(traits, source.traits, strict=True)),
        {"zone": zone, "home": home},
    )


def name_traits(columns: Sequence[str]) -> tuple[str, ...]:
    """Return the names of traits: those of the file's columns in lower snake case.

    Raises
    ------
    ProgramInvalid
        A name is taken by a column of states or customers, or two columns have the same name.
    """
    taken = dict.fromkeys([*STATES.names, *LOADED["customers"].names], "a column of Rapport's own")
    names = []
    for column in columns:
        name = snake(column)
        if name in taken or not name:
            raise ProgramInvalid(
                f"program.toml: sources.customers.traits names {column!r} - it would be called {name!r}, which is "
                f"{taken.get(name, 'empty')}; names must differ. Rename the column in the file."
            )
        taken[name] = f"the trait {column!r}"
        names.append(name)
    return tuple(names)


def snake(text: str) -> str:
    """Return a name in lower snake case, empty where nothing of it can stand in one."""
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text)
    return re.sub(r"\W+", "_", apart).strip("_").lower()


def _listed(columns: str | tuple[str, ...] | None) -> tuple[str, ...]:
    return () if columns is None else (columns,) if isinstance(columns, str) else columns


def _refuse_absent(source: Source, there: Sequence[str]) -> None:
    lines = []
    wanted = [(f"columns.{n}", c) for n, v in source.columns.items() for c in _listed(v)]
    for where, column in [*wanted, *(("traits", t) for t in source.traits)]:
        if column not in there:
            alike = [t for t in there if t.casefold() == column.casefold()]
            close = f" Did you mean {alike[0]}?" if alike else nearest(column, there)
            lines.append(
                f"program.toml: sources.{source.called}.{where} names {column!r} - not in {source.shown}; "
                f"the file has: {_some(there)}.{close} Mend the mapping."
            )
    if lines:
        raise SourceColumns("\n".join(lines))


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 60:,} more" if len(names) > 60 else ""
    return ", ".join(names[:60]) + more


def _cell(position: int, declared: SourceColumn, name: str, schema: pa.Schema, comma: bool) -> Cell:
    family = family_of(schema.field(name).type)
    return Cell(position, declared.name, name, declared.kind, declared.required, declared.unlocks, family, comma)


def _faults(reading: Reading) -> list[tuple[str, Cell, RowReason]]:
    """Return (condition, cell to show, reason) for every way a row can be unusable, in declared order."""
    faults: list[tuple[str, Cell, RowReason]] = []
    for cell in reading.cells:
        if not cell.required:
            continue
        alone = len(reading.of(cell.column)) == 1
        if cell.kind in {"id", "text"}:
            faults.append((f"{cell.held} IS NULL", cell, RowReason.MISSING_KEY))
            faults.append((f"{cell.value} IS NULL", cell, RowReason.NEGATIVE_ID))
        elif cell.kind in {"time", "day"}:
            faults.append((f"{cell.value} IS NULL", cell, RowReason.BAD_DATE))
        else:
            filled = "" if alone else f"{cell.held} IS NOT NULL AND "
            faults.append((f"{filled}{cell.value} IS NULL", cell, RowReason.BAD_NUMBER))
            group = reading.of(cell.column)
            if not alone and cell == group[-1]:
                nothing = " AND ".join(f"{c.held} IS NULL" for c in group)
                faults.append((nothing, group[0], RowReason.BAD_NUMBER))
    return faults


def _judged_sql(reading: Reading) -> str:
    """Return the CTEs `held`, `read`, `bounded`, `judged`; `fault` is the place in `_faults`, from 1, or NULL."""
    cells = reading.cells
    held = ", ".join(f"{held_sql(c)} AS {c.held}" for c in cells)
    read = ", ".join(f"{c.held}, {value_sql(c)} AS {c.value}" for c in cells)
    bounded = ", ".join(f"{c.held}, {bounded_sql(c)} AS {c.value}" for c in cells)
    cases = " ".join(f"WHEN {fault[0]} THEN {n}" for n, fault in enumerate(_faults(reading), start=1))
    # Bound here so that a query that reads no time still takes the same parameters.
    zones = "$zone IS NOT NULL AND $home IS NOT NULL"
    return (
        f"held AS (SELECT {ROW}, {held} FROM {quoted(reading.view)} WHERE {zones}),\n"
        f"read AS (SELECT {ROW}, {read} FROM held),\n"
        f"bounded AS (SELECT {ROW}, {bounded} FROM read),\n"
        f"judged AS (SELECT *, CASE {cases} END AS fault FROM bounded)"
    )


def staged_sql(reading: Reading) -> str:
    """Return SQL that judges every row of a source once, in the order of the file; all else is asked of its result.

    Parameters to bind: ``$zone``, ``$home`` (`Reading.params`).

    Columns: ``__row``; for every cell n the value as it was read, v0, v1, ...; the value as it stands, c0, c1, ...,
    where something is wrong with it or its row, and everywhere in a key; ``fault``, the place in the list of faults
    from 1, or NULL.
    """
    keyed = {name for key in reading.keys for name in key}
    held = ", ".join(
        c.held
        if c.column in keyed
        else f"CASE WHEN fault IS NOT NULL OR {c.value} IS NULL THEN {c.held} END AS {c.held}"
        for c in reading.cells
    )
    values = ", ".join(c.value for c in reading.cells)
    return f"WITH {_judged_sql(reading)}\nSELECT {ROW}, {values}, {held}, fault FROM judged"


def _staged(reading: Reading) -> str:
    # Bound here so that a query that reads no day still takes the same parameters.
    zones = "$zone IS NOT NULL AND $home IS NOT NULL"
    return f"judged AS (SELECT * FROM {quoted(reading.staged)} WHERE {zones})"


def _key_values(reading: Reading, key: Sequence[str]) -> str:
    return ", ".join(c.value for name in key for c in reading.of(name))


def _sifted_sql(reading: Reading) -> str:
    """Return the CTEs up to `sifted`: rows without a fault, and in `again` the place of a key seen before."""
    if not reading.keys:
        return f"WITH {_staged(reading)},\nsifted AS (SELECT *, 0 AS again FROM judged WHERE fault IS NULL)"
    cases = " ".join(
        f"WHEN row_number() OVER (PARTITION BY {_key_values(reading, key)} ORDER BY {ROW}) > 1 THEN {n}"
        for n, key in enumerate(reading.keys, start=1)
    )
    return (
        f"WITH {_staged(reading)},\n"
        f"sifted AS (SELECT *, CASE {cases} ELSE 0 END AS again FROM judged WHERE fault IS NULL)"
    )


def accepted_sql(reading: Reading) -> str:
    """Return SQL for the rows of a source that can be used, in the order of the file.

    Parameters to bind: ``$zone``, ``$home`` (`Reading.params`).

    Columns: ``__row``, those of `rapport.core.tables.LOADED` for the kind but ``customer_key``, then the traits.

    Where no key is declared the rows are not sorted, which would hold them all in memory, but pass through in
    the order in which the engine reads the file; whoever takes them checks that ``__row`` ascends.
    """
    names = [n for n in LOADED[reading.kind].names if n != "customer_key"]
    columns = [ROW, *(f"{_loaded_sql(reading, n)} AS {quoted(n)}" for n in names)]
    columns += [f"{reading.of(t)[0].value} AS {quoted(t)}" for t in reading.traits]
    order = f" ORDER BY {ROW}" if reading.keys else ""
    return f"{_sifted_sql(reading)}\nSELECT {', '.join(columns)} FROM sifted WHERE again = 0{order}"


def _loaded_sql(reading: Reading, name: str) -> str:
    if name == "day":
        return f"CAST(timezone($home, {reading.of('at')[0].value}) AS DATE)"
    if name == "cost_micros":
        # Not known is not free: a cost that is not given is told apart from one of 0.
        given = [c.value for c in reading.of("cost")]
        added = " + ".join(f"coalesce({v}, 0)" for v in given)
        return (
            f"CAST(CASE WHEN coalesce({', '.join(given)}) IS NOT NULL THEN {added} END AS BIGINT)"
            if given
            else ("CAST(NULL AS BIGINT)")
        )
    if name.endswith("_micros"):
        parts = [f"coalesce({c.value}, 0)" for c in reading.of(name.removesuffix("_micros"))]
        return f"CAST({' + '.join(parts) or '0'} AS BIGINT)"
    cells = reading.of(name)
    if not cells:
        return "CAST(NULL AS DOUBLE)" if name == "quantity" else "CAST(NULL AS VARCHAR)"
    return cells[0].value


def quarantine_sql(reading: Reading) -> str:
    """Return SQL for the rows of a source that cannot be used, each with its first reason, in file order.

    Parameters to bind: ``$zone``, ``$home``. Columns: source, row, column (the file's), value, reason.
    """
    faults = _faults(reading)
    columns = " ".join(f"WHEN {n} THEN {_text(f[1].file_column)}" for n, f in enumerate(faults, start=1))
    values = " ".join(f"WHEN {n} THEN CAST({f[1].held} AS VARCHAR)" for n, f in enumerate(faults, start=1))
    reasons = " ".join(f"WHEN {n} THEN '{f[2].value}'" for n, f in enumerate(faults, start=1))
    bad = (
        f"SELECT {ROW} AS row, CASE fault {columns} END AS column_, CASE fault {values} END AS value_, "
        f"CASE fault {reasons} END AS reason FROM judged WHERE fault IS NOT NULL"
    )
    if reading.keys:
        bad += f" UNION ALL {_repeated_sql(reading)}"
    return (
        f"{_sifted_sql(reading)}\n"
        f'SELECT {_text(reading.name)} AS source, row, column_ AS "column", value_ AS "value", reason '
        f"FROM ({bad}) ORDER BY row"
    )


def _repeated_sql(reading: Reading) -> str:
    names, values = "", ""
    for n, key in enumerate(reading.keys, start=1):
        cells = [c for name in key for c in reading.of(name)]
        shown = ", ".join(f"CAST({c.held} AS VARCHAR)" for c in cells)
        names += f" WHEN {n} THEN {_text(' + '.join(c.file_column for c in cells))}"
        values += f" WHEN {n} THEN concat_ws(' + ', {shown})"
    return (
        f"SELECT {ROW}, CASE again{names} END, CASE again{values} END, '{RowReason.REPEATED_KEY.value}' "
        "FROM sifted WHERE again > 0"
    )


def audit_sql(reading: Reading) -> str:
    """Return SQL that counts a source in one row: rows, faulty, and for every cell n filled, read, fresh.

    Parameters to bind: ``$zone``, ``$home``.

    Columns: rows BIGINT, faulty BIGINT; f0, r0 BIGINT and t0 DATE (newest local day of a row whose cell 0 was
    read; NULL where the source has no time), f1, ...
    """
    at = reading.of("at")
    parts = ["count(*) AS rows", "count(fault) AS faulty"]
    for cell in reading.cells:
        n = cell.position
        newest = f"max({at[0].value}) FILTER (WHERE {cell.value} IS NOT NULL)" if at else None
        fresh = f"CAST(timezone($home, {newest}) AS DATE)" if newest else "CAST(NULL AS DATE)"
        filled = f"count({cell.value}) + count({cell.held}) FILTER (WHERE {cell.value} IS NULL)"
        parts.append(f"{filled} AS f{n}, count({cell.value}) AS r{n}, {fresh} AS t{n}")
    return f"WITH {_staged(reading)}\nSELECT {', '.join(parts)} FROM judged"


def distinct_sql(reading: Reading, cell: Cell) -> str:
    """Return SQL that counts the different values of a cell; a query of its own, which holds one column's hashes.

    Hashes of 64 bits take a fraction of the memory of the values; among a hundred million, two are alike by chance
    once in 3,700 times.

    Columns: n BIGINT. Nothing to bind.
    """
    counted = f"count(DISTINCT hash({cell.value})) FILTER (WHERE {cell.value} IS NOT NULL)"
    return f"SELECT {counted} AS n FROM {quoted(reading.staged)}"


def unknown_items_sql() -> str:
    """Return SQL for the number of transaction lines whose product is not among the products.

    Columns: lines BIGINT.
    """
    return "SELECT count(*) AS lines FROM transactions t ANTI JOIN products p USING (product_id)"


@dataclass(frozen=True)
class Tables:
    """Names of the tables that `customers_sql` reads.

    listed : rows of customer sources: place BIGINT that counts them over all sources, customer_id, household_id,
        traits
    known : customer_id VARCHAR, customer_key BIGINT of distinct customers
    households : households by customer of the crosswalk: customer_id, household_id
    identified : people who were identified: customer_id, traits
    """

    listed: str
    known: str
    households: str
    identified: str


def customers_sql(tables: Tables, traits: Sequence[str], identified: Sequence[str]) -> str:
    """Return SQL for the table of customers: every id that a source or identify knows, ordered by key.

    Parameters
    ----------
    tables : Tables
    traits, identified : sequence of str
        Columns of the tables `listed` and `identified` that are traits.

    Returns
    -------
    str
        Nothing to bind. Columns: customer_key, customer_id, household_id (that of the crosswalk, else of a source,
        else the customer's own id), listed BOOLEAN, traits VARCHAR. Where several rows are of one customer the first
        that says something counts; what was identified comes before what a source says.
    """
    firsts = "".join(
        f", arg_min({quoted(c)}, place) FILTER (WHERE {quoted(c)} IS NOT NULL) AS {quoted(c)}"
        for c in ("household_id", *traits)
    )
    told = {t: f"h.{quoted(t)}" for t in traits}
    told |= {t: f"coalesce(i.{quoted(t)}, h.{quoted(t)})" if t in told else f"i.{quoted(t)}" for t in identified}
    shown = "".join(f", {value} AS {quoted(t)}" for t, value in told.items())
    return (
        f"WITH h AS (SELECT customer_id{firsts} FROM {quoted(tables.listed)} GROUP BY customer_id),\n"
        f"x AS (SELECT customer_id, min(household_id) AS household_id FROM {quoted(tables.households)} GROUP BY 1)\n"
        "SELECT k.customer_key, k.customer_id, coalesce(x.household_id, h.household_id, k.customer_id) AS "
        f"household_id, h.customer_id IS NOT NULL OR i.customer_id IS NOT NULL AS listed{shown}\n"
        f"FROM {quoted(tables.known)} k LEFT JOIN h ON h.customer_id = k.customer_id "
        f"LEFT JOIN x ON x.customer_id = k.customer_id "
        f"LEFT JOIN {quoted(tables.identified)} i ON i.customer_id = k.customer_id ORDER BY k.customer_key"
    )


def _text(value: str) -> str:
    # A name out of the checked mapping; not a value of the data, which is always bound.
    return "'" + value.replace("'", "''") + "'"
