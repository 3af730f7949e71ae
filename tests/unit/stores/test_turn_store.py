"""Files of the state are whole or not there, and one process writes at a time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from rapport.core.errors import StateDamaged, TurnBusy, UnknownTurn
from rapport.stores.turn_store import TurnStore

TABLE = pa.table({"a": [1, 2, 3], "b": ["x", None, "z"]})
HOLD = (
    "import sys, pathlib; from rapport.stores.turn_store import TurnStore\n"
    "with TurnStore(pathlib.Path(sys.argv[1])).writing():\n"
    "    print('held', flush=True); sys.stdin.read()\n"
)


@pytest.fixture
def store(tmp_path: Path) -> TurnStore:
    return TurnStore(tmp_path)


def test_a_table_comes_back_as_it_was_written_and_the_same_table_gives_the_same_bytes(store: TurnStore) -> None:
    assert not store.has_table("w1", "states")
    store.write_table("w1", "states", TABLE)
    path = store.turn_folder("w1") / "states.parquet"
    first = path.read_bytes()
    store.write_table("w1", "states", TABLE)
    assert path.read_bytes() == first
    assert store.has_table("w1", "states")
    assert store.read_table("w1", "states").equals(TABLE)
    assert [p.name for p in store.turn_folder("w1").iterdir()] == ["states.parquet"]


def test_a_folder_whose_name_looks_like_a_key_adds_no_column(tmp_path: Path) -> None:
    store = TurnStore(tmp_path / "shop=1")
    store.write_table("w1", "states", TABLE)
    assert store.read_table("w1", "states").column_names == ["a", "b"]


def test_a_write_that_fails_leaves_what_stood_there(store: TurnStore, monkeypatch: pytest.MonkeyPatch) -> None:
    path = store.state / "baseline.json"
    store.write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        store.write_json(path, {"a": float("nan")})

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("rapport.stores.turn_store._flush", killed)
    with pytest.raises(KeyboardInterrupt):
        store.write_json(path, {"a": 2})
    with pytest.raises(KeyboardInterrupt):
        store.write_table("w1", "states", TABLE)
    assert store.read_json(path) == {"a": 1}
    assert not store.has_table("w1", "states")


def test_what_a_killed_process_left_half_written_is_swept_away(store: TurnStore) -> None:
    left = store.state / "loaded" / "abc.part"
    (left / "inner.part").mkdir(parents=True)
    (left / "inner.part" / "t.parquet.part").write_text("x")
    store.turn_folder("w1").mkdir(parents=True)
    (store.turn_folder("w1") / "states.parquet.part").write_text("x")
    store.write_table("w1", "scores", TABLE)
    with store.writing():
        assert not list(store.state.rglob("*.part"))
    assert store.has_table("w1", "scores")


def test_a_folder_takes_its_name_only_when_the_block_ends_well(store: TurnStore) -> None:
    folder = store.loaded_folder("0123456789abcdef0000")
    assert folder.name == "0123456789abcdef"
    killed = store.folder_when_whole(folder)
    part = killed.__enter__()
    (part / "x").write_text("1")
    killed.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert not folder.exists()
    assert not part.exists()
    with store.folder_when_whole(folder) as part:
        (part / "x").write_text("2")
    with store.folder_when_whole(folder) as part:
        (part / "y").write_text("3")
    assert [p.name for p in folder.iterdir()] == ["y"]


def test_a_second_process_is_turned_away_until_the_first_ends_or_is_killed(store: TurnStore, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(TurnBusy, match=r"another process .*; only one may\. Wait"), store.writing():
            pass
        process.kill()
    with store.writing():
        pass


def test_damaged_files_are_told_by_name_with_what_to_do(store: TurnStore) -> None:
    store.write_table("w1", "states", TABLE)
    path = store.turn_folder("w1") / "states.parquet"
    for damaged in (b"not parquet at all", path.read_bytes()[:40], b""):
        path.write_bytes(damaged)
        with pytest.raises(StateDamaged, match=r"states\.parquet: cannot be read.*run it again"):
            store.read_table("w1", "states")
    path.unlink()
    with pytest.raises(StateDamaged, match=r"states\.parquet"):
        store.read_table("w1", "states")
    json = store.state / "turn.json"
    for broken in (b'{"a": ', b"\xff\xfe", b""):
        json.write_bytes(broken)
        with pytest.raises(StateDamaged, match=r"turn\.json: not JSON"):
            store.read_json(json)
    assert store.read_json(store.state / "none.json") is None


def test_turns_are_known_by_name_the_latest_by_default(store: TurnStore) -> None:
    with pytest.raises(UnknownTurn, match="no turn has begun"):
        store.require_turn(None)
    for turn in ("2017-W44", "2017-W42"):
        store.write_table(turn, "states", TABLE)
    assert store.turns() == ["2017-W42", "2017-W44"]
    assert store.require_turn(None) == "2017-W44"
    assert store.require_turn("2017-W42") == "2017-W42"
    with pytest.raises(UnknownTurn, match=r"'2017-W43' is not known; there are: 2017-W42, 2017-W44\. Did you mean"):
        store.require_turn("2017-W43")
    store.discard_turn("2017-W44")
    store.discard_turn("2017-W44")
    assert store.turns() == ["2017-W42"]


def test_a_discarded_turn_is_gone_at_once_even_where_its_removal_is_killed(
    store: TurnStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for turn in ("2017-W42", "2017-W44"):
        store.write_table(turn, "states", TABLE)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("rapport.stores.turn_store.shutil.rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            store.discard_turn("2017-W44")
    assert not store.turn_folder("2017-W44").exists()
    assert not store.has_table("2017-W44", "states")
    with store.writing():
        assert [p.name for p in (store.state / "turns").iterdir()] == ["2017-W42"]
    assert store.has_table("2017-W42", "states")


def test_what_is_left_of_a_discarded_turn_is_no_turn(store: TurnStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for turn in ("2017-W42", "2017-W44"):
        store.write_table(turn, "states", TABLE)
    monkeypatch.setattr("rapport.stores.turn_store.shutil.rmtree", lambda *_, **__: None)
    store.discard_turn("2017-W44")
    # Whoever only reads does not sweep, and must not take the remains for the latest turn.
    assert store.turns() == ["2017-W42"]
    assert store.require_turn(None) == "2017-W42"
