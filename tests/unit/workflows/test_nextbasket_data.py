"""The file of baskets: read whatever its order, and what is wrong with it is told by place and value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rapport.core.errors import SourceColumns, SourceEmpty, SourceMissing, SourceUnreadable
from rapport.workflows.bench_nextbasket import bench_nextbasket
from rapport.workflows.nextbasket_data import VARIABLE, made_up_baskets, read_baskets, tafeng_baskets

SIX = {
    "user_id": [u for u in range(6) for _ in range(3)],
    "basket_index": [0, 1, 2] * 6,
    "items": [[u, 10 + p] for u in range(6) for p in range(3)],
}


def written(folder: Path, **columns: Any) -> Path:
    path = folder / "baskets.parquet"
    pq.write_table(pa.table({**SIX, **columns}), path)
    return path


def test_a_file_is_read_and_customers_with_two_baskets_are_left_out(tmp_path: Path) -> None:
    more = {
        "user_id": [*SIX["user_id"], 9, 9],
        "basket_index": [*SIX["basket_index"], 1, 0],
        "items": [*SIX["items"], [1], [2]],
    }
    found = read_baskets(written(tmp_path, **more))
    assert found.customers == 6
    assert found.counts.tolist() == [3] * 6
    assert found.items.sum() == 36


def test_large_lists_and_small_numbers_are_read_alike(tmp_path: Path) -> None:
    plain = read_baskets(written(tmp_path))
    other = read_baskets(written(tmp_path, items=pa.array(SIX["items"], pa.large_list(pa.int16()))))
    assert (plain.items != other.items).nnz == 0


def test_a_path_not_given_or_without_a_file_says_what_to_give(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(SourceMissing, match=r"RAPPORT_TAFENG.*not set.*user_id, basket_index, items.*--small"):
        tafeng_baskets()
    monkeypatch.setenv(VARIABLE, str(tmp_path / "none.parquet"))
    with pytest.raises(SourceMissing, match=r"no such file.*none\.parquet"):
        bench_nextbasket(tmp_path, False, lambda text: None)


def test_a_file_that_is_not_parquet_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "baskets.csv"
    path.write_text("user_id,basket_index,items\n", encoding="utf-8")
    monkeypatch.setenv(VARIABLE, str(path))
    with pytest.raises(SourceUnreadable, match=r"baskets\.csv: not a Parquet file"):
        tafeng_baskets()


def test_a_missing_column_is_told_with_those_there(tmp_path: Path) -> None:
    path = tmp_path / "b.parquet"
    pq.write_table(pa.table({"user": [1], "basket_index": [0], "items": [[1]]}), path)
    with pytest.raises(SourceColumns, match="no column user_id - user, basket_index, items"):
        read_baskets(path)


@pytest.mark.parametrize(
    ("column", "values", "told"),
    [
        ("user_id", [str(u) for u in SIX["user_id"]], "column user_id is not of its kind - string"),
        ("items", [1] * 18, "column items is not of its kind - int64"),
        ("items", [["a"]] * 18, "column items is not of its kind - list<.*string"),
        ("items", [None, *SIX["items"][1:]], "column items is not of its kind - .*1 null"),
        ("basket_index", [None, *SIX["basket_index"][1:]], "column basket_index is not of its kind - int64, 1 null"),
    ],
)
def test_a_column_of_another_kind_is_told(tmp_path: Path, column: str, values: list[Any], told: str) -> None:
    with pytest.raises(SourceColumns, match=told):
        read_baskets(written(tmp_path, **{column: values}))


def test_too_few_customers_with_a_past_are_told(tmp_path: Path) -> None:
    with pytest.raises(SourceEmpty, match="too few customers have 3 baskets - 0 of 18"):
        read_baskets(written(tmp_path, user_id=list(range(18))))
    with pytest.raises(SourceEmpty, match="holds no item"):
        read_baskets(written(tmp_path, items=[[], *SIX["items"][1:]]))


def test_made_up_baskets_are_the_same_every_time() -> None:
    one, two = made_up_baskets(50), made_up_baskets(50)
    assert one.customers == 50
    assert one.counts.min() >= 3
    assert (one.items != two.items).nnz == 0


def measured(folder: Path, monkeypatch: pytest.MonkeyPatch, **columns: Any) -> dict[str, Any]:
    monkeypatch.setenv(VARIABLE, str(written(folder, **columns)))
    return {r["name"]: r for r in bench_nextbasket(folder, False, lambda text: None)}


def test_where_no_two_baskets_share_an_item_nothing_can_be_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whoever finds anything here has seen the baskets that are to be told.
    alone = [[3 * u + p] for u in range(6) for p in range(3)]
    found = measured(tmp_path, monkeypatch, items=alone)
    for name in ("tafeng_recall10", "tafeng_recall20", "tafeng_ndcg10", "tafeng_candidates", "tafeng_pasts_recall10"):
        assert found[name]["value"] == 0
    assert found["tafeng_recall10"]["meets"] is False
    assert not [name for name in found if name.startswith("tafeng_repeat10")]


def test_customers_who_are_all_alike_are_told_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = measured(tmp_path, monkeypatch, items=[[5, 6, 7]] * 18)
    assert found["tafeng_recall10"]["value"] == 1
    assert found["tafeng_recall10"]["interval"] == [1, 1]
    assert found["tafeng_recall10_above_frequency"]["value"] == 0
