"""Find which records of files are one customer, without a programme: read, map, standardise, resolve, judge.

Why it exists: a company, or a researcher, has a file and asks who is in it twice. A column that holds the truth is
set aside at once, and used for nothing but the figures at the end.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rapport.core.errors import LookupFailed, SourceColumns, SourceEmpty, nearest
from rapport.core.people import PEOPLE, PERSON_COLUMNS, VERDICTS, record_key
from rapport.identify.link_quality import all_clusters, b_cubed, bootstrap_f1, exact_clusters, pairwise
from rapport.identify.mapping import propose_people
from rapport.identify.standard import settings_of, standardise
from rapport.program.identify import Identify
from rapport.program.source import Source
from rapport.workflows.link_ports import MakeLinker
from rapport.workflows.ports import Engine, Progress
from rapport.workflows.resolve import Resolution, resolve
from rapport.workflows.source_faults import readable, refuse_texts

SAMPLE = 4_000
"""Rows from which the mapping of a file is proposed."""
ROW = "__row"
SWEEP = (-10.0, -7.0, -5.0, -3.0, -1.5, 0.0, 1.5, 3.0, 5.0, 7.0, 10.0, 14.0, 20.0, 30.0)
"""Thresholds, in log2 odds, at which F1 is told beside the one taken."""
SWEEP_MOST = 100_000
DRAWS = 500

_COLUMNS = {c.name: c for c in PERSON_COLUMNS}


@dataclass(frozen=True)
class Asked:
    """What is asked: files, their truth, what is known of the columns, and what errors cost."""

    sources: tuple[Path, ...]
    truth: str | None = None
    kind: str | None = None
    mapped: Mapping[str, tuple[str, ...]] | None = None
    settings: Identify = field(default_factory=lambda: Identify(aim="f1", wrong_merge_cost=1.0))


@dataclass(frozen=True)
class File:
    """A file read: its columns as text, the mapping, and what was said of it."""

    system: str
    path: Path
    table: pa.Table
    truth: NDArray[Any] | None
    columns: Mapping[str, tuple[str, ...]]
    reasons: Mapping[str, str]
    kind: str


@dataclass(frozen=True)
class Resolved:
    """What came of it: the files, what was found, their rows' clusters, and figures that can be printed."""

    files: tuple[File, ...]
    resolution: Resolution
    cluster: NDArray[np.int64]
    told: dict[str, Any]


def resolve_files(
    asked: Asked,
    make_engine: Callable[[], AbstractContextManager[Engine]],
    make_linker: MakeLinker,
    progress: Progress,
    sweep: bool = True,
) -> Resolved:
    """Return which rows of the files are one customer, and how sure that is.

    With a truth, and unless `sweep` is false, the quality at other thresholds is measured too.

    Raises
    ------
    SourceMissing, SourceUnreadable
        A file is not there, or cannot be read.
    SourceColumns
        A column that was named is not in the files.
    SourceEmpty
        There is no row.
    """
    began = time.perf_counter()
    with make_engine() as engine:
        files = tuple(_read(engine, asked, i, path) for i, path in enumerate(asked.sources))
    if not sum(f.table.num_rows for f in files):
        raise SourceEmpty(
            f"source {', '.join(str(f.path) for f in files)}: no rows; must hold at least one. Export it again."
        )
    read = time.perf_counter()
    standard, named = _standard(files, asked.settings)
    ready = time.perf_counter()
    none = pa.table({f.name: pa.array([], f.type) for f in VERDICTS}, schema=VERDICTS)
    also = SWEEP if sweep and asked.truth is not None and standard.num_rows <= SWEEP_MOST else ()
    found = resolve(standard, none, asked.settings, (), make_linker, progress, also)
    done = time.perf_counter()
    keys = standard["record_key"].to_numpy()
    cluster = _in_order(found.clusters, keys)
    told: dict[str, Any] = {
        "files": [
            {"source": str(f.path), "kind": f.kind, "rows": f.table.num_rows}
            | {"columns": {c: list(v) for c, v in f.columns.items()}, "reasons": dict(f.reasons)}
            for f in files
        ],
        "texts": named,
        "records": standard.num_rows,
        "clusters": len(np.unique(cluster)),
        "links": found.links.num_rows,
        "review": found.review.num_rows,
        "compared": list(found.model.compared) if found.model else [],
        "rules": [r.name for r in found.model.rules] if found.model else [],
        "status": list(found.model.status) if found.model else found.estimates.get("status", []),
        "threshold_bits": found.model.thresholds.link if found.model else None,
        "estimated": found.estimates,
        "seconds": {
            "read": round(read - began, 3),
            "standardise": round(ready - read, 3),
            "resolve": round(done - ready, 3),
        },
    }
    if asked.truth is not None:
        told["measured"] = _measured(files, found, cluster, keys)
    return Resolved(files, found, cluster, told)


def _read(engine: Engine, asked: Asked, number: int, path: Path) -> File:
    # A file that nobody has mapped has no columns yet, which a declared source may not have.
    source = Source.model_construct(kind="customers", path=str(path), columns={})
    engine.register_source(f"file_{number}", Path(), source)
    with readable(str(path)):
        table = engine.query(f"SELECT * FROM file_{number} ORDER BY {ROW}").drop_columns([ROW])
    table = pa.table({n: pc.cast(_plain(table[n]), pa.string()) for n in table.column_names})
    refuse_texts(str(path), table)
    truth = None
    if asked.truth is not None:
        if asked.truth not in table.column_names:
            raise SourceColumns(
                f"source {path}: has no column {asked.truth!r} for the truth; it has: "
                f"{', '.join(table.column_names)}.{nearest(asked.truth, table.column_names)} Name one of them."
            )
        truth = np.array(table[asked.truth].to_pylist(), dtype=object)
        table = table.drop_columns([asked.truth])
    columns, reasons, kind = _mapping(table, asked, path)
    system = path.name.split(".")[0]
    taken = [p.name.split(".")[0] for p in asked.sources[:number]]
    return File(
        system if system not in taken else f"{system} {number + 1}", path, table, truth, columns, reasons, kind
    )


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_list(column.type):
        return pa.chunked_array([pc.binary_join(pc.cast(c, pa.list_(pa.string())), "; ") for c in column.chunks])
    return column


def _mapping(table: pa.Table, asked: Asked, path: Path) -> tuple[dict[str, tuple[str, ...]], dict[str, str], str]:
    """Return Rapport's columns with the file's that fill them, why, and what a record is about."""
    step = max(1, table.num_rows // SAMPLE)
    rows = np.arange(0, table.num_rows, step)[:SAMPLE]
    sample = table.take(rows)
    proposal = propose_people({n: sample[n].to_pylist() for n in table.column_names})
    columns = {
        name: (file,) if isinstance(file, str) else tuple(file)
        for name, file in proposal.columns().items()
        if all(f in table.column_names for f in ([file] if isinstance(file, str) else file))
    }
    reasons = {f.file_column: f.reason for f in proposal.filled} | {
        u.file_column: u.reason for u in proposal.unmapped
    }
    for name, named in (asked.mapped or {}).items():
        _demand(name, named, table, path)
        columns = {c: kept for c, files in columns.items() if (kept := tuple(f for f in files if f not in named))}
        if name != "ignore":
            columns[name] = named
        reasons |= dict.fromkeys(named, "named by whoever asked")
    return columns, reasons, asked.kind or ("organisation" if proposal.kind == "organisation" else "person")


def _demand(name: str, named: Sequence[str], table: pa.Table, path: Path) -> None:
    allowed = [*_COLUMNS, "ignore"]
    if name not in allowed:
        raise LookupFailed(
            f"--map: {name!r} is not a column of people; must be one of {', '.join(allowed)}.{nearest(name, allowed)}"
        )
    if len(named) > 1 and name != "ignore" and not _COLUMNS[name].several:
        several = ", ".join(c.name for c in PERSON_COLUMNS if c.several)
        raise LookupFailed(f"--map: {name} is given {len(named)} columns; only {several} may have several.")
    for column in named:
        if column not in table.column_names:
            raise SourceColumns(
                f"source {path}: has no column {column!r}; it has: {', '.join(table.column_names)}."
                f"{nearest(column, table.column_names)} Name one of them."
            )


def _standard(files: tuple[File, ...], settings: Identify) -> tuple[pa.Table, dict[str, list[str]]]:
    """Return the standard records of all files, with columns of unknown meaning, and the names of those."""
    people = pa.concat_tables([_people(f) for f in files])
    standard = standardise(people, settings_of(settings, (), None))
    named: dict[str, list[str]] = {}
    left = [dict.fromkeys(_left_over(f)) for f in files]
    for name in dict.fromkeys(c for columns in left for c in columns):
        values = pa.chunked_array(
            [
                _folded(f.table[name]) if name in columns else pa.nulls(f.table.num_rows, pa.string())
                for f, columns in zip(files, left, strict=True)
            ]
        )
        if tells(values.combine_chunks()):
            column = f"x{len(named)}"
            standard = standard.append_column(column, values)
            named[column] = [name]
    return standard, named


def _people(file: File) -> pa.Table:
    n = file.table.num_rows
    ids = _record_ids(file)
    made: dict[str, pa.Array] = {
        "record_key": pa.array([record_key(file.system, i) for i in ids], pa.int64()),
        "system": pa.array([file.system] * n, pa.string()),
        "record_id": pa.array(ids, pa.string()),
        "kind": pa.array([file.kind] * n, pa.string()),
    }
    for f in PEOPLE:
        if f.name in made:
            continue
        columns = file.columns.get(f.name, ())
        if not columns or pa.types.is_timestamp(f.type):
            made[f.name] = pa.nulls(n, f.type)
        elif pa.types.is_list(f.type):
            made[f.name] = _gathered([_trimmed(file.table[c]).to_pylist() for c in columns], f.type)
        else:
            made[f.name] = _trimmed(file.table[columns[0]])
    return pa.table(made, schema=PEOPLE)


def _gathered(columns: list[list[str | None]], kind: pa.DataType) -> pa.Array:
    rows = [[v for v in row if v] or None for row in zip(*columns, strict=True)]
    return pa.array(rows, kind)


def _record_ids(file: File) -> list[str]:
    """Return the ids of records: the file's where each is there once, else numbers of rows."""
    named = file.columns.get("record_id", ())
    if named and named[0] in file.table.column_names:
        ids = _trimmed(file.table[named[0]])
        if ids.null_count == 0 and pc.count_distinct(ids).as_py() == len(ids):
            return [str(i) for i in ids.to_pylist()]
    return [str(i) for i in range(1, file.table.num_rows + 1)]


def _trimmed(column: pa.ChunkedArray) -> pa.Array:
    text = pc.utf8_trim_whitespace(column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column)
    if isinstance(text, pa.ChunkedArray):
        text = text.combine_chunks()
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def _folded(column: pa.ChunkedArray) -> pa.Array:
    text = pc.utf8_lower(pc.utf8_normalize(_trimmed(column), "NFKD"))
    text = pc.replace_substring_regex(text, r"[\x{0300}-\x{036f}]", "")
    text = pc.utf8_trim_whitespace(pc.replace_substring_regex(text, r"[^\pL\pN]+", " "))
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def _left_over(file: File) -> list[str]:
    """Return the columns that nothing of Rapport's is filled from; ids of records, ignored and dated ones are not."""
    used = {c for files in file.columns.values() for c in files}
    ignored = {c for c, why in file.reasons.items() if why == "named by whoever asked" and c not in used}
    return [c for c in file.table.column_names if c not in used and c not in ignored]


LEAST_FILL, LEAST_VALUES, MOST_AGREE = 0.1, 3, 0.5


def tells(column: pa.Array) -> bool:
    """Return whether a text column of unknown meaning can help to tell records apart.

    A code that is another in every record is an id of records; one value for most tells nothing.
    """
    filled = column.drop_null()
    if len(filled) < LEAST_FILL * max(len(column), 1) or len(filled) < 2:
        return False
    counts = pc.value_counts(filled).field("counts").to_numpy().astype(float)
    agree = float((counts**2).sum()) / float(len(filled)) ** 2
    if len(counts) < LEAST_VALUES or agree > MOST_AGREE:
        return False
    words = sum(1 for v in filled.slice(0, 500).to_pylist() if re.search(r"[^\W\d]{3,}", v))
    return not (len(counts) >= 0.995 * len(filled) and words < 0.5 * min(len(filled), 500))


def _in_order(clusters: pa.Table, keys: NDArray[np.int64]) -> NDArray[np.int64]:
    held = clusters["record_key"].to_numpy()
    order = np.argsort(held)
    found: NDArray[np.int64] = clusters["cluster"].to_numpy()[order][np.searchsorted(held[order], keys)]
    return found


def truth_of(files: Sequence[NDArray[Any]]) -> NDArray[np.int64]:
    """Return the entity of each row as a number; a row without one is an entity of its own."""
    values = [str(v).strip() if v is not None else "" for part in files for v in part]
    named: dict[str, int] = {}
    return np.array([named.setdefault(v, len(named)) if v else -1 - i for i, v in enumerate(values)], dtype=np.int64)


def _measured(
    files: tuple[File, ...], found: Resolution, cluster: NDArray[np.int64], keys: NDArray[np.int64]
) -> dict[str, Any]:
    truth = truth_of([f.truth for f in files if f.truth is not None])
    told: dict[str, Any] = {"entities": len(np.unique(truth))}
    measures = {
        "pairwise": pairwise,
        "cluster": exact_clusters,
        "cluster_with_single": all_clusters,
        "b_cubed": b_cubed,
    }
    for name, measure in measures.items():
        q = measure(cluster, truth)
        told[name] = {"precision": q.precision, "recall": q.recall, "f1": q.f1}
    if len(truth) <= SWEEP_MOST:
        told["pairwise"]["f1_interval"] = list(bootstrap_f1(cluster, truth, DRAWS, 1))
    told["thresholds"] = []
    for bits, clusters in sorted(found.others.items()):
        other = _in_order(clusters, keys)
        p, c = pairwise(other, truth), exact_clusters(other, truth)
        told["thresholds"].append(
            {"bits": bits, "precision": p.precision, "recall": p.recall, "f1": p.f1, "cluster_f1": c.f1}
        )
    return told


def with_clusters(resolved: Resolved) -> pa.Table:
    """Return the rows of all files as they were, with `cluster`, the number of the customer from 1, put before."""
    _, number = np.unique(resolved.cluster, return_inverse=True)
    first = np.full(int(number.max()) + 1, len(number))
    np.minimum.at(first, number, np.arange(len(number)))
    rank = np.argsort(np.argsort(first, kind="stable"), kind="stable") + 1
    tables = []
    start = 0
    for f in resolved.files:
        rows = slice(start, start + f.table.num_rows)
        table = f.table
        if f.truth is not None:
            table = table.append_column("truth", pa.array(f.truth.tolist(), pa.string()))
        table = table.add_column(0, "source", pa.array([f.system] * table.num_rows, pa.string()))
        tables.append(table.add_column(0, "cluster", pa.array(rank[number[rows]], pa.int64())))
        start += f.table.num_rows
    return pa.concat_tables(tables, promote_options="default")
