"""Records of people that are made up, of any number, with who is who known.

Why it exists: whether records of one person are found can only be seen where the truth was planted, and on as many as
a large company holds. Names are as skewed as in life, people live in households, move, marry, change addresses, and
are written down with slips. Nothing here knows how records are compared; but the comparing was changed after its
wrong links on these records had been read, so what is found here is no measure on data nobody has looked at.
Each entity's chances are fixed by its number and the seed, so it is the same alone and among a million.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rapport.core.keys import uniform
from rapport.core.people import PEOPLE, record_key
from rapport.simulate.people_names import CITIES, GIVEN, NICKNAMES, PARTS, PROVIDERS, STREETS, SURNAMES, WAYS

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
KEYS: Final = "abcdefghijklmnopqrstuvwxyz"
_SOUNDS: Final = (
    ("ph", "f"),
    ("ck", "k"),
    ("ie", "y"),
    ("th", "t"),
    ("ll", "l"),
    ("ee", "ea"),
    ("c", "k"),
    ("z", "s"),
)
_LOOKS: Final = (("o", "0"), ("l", "1"), ("rn", "m"), ("cl", "d"), ("s", "5"), ("b", "6"))
_FIELDS: Final = (
    "given_name", "middle_name", "surname", "birth_date", "email", "phone", "house_number", "street", "city",
    "postal_code", "region",
)  # fmt: skip


@dataclass(frozen=True)
class PeopleWorld:
    """How many records are made up, and how they err.

    Attributes
    ----------
    records : int
        Records, those of one person several times included.
    duplicates : float
        Share of the records that are another record of a person who has one.
    slip : float
        Chance that a text field of such a record holds a slip of the keyboard, the scanner or the ear.
    missing : float
        Chance that a field of a record is empty, besides e-mail and phone, which are so more often.
    moved, married, new_email, new_phone, nickname, date_slip : float
        Chances that the other record is from another time, or was told otherwise.
    seed : int
        Worlds of different seeds are different people.
    first : int
        Number of the first record, so that several worlds can stand side by side.
    """

    records: int
    duplicates: float = 0.25
    slip: float = 0.12
    missing: float = 0.04
    moved: float = 0.12
    married: float = 0.03
    new_email: float = 0.20
    new_phone: float = 0.15
    nickname: float = 0.08
    date_slip: float = 0.04
    seed: int = 1
    first: int = 0


@dataclass(frozen=True)
class MadeUpPeople:
    """Records as `rapport.core.people.PEOPLE`, and the entity of each."""

    people: pa.Table
    entity: Ints


def make_people(world: PeopleWorld) -> MadeUpPeople:
    """Return made-up records, in an order that tells nothing."""
    again = round(world.records * world.duplicates)
    entities = world.records - again
    of = np.concatenate([np.arange(entities), _draw(again, world.seed, "again", entities)])
    base = _entities(entities, world.seed)
    columns = {name: values[of] for name, values in base.items()}
    later = np.arange(entities, world.records)
    _live_on(columns, later, world)
    _err(columns, later, world)
    _lose(columns, world)
    order = np.argsort(_chance(world.records, world.seed, "order"), kind="stable")
    return MadeUpPeople(_table({k: v[order] for k, v in columns.items()}, world.first), of[order])


def _chance(n: int, seed: int, what: str, start: int = 0) -> Floats:
    found: Floats = uniform(np.arange(start, start + n, dtype=np.int64), f"people|{seed}|{what}")
    return found


def _draw(n: int, seed: int, what: str, among: int) -> Ints:
    return np.minimum((_chance(n, seed, what) * among).astype(np.int64), among - 1)


def _skewed(u: Floats, names: NDArray[np.object_], tail: float) -> NDArray[np.object_]:
    """Return names by Zipf's law over those listed; a share `tail` gets one made of parts, most of them rare."""
    weight = 1.0 / (np.arange(len(names)) + 3.0) ** 0.85
    edges = np.cumsum(weight) / weight.sum() * (1.0 - tail)
    found = names[np.minimum(np.searchsorted(edges, u), len(names) - 1)]
    rare = u >= 1.0 - tail
    rest = ((u[rare] - (1.0 - tail)) / tail * len(PARTS) ** 3).astype(np.int64)
    a, b, c = rest // len(PARTS) ** 2, rest // len(PARTS) % len(PARTS), rest % len(PARTS)
    parts = np.array(PARTS, dtype=object)
    found[rare] = parts[a] + parts[b] + parts[c]
    return found


def _entities(n: int, seed: int) -> dict[str, NDArray[np.object_]]:
    """Return people in households of one to four, who share an address, mostly a surname, sometimes a phone."""
    home = np.cumsum(_chance(n, seed, "new home") < 0.45)
    homes = int(home[-1]) + 1 if n else 0
    own = _chance(n, seed, "own name") < 0.2
    shared = _skewed(_chance(homes, seed, "home name"), np.array(SURNAMES, object), 0.35)[home]
    surname = np.where(own, _skewed(_chance(n, seed, "surname"), np.array(SURNAMES, object), 0.35), shared)
    given = _skewed(_chance(n, seed, "given"), np.array(GIVEN, object), 0.12)
    middle = _skewed(_chance(n, seed, "middle"), np.array(GIVEN, object), 0.12)
    middle[_chance(n, seed, "has middle") < 0.6] = None
    days = np.datetime64("1935-01-01") + (_chance(n, seed, "born") ** 0.9 * 25_500).astype("timedelta64[D]")
    place = {k: v[home] for k, v in _places(np.arange(homes, dtype=np.int64), seed, "home").items()}
    mine = _phones(n, seed, "phone")
    family = _phones(homes, seed, "home phone")[home]
    return {
        "given_name": given,
        "middle_name": middle,
        "surname": surname,
        "birth_date": days.astype(str).astype(object),
        "email": _emails(given, surname, days, seed, "email"),
        "phone": np.where(_chance(n, seed, "landline") < 0.3, family, mine),
        **place,
    }


def _places(number: Ints, seed: int, what: str) -> dict[str, NDArray[np.object_]]:
    n = len(number)
    weight = 1.0 / (np.arange(len(CITIES)) + 2.0)
    city = np.searchsorted(np.cumsum(weight) / weight.sum(), _chance(n, seed, f"{what} city"))
    city = np.minimum(city, len(CITIES) - 1)
    names = np.array([c for c, _ in CITIES], object)
    region = np.array([r for _, r in CITIES], object)
    zone = (_chance(n, seed, f"{what} zone") ** 2 * np.maximum(40.0 / (city + 1.0), 3.0)).astype(np.int64)
    street = _skewed(_chance(n, seed, f"{what} street"), np.array(STREETS, object), 0.4)
    way = np.array(WAYS, object)[_draw(n, seed, f"{what} way", len(WAYS))]
    house = (1 + _chance(n, seed, f"{what} house") ** 2 * 400).astype(np.int64)
    return {
        "house_number": house.astype(str).astype(object),
        "street": street + " " + way,
        "city": names[city],
        "postal_code": (10_000 + city * 130 + zone).astype(str).astype(object),
        "region": region[city],
    }


def _phones(n: int, seed: int, what: str) -> NDArray[np.object_]:
    area = 201 + _draw(n, seed, f"{what} area", 700)
    line = 2_000_000 + _draw(n, seed, what, 7_999_999)
    return np.array([f"+1{a}{x}" for a, x in zip(area, line, strict=True)], dtype=object)


def _emails(
    given: NDArray[np.object_], surname: NDArray[np.object_], days: NDArray[np.datetime64], seed: int, what: str
) -> NDArray[np.object_]:
    n = len(given)
    form = _draw(n, seed, f"{what} form", 5)
    at = (_chance(n, seed, f"{what} at") ** 2 * len(PROVIDERS)).astype(int)
    house = np.array(PROVIDERS, object)[np.minimum(at, len(PROVIDERS) - 1)]
    number = _draw(n, seed, f"{what} number", 1000)
    year = days.astype("datetime64[Y]").astype(int) % 100
    made = []
    for i in range(n):
        g, s = given[i].replace(" ", ""), surname[i].replace(" ", "").replace("'", "")
        local = (f"{g}.{s}", f"{g[0]}{s}{year[i]:02d}", f"{g}{s}", f"{s}.{g}{number[i]}", f"{g}{number[i]}")[form[i]]
        made.append(f"{local}@{house[i]}")
    return np.array(made, dtype=object)


def _some(rows: Ints, share: float, world: PeopleWorld, what: str) -> Ints:
    return rows[_chance(len(rows), world.seed, what) < share]


def _live_on(columns: dict[str, NDArray[np.object_]], rows: Ints, world: PeopleWorld) -> None:
    """Let people move, marry, change numbers and go by other names before they are written down again."""
    moved = _some(rows, world.moved, world, "moved")
    for name, values in _places(moved, world.seed, "moved").items():
        columns[name][moved] = values
    married = _some(rows, world.married, world, "married")
    columns["surname"][married] = _skewed(
        _chance(len(married), world.seed, "married name"), np.array(SURNAMES, object), 0.35
    )
    phone = _some(rows, world.new_phone, world, "new phone")
    columns["phone"][phone] = _phones(len(phone), world.seed, "new phone number")
    email = _some(rows, world.new_email, world, "new email")
    days = columns["birth_date"][email].astype(str).astype("datetime64[D]")
    columns["email"][email] = _emails(
        columns["given_name"][email], columns["surname"][email], days, world.seed, "new email"
    )
    short = _some(rows, world.nickname, world, "nickname")
    columns["given_name"][short] = [NICKNAMES.get(g, g) for g in columns["given_name"][short]]
    initial = _some(rows, world.nickname / 4, world, "initial")
    columns["given_name"][initial] = [g[0] for g in columns["given_name"][initial]]
    turned = _some(rows, 0.01, world, "turned")
    given = columns["given_name"][turned].copy()
    columns["given_name"][turned] = columns["surname"][turned]
    columns["surname"][turned] = given


def _err(columns: dict[str, NDArray[np.object_]], rows: Ints, world: PeopleWorld) -> None:
    """Put slips into the later records."""
    for name in ("given_name", "surname", "street", "city", "email", "house_number", "postal_code"):
        share = world.slip if name in {"given_name", "surname", "street"} else world.slip / 3
        hit = _some(rows, share, world, f"slip {name}")
        kind = _chance(len(hit), world.seed, f"slip kind {name}")
        place = _chance(len(hit), world.seed, f"slip place {name}")
        letter = _draw(len(hit), world.seed, f"slip letter {name}", 26)
        digits = name in {"house_number", "postal_code"}
        columns[name][hit] = [
            _slipped(v, k, p, str(c % 10) if digits else KEYS[c], digits)
            for v, k, p, c in zip(columns[name][hit], kind, place, letter, strict=True)
        ]
    hit = _some(rows, world.date_slip, world, "date slip")
    kinds = _draw(len(hit), world.seed, "date slip kind", 3)
    columns["birth_date"][hit] = [_other_day(d, k) for d, k in zip(columns["birth_date"][hit], kinds, strict=True)]


def _slipped(text: str | None, kind: float, place: float, letter: str, digits: bool) -> str | None:
    if not text or len(text) < 2:
        return text
    at = min(int(place * len(text)), len(text) - 1)
    if kind < 0.65:
        put, skip = ("", 1) if kind < 0.2 else (letter, 1 if kind < 0.5 else 0)
        return text[:at] + put + text[at + skip :]
    if kind < 0.8 or digits:
        at = min(at, len(text) - 2)
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    old, new = next((p for p in (_SOUNDS if kind < 0.92 else _LOOKS) if p[0] in text), ("", ""))
    return text.replace(old, new, 1) if old else text


def _other_day(day: str, kind: int) -> str:
    year, month, date = day.split("-")
    if kind == 0 and int(date) <= 12:
        return f"{year}-{date}-{month}"
    if kind == 1:
        return f"{int(year) + 1}-{month}-{min(int(date), 28):02d}"
    return f"{year}-{month}-{int(date) % 28 + 1:02d}"


def _lose(columns: dict[str, NDArray[np.object_]], world: PeopleWorld) -> None:
    """Leave fields empty; a postal code less often than the rest."""
    for name in _FIELDS:
        share = {"email": 6.0, "phone": 5.0, "birth_date": 2.5}.get(name, 1.0) * world.missing
        gone = _chance(len(columns[name]), world.seed, f"missing {name}") < min(share, 0.95)
        kept = columns[name].copy()
        kept[gone] = None
        columns[name] = kept


def _table(columns: dict[str, NDArray[np.object_]], first: int) -> pa.Table:
    n = len(columns["surname"])
    ids = [f"P{i:08d}" for i in range(first, first + n)]
    made: dict[str, pa.Array] = {
        "record_key": pa.array([record_key("made up", i) for i in ids], pa.int64()),
        "system": pa.array(["made up"] * n, pa.string()),
        "record_id": pa.array(ids, pa.string()),
        "kind": pa.array(["person"] * n, pa.string()),
    }
    for f in PEOPLE:
        if f.name in made:
            continue
        values = columns.get(f.name)
        if values is None:
            made[f.name] = pa.nulls(n, f.type)
        elif pa.types.is_list(f.type):
            made[f.name] = pa.array([None if v is None else [v] for v in values], f.type)
        else:
            made[f.name] = pa.array(values, f.type)
    return pa.table(made, schema=PEOPLE)
