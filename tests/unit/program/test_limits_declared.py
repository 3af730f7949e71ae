"""Limits, levers, kinds and includes are declared in words; what is wrong in them is told with its line."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from programs import MINIMAL, changed, program_with
from rapport.core.errors import ProgramInvalid, RuleRefused
from rapport.program.parse import find_line, parse_program
from rapport.program.rules import LONGEST_TEXT, check_condition, check_rule

LIMIT = '[[limits]]\nname = "letters"\ncounts = "contacts"\nat_most = 100\nchannels = ["email"]\n'
LEVER = '[[levers]]\nname = "season"\noffers = "category = \'soup\'"\nboost = 0.25\n'
KIND = '[[kinds]]\nname = "meat"\nat_most = 1\n'
INCLUDE = '[[includes]]\nname = "hello"\ntext = "How did you like us?"\n'


def test_what_is_not_declared_has_its_defaults() -> None:
    program = parse_program(MINIMAL)
    assert (program.limits, program.levers, program.kinds, program.includes) == ((), (), (), ())
    assert program.offers.cool_down_days == 0
    assert (program.channels[0].minutes_per_contact, program.channels[0].unsubscribe_probability) == (0.0, 0.0)
    assert program.policy.pressure == 1.0


def test_a_programme_that_declares_nothing_new_is_written_as_before() -> None:
    # The digest of the minimal programme as written before there were limits: decisions carry versions made from it.
    written = program_with().model_dump_json().encode()
    assert hashlib.sha256(written).hexdigest() == "b08027177fd4aa5ecc8e8122f9890c83436dcbf18be597d4b818a4633d4f7fb7"


@pytest.mark.parametrize(
    "text",
    [
        MINIMAL + LIMIT,
        MINIMAL + LEVER,
        MINIMAL + KIND,
        MINIMAL + INCLUDE,
        changed(("depth = 0.20", "depth = 0.20\ncool_down_days = 7")),
        changed(("reach = 0.5", "reach = 0.5\nminutes_per_contact = 4")),
        changed(("reach = 0.5", "reach = 0.5\nunsubscribe_probability = 0.001")),
        changed(("holdout_share = 0.10", "holdout_share = 0.10\npressure = 1.5")),
    ],
)
def test_what_is_declared_is_in_what_is_written_and_read_again(text: str) -> None:
    program = parse_program(text)
    assert program.model_dump_json() != parse_program(MINIMAL).model_dump_json()
    assert type(program).model_validate_json(program.model_dump_json()) == program


def test_every_part_is_read() -> None:
    amounts = (
        '[[limits]]\nname = "acme"\ncounts = "giveaway"\neach = "supplier"\namounts = { Acme = 5, "B & Co" = 0 }\n'
    )
    minima = amounts.replace('"acme"', '"least"').replace("amounts =", 'amounts_are = "at_least"\namounts =')
    stock = '[[limits]]\nname = "stock"\ncounts = "offers"\neach = "offer_id"\nat_most_from = "stock"\n'
    program = parse_program(MINIMAL + LIMIT + amounts + minima + stock + LEVER + KIND + INCLUDE)
    assert [p.name for p in program.limits] == ["letters", "acme", "least", "stock"]
    assert program.limits[1].amounts == {"Acme": 5.0, "B & Co": 0.0}
    assert program.limits[2].amounts_are == "at_least"
    assert program.levers[0].active
    assert (program.kinds[0].offers, program.kinds[0].each) == ("true", None)
    assert (program.includes[0].customers, program.includes[0].forced) == ("true", False)


# (the part, what is replaced in it, by what, a piece of the line that is named, what is told)
BAD = [
    (LIMIT, "at_most = 100", "", "[[limits]]", "limits.1: has no bound; must have exactly one of at_most, at_least"),
    (LIMIT, "at_most = 100", "at_most = 1\nat_least = 1", "[[limits]]", "limits.1: has at_most and at_least; must"),
    (LIMIT, "at_most = 100", "at_most = -1", "at_most", "limits.1.at_most is -1; must be at least 0"),
    (LIMIT, "at_most = 100", "at_most = inf", "at_most", "limits.1.at_most is inf; must be a finite number"),
    (LIMIT, "at_most = 100", "at_least = nan", "at_least", "limits.1.at_least is nan"),
    (LIMIT, "at_most = 100", "at_most = 1e13", "at_most", "must be at most 1000000000000"),
    (LIMIT, "at_most = 100", "at_most = true", "at_most", "limits.1.at_most is True; must be a valid number"),
    (LIMIT, "at_most = 100", "at_moost = 1", "at_moost", "limits.1.at_moost is not a setting"),
    (LIMIT, '"contacts"', '"contact"', "counts", "counts is 'contact'; must be one of 'contacts', 'contact_cost'"),
    (LIMIT, '"letters"', '"email capacity"', "email capacity", "limits.1.name is 'email capacity'; must match"),
    (LIMIT, '["email"]', '["emial"]', "emial", "limits.1.channels is 'emial'; must be one of: email. Did you mean"),
    (LIMIT, '["email"]', '["email", "email"]', '"email", "email"', "limits.1.channels is .* may be named once"),
    (LIMIT, '["email"]', "[]", "channels = []", "limits.1.channels is empty; must hold at least 1"),
    (
        LIMIT,
        "at_most = 100",
        "at_most = 1\noffers = 'true'",
        "offers = 'true'",
        "offers is given where counts is 'con",
    ),
    (LIMIT, "at_most = 100", "amounts = { A = 1 }", "amounts", "amounts is given without each"),
    (LIMIT, "at_most = 100", "each = 'tier'\namounts = {}", "amounts", "amounts is empty; must hold at least 1"),
    (LIMIT, "at_most = 100", "each = 'tier'\namounts = { D = 1 }", "amounts", "amounts is 'D'; must be one of: A, B"),
    (LIMIT, "at_most = 100", "each = 'x'\namounts = { D = -1 }", "amounts", "amounts.D is -1; must be at least 0"),
    (LIMIT, "at_most = 100", "at_most = 1\namounts_are = 'at_least'", "amounts_are", "is given without amounts"),
    (
        LIMIT,
        "at_most = 100",
        "at_most_from = 'stock'",
        "at_most_from",
        'must stand with each = "offer_id" and counts',
    ),
    (LIMIT, "at_most = 100", "at_most_from = 'price'", "at_most_from", "must be one of 'stock' or 'buyers'"),
    (LIMIT, LIMIT, LIMIT + LIMIT, "letters", "limits.2.name is 'letters', which stands twice; names of limits must"),
    (LEVER, "0.25", "-1", "boost", "levers.1.boost is -1; must be at least -0.9"),
    (LEVER, "0.25", "10.5", "boost", "levers.1.boost is 10.5; must be at most 10"),
    (LEVER, "boost = 0.25", "boost = 1\nactive = 1", "active = 1", "levers.1.active is 1; must be a valid boolean"),
    (LEVER, "boost = 0.25", "", "[[levers]]", "levers.1.boost is missing"),
    (KIND, "at_most = 1", "at_most = 0", "at_most", "kinds.1.at_most is 0; must be at least 1"),
    (KIND, "at_most = 1", "at_most = 1.5", "at_most", "kinds.1.at_most is 1.5; must be a valid integer"),
    (
        KIND,
        "at_most = 1",
        "at_most = 1\neach = 'brand'",
        "each",
        "kinds.1.each is 'brand'; must be one of 'offer_id'",
    ),
    (
        INCLUDE,
        "text =",
        "offers = 'true'\ntext =",
        "[[includes]]",
        "includes.1: has text and offers; must have exactly",
    ),
    (INCLUDE, 'text = "How did you like us?"', "", "[[includes]]", "includes.1: has neither text nor offers"),
    (INCLUDE, "text =", "txt =", "txt", "txt is not a setting; .*Did you mean text"),
]


@pytest.mark.parametrize(("part", "old", "new", "piece", "told"), BAD, ids=[b[4][:50] for b in BAD])
def test_what_is_wrong_in_a_part_is_told_with_its_line(part: str, old: str, new: str, piece: str, told: str) -> None:
    assert old in part
    text = MINIMAL + part.replace(old, new)
    # The last line that holds the piece: a name that stands twice is wrong where it stands again.
    line = max(n for n, t in enumerate(text.splitlines(), start=1) if piece in t)
    with pytest.raises(ProgramInvalid, match=rf"(?m)^program\.toml:{line}: .*{told}"):
        parse_program(text)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("depth = 0.20", "depth = 0.20\ncool_down_days = -1", "offers.cool_down_days is -1; must be at least 0"),
        (
            "depth = 0.20",
            "depth = 0.20\ncool_down_days = 1.5",
            "offers.cool_down_days is 1.5; must be a valid integer",
        ),
        ("reach = 0.5", "reach = 0.5\nminutes_per_contact = -1", "channels.1.minutes_per_contact is -1"),
        (
            "reach = 0.5",
            "reach = 0.5\nunsubscribe_probability = 2",
            "unsubscribe_probability is 2; must be at most 1",
        ),
        (
            "holdout_share = 0.10",
            "holdout_share = 0.10\npressure = 0.5",
            "policy.pressure is 0.5; must be at least 1",
        ),
    ],
)
def test_harm_and_cooling_down_lie_in_their_ranges(old: str, new: str, told: str) -> None:
    with pytest.raises(ProgramInvalid, match=told):
        parse_program(changed((old, new)))


def test_a_table_of_amounts_below_a_limit_gives_the_line_of_its_own_limit() -> None:
    one = '[[limits]]\nname = "{}"\ncounts = "giveaway"\neach = "supplier"\n[limits.amounts]\nAcme = {}\n'
    text = MINIMAL + one.format("first", 1) + one.format("second", -2)
    line = next(n for n, t in enumerate(text.splitlines(), start=1) if "Acme = -2" in t)
    assert find_line(text, ("limits", 1, "amounts", "Acme")) == line
    with pytest.raises(ProgramInvalid, match=rf"^program\.toml:{line}: limits\.2\.amounts\.Acme is -2"):
        parse_program(text)


HOSTILE = [
    "(select 1) = 1",
    "depth > (select max(depth) from offers)",
    "read_csv('/etc/passwd') is not null",
    "exists (select 1)",
    "getenv('HOME') = 'x'",
    "nosuch > 1",
    "other.depth > 1",
    "depth > 1; drop table states",
    "depth > 1;",
    "; depth > 1",
    "depth > 1 -- and more",
    "depth > 1 /* and more */",
    "/* more */ depth > 1",
    "/*+ hint */ depth > 1",
    "-- nothing else",
    "",
    " ",
    "depth = $as_of",
    "depth = ?",
    "'text' || 'more' = 'x'",
    "[depth][1] = 1",
    "{'a': depth} is null",
    "x -> x + 1",
    "case when true then true end",
    "cast(depth as varchar) = '1'",
    "depth::varchar = '1'",
    "depth > 1\x00",
    "*",
    "(" * 10_000,
    "(" * 10_000 + "true" + ")" * 10_000,
    "(" * 4_000 + "true" + ")" * 4_000,
    "not " * 2_400 + "true",
    "- " * 4_000 + "1 > 0",
    "[" * 9_000,
    "{" * 9_000,
    "case when " * 900,
    "coalesce(" * 1_000 + "1" + ")" * 1_000,
    "'" + "x" * 1_000_000 + "' = 'x'",
    " or ".join(["depth > 1"] * 100_000),
]


@pytest.mark.parametrize("condition", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_condition_is_refused_with_its_place_in_few_words(condition: str) -> None:
    with pytest.raises(RuleRefused, match=r"^limits\.x\.offers: ") as caught:
        check_condition(condition, ["depth"], "limits.x.offers")
    assert len(str(caught.value)) < 1_000


def test_a_condition_as_long_as_may_be_is_read() -> None:
    text = "x" * (LONGEST_TEXT - len("name = ''"))
    assert check_condition(f"name = '{text}'", ["name"], "here")
    with pytest.raises(RuleRefused, match=r"has 10001 characters; at most 10000 are allowed\. Split"):
        check_condition(f"name = '{text}x'", ["name"], "here")


def test_marks_of_comments_and_separators_within_text_are_text() -> None:
    assert check_condition("name = 'a;b -- c /* d */'", ["name"], "here") == "name = 'a;b -- c /* d */'"


def test_the_comment_of_a_rule_is_not_handed_to_the_engine() -> None:
    assert check_rule("depth > 1 -- deep */ or true", ["depth"], "here") == "depth > 1"


def test_a_long_value_is_told_in_few_words() -> None:
    with pytest.raises(ProgramInvalid, match=r"limits\.1\.counts is 'x+ \.\.\. x+'; must be one of") as caught:
        parse_program(MINIMAL + LIMIT.replace('"contacts"', f'"{"x" * 100_000}"'))
    assert len(str(caught.value)) < 1_000


def test_the_example_of_the_guide_is_a_programme() -> None:
    guide = (Path(__file__).resolve().parents[3] / "docs" / "guides" / "limits.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```toml\n(.*?)^```", guide, re.DOTALL | re.MULTILINE)
    start, stop = MINIMAL.index("[offers]"), MINIMAL.index("[lift]")
    letter = MINIMAL[MINIMAL.index("[[channels]]") : MINIMAL.index("[policy]")].replace('"email"', '"letter"')
    program = parse_program(MINIMAL[:start] + MINIMAL[stop:] + "\n" + letter + "\n" + example)
    named = [len(p) for p in (program.limits, program.levers, program.kinds, program.includes)]
    assert named == [5, 1, 1, 1]
    assert program.offers.cool_down_days == 14
