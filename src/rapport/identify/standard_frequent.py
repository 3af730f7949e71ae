"""Values that stand on too many records to be a person's: the desk's phone, the shop's e-mail, a form's default day.

Why it exists: a value shared by many people joins strangers, and no list of such values can be complete; the data say
which they are.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rapport.identify.standard_values import distinct_codes

RECORDS_WITHOUT_NAME = 100
"""Records of one value that have no name, from which on it is nobody's."""


def name_codes(given: pa.Array, surname: pa.Array) -> NDArray[np.int64]:
    """Return one code for each different name, -1 where a record has none."""
    if len(given) == 0:
        return np.zeros(0, dtype=np.int64)
    first = pc.utf8_slice_codeunits(pc.coalesce(given, pa.scalar("")), 0, 3)
    last = pc.utf8_slice_codeunits(pc.coalesce(surname, pa.scalar("")), 0, 4)
    a, b = first.dictionary_encode(), last.dictionary_encode()
    codes = a.indices.to_numpy(zero_copy_only=False).astype(np.int64) * len(b.dictionary)
    codes = codes + b.indices.to_numpy(zero_copy_only=False)
    none = pc.and_(pc.is_null(given), pc.is_null(surname)).to_numpy(zero_copy_only=False)
    return np.where(none, -1, codes)


def frequent_values(values: pa.Array, rows: NDArray[np.int64], names: NDArray[np.int64], people: int) -> pa.Array:
    """Return the values that stand beside more than `people` different names, or on too many records without one.

    Parameters
    ----------
    values : string array, shape (m,)
        Standard values, of one or several columns.
    rows : int64 array, shape (m,)
        The record of each.
    names : int64 array
        Code of the name of each record, -1 for none.
    people : int
        Names are counted by the first letters of given name and surname, so that slips in typing and a married
        name count little.
    """
    if len(values) == values.null_count:
        return pa.array([], pa.string())
    encoded = values.dictionary_encode()
    there = encoded.indices.is_valid().to_numpy(zero_copy_only=False)
    at = encoded.indices.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)[there]
    records = np.bincount(at, minlength=len(encoded.dictionary))
    often = records > people
    if not often.any():
        return pa.array([], pa.string())
    held = often[at]
    at, name = at[held], names[rows[there][held]]
    nameless = np.bincount(at[name < 0], minlength=len(records))
    named = name >= 0
    size = int(names.max()) + 1 if len(names) else 1
    pairs, _ = distinct_codes(at[named] * max(size, 1) + name[named], len(records) * max(size, 1))
    people_of = np.bincount(pairs // max(size, 1), minlength=len(records))
    too_many = (people_of > people) | (nameless > RECORDS_WITHOUT_NAME)
    return encoded.dictionary.filter(pa.array(too_many))
