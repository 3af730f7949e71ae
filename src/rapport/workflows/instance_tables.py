"""The tables of an allocation instance as checked columns, whatever they were kept in.

Why it exists: a folder of Parquet files and one .npz file hold the same columns; both are checked here, column by
column over whole arrays, with a message that names file, column, row and value. What the columns mean enters nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from rapport.core.errors import InstanceInvalid, nearest

HEADER = "instance.json"
TABLES = ("candidates", "contacts", "customers", "offers")
NPZ_HEADER = "instance"


@dataclass(frozen=True)
class Table:
    """One table: where it came from, for messages, and its columns, all of the same length."""

    place: str
    columns: Mapping[str, Any]

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def fault(self, column: str, row: int | None, wrong: str, allowed: str) -> InstanceInvalid:
        """Return the error for a column, or for one row of it; rows are counted from 0."""
        where = f"column {column!r}" if row is None else f"column {column!r}, row {row}"
        return InstanceInvalid(f"{self.place}: {where}: {wrong}; {allowed}")

    def require(self, names: Iterable[str]) -> None:
        """Refuse a table without the columns it must have."""
        for name in names:
            if name not in self.columns:
                raise InstanceInvalid(
                    f"{self.place}: no column {name!r} - it has {', '.join(self.columns) or 'none'}; "
                    f"it must have {', '.join(names)}.{nearest(name, self.columns)}"
                )

    def numbers(self, name: str, low: float | None = None) -> NDArray[np.float64]:
        """Return a column as finite float64, at least `low`."""
        column = self._whole(name)
        if not _is_number(column.type):
            raise self.fault(name, None, f"it holds {column.type}", "it must hold numbers.")
        values = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
        allowed = "it must be a finite number." if low is None else f"it must be a finite number of at least {low:g}."
        self._refuse(name, ~np.isfinite(values), values, allowed)
        if low is not None:
            self._refuse(name, values < low, values, allowed)
        return np.ascontiguousarray(values)

    def flags(self, name: str, default: bool) -> NDArray[np.bool_]:
        """Return a column of true and false; `default` in every row if it is not there."""
        if name not in self.columns:
            return np.full(len(self), default)
        column = self._whole(name)
        if pa.types.is_boolean(column.type):
            return np.asarray(column.to_numpy(zero_copy_only=False), dtype=bool)
        allowed = "it must be true or false."
        if not pa.types.is_integer(column.type):
            raise self.fault(name, None, f"it holds {column.type}", allowed)
        values = column.to_numpy(zero_copy_only=False)
        self._refuse(name, (values != 0) & (values != 1), values, allowed)
        return np.asarray(values, dtype=bool)

    def ids(self, name: str) -> Any:
        """Return a column of ids as Arrow int64 or string."""
        column = _plain(self._whole(name))
        if pa.types.is_integer(column.type):
            return column.cast(pa.int64())
        if pa.types.is_string(column.type):
            self._refuse(name, np.asarray(pc.equal(column, "")), column, "an id must not be empty.")
            return column
        raise self.fault(name, None, f"it holds {column.type}", "ids must be whole numbers or text.")

    def texts(self, name: str) -> Any:
        """Return a column as Arrow strings; null stands for none, and so does empty text."""
        column = _plain(self.columns[name])
        if pa.types.is_integer(column.type) or pa.types.is_boolean(column.type):
            column = column.cast(pa.string())
        if pa.types.is_null(column.type):
            column = column.cast(pa.string())
        if not pa.types.is_string(column.type):
            raise self.fault(name, None, f"it holds {column.type}", "it must hold text or whole numbers.")
        return pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)

    def known(self, name: str, values: Any, among: Any, what: str) -> NDArray[np.int32]:
        """Return the position of each value in `among`; refuse the first that is not there."""
        if values.type != among.type:
            raise self.fault(name, None, f"it holds {values.type}", f"{what} are {among.type} elsewhere.")
        at = pc.index_in(values, value_set=among)
        if at.null_count:
            row = int(np.flatnonzero(np.asarray(at.is_null()))[0])
            value = values[row].as_py()
            hint = nearest(str(value), [str(v.as_py()) for v in among[:1000]])
            raise self.fault(name, row, f"{value!r} is not among the {len(among)} {what}", f"name one of them.{hint}")
        return np.asarray(at.to_numpy(zero_copy_only=False), dtype=np.int32)

    def _whole(self, name: str) -> Any:
        column = self.columns[name]
        if column.null_count:
            row = int(np.flatnonzero(np.asarray(column.is_null()))[0])
            raise self.fault(name, row, "there is no value", "every row must have one.")
        return column

    def _refuse(self, name: str, bad: NDArray[np.bool_], values: Any, allowed: str) -> None:
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            value = values[row]
            raise self.fault(name, row, str(value.as_py() if hasattr(value, "as_py") else value), allowed)


def _is_number(kind: Any) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _plain(column: Any) -> Any:
    """Return a column without the encodings that say the same in another way."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if pa.types.is_large_string(column.type) or str(column.type) == "string_view":
        column = column.cast(pa.string())
    return column


def read_tables(path: Path) -> tuple[str, str, dict[str, Table]]:
    """Return an instance's header as text, where it stands, and its tables.

    Raises
    ------
    InstanceInvalid
        There is no such folder or file, a part is missing, or one cannot be read.
    """
    if path.is_dir():
        return _read_folder(path)
    if path.suffix == ".npz" and path.is_file():
        return _read_npz(path)
    raise InstanceInvalid(
        f"{path}: no allocation instance is there; it must be a folder with {HEADER} and candidates.parquet, "
        "or a file that ends in .npz."
    )


def _read_folder(path: Path) -> tuple[str, str, dict[str, Table]]:
    header = path / HEADER
    tables = {}
    for name in TABLES:
        file = path / f"{name}.parquet"
        if file.exists():
            tables[name] = _read_parquet(file)
    for needed in (header, path / "candidates.parquet"):
        if not needed.is_file():
            raise InstanceInvalid(
                f"{needed}: the file is missing; a folder needs {HEADER} and candidates.parquet. Write it there."
            )
    try:
        return header.read_text(encoding="utf-8"), str(header), tables
    except UnicodeDecodeError as error:
        raise InstanceInvalid(f"{header}: it is not text - {error}; it must be JSON in UTF-8.") from error


def _read_parquet(file: Path) -> Table:
    try:
        read = pq.read_table(file)
    except (pa.ArrowException, OSError) as error:
        first = str(error).splitlines()[0]
        raise InstanceInvalid(f"{file}: it cannot be read - {first}; it must be a whole Parquet file.") from error
    names = read.column_names
    if len(set(names)) < len(names):
        raise InstanceInvalid(f"{file}: a column stands twice - {', '.join(names)}; names must differ.")
    return Table(str(file), {name: _joined(read.column(name)) for name in names})


def _joined(column: Any) -> Any:
    whole = column.combine_chunks()
    return pa.concat_arrays(whole.chunks) if isinstance(whole, pa.ChunkedArray) else whole


def _read_npz(path: Path) -> tuple[str, str, dict[str, Table]]:
    from zipfile import BadZipFile

    try:
        with np.load(path, allow_pickle=False) as held:
            arrays = {name: held[name] for name in held.files}
    except (BadZipFile, OSError, ValueError, EOFError) as error:
        raise InstanceInvalid(
            f"{path}: it cannot be read - {error}; it must be made by numpy.savez, text as arrays of str."
        ) from error
    if NPZ_HEADER not in arrays or arrays[NPZ_HEADER].dtype.kind != "U" or arrays[NPZ_HEADER].ndim:
        raise InstanceInvalid(
            f"{path}: no array {NPZ_HEADER!r} with the header - it has {', '.join(arrays) or 'none'}; "
            f"it must be one str, the JSON that {HEADER} would hold."
        )
    tables: dict[str, dict[str, Any]] = {}
    for name, values in arrays.items():
        if name == NPZ_HEADER:
            continue
        table, _, column = name.partition(".")
        if table not in TABLES or not column:
            raise InstanceInvalid(
                f"{path}: array {name!r} belongs to no table; arrays are called TABLE.COLUMN, TABLE one of "
                f"{', '.join(TABLES)}.{nearest(table, TABLES)}"
            )
        if values.ndim != 1:
            raise InstanceInvalid(f"{path}: array {name!r} has shape {values.shape}; it must have one dimension.")
        tables.setdefault(table, {})[column] = pa.array(values)
    if "candidates" not in tables:
        raise InstanceInvalid(f"{path}: no array candidates.customer, candidates.offer, candidates.value; add them.")
    return str(arrays[NPZ_HEADER]), str(path), {t: _even(f"{path}: {t}", c) for t, c in tables.items()}


def _even(place: str, columns: dict[str, Any]) -> Table:
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise InstanceInvalid(f"{place}: arrays differ in length - {said}; all of one table must be equally long.")
    return Table(place, columns)
