"""Everything that can be wrong with a program.toml is told with its line, its value and what is allowed."""

from __future__ import annotations

import pytest

from programs import MINIMAL, changed
from rapport.core.errors import ProgramInvalid, ProgramSyntax
from rapport.program.parse import find_line, parse_program

CUSTOMERS = """
[[sources]]
kind = "customers"
path = "people.csv"
columns = { customer_id = "who" }
traits = ["email"]

[margins]
"""


def line_of(text: str, piece: str) -> int:
    return next(n for n, line in enumerate(text.splitlines(), start=1) if piece in line)


def test_the_minimal_programme_is_read_with_its_defaults() -> None:
    program = parse_program(MINIMAL)
    assert program.name == "Corner shop"
    assert program.policy.portfolio_size == 10
    assert program.goals[0].tiers == ("A", "B", "C")
    assert program.source("products") is None
    assert program.cost_to_serve is None


# (what is replaced, by what, a piece of the line that the error must name or None, what the message must hold)
BAD = [
    (
        'name = "Corner shop"',
        'name = "Corner shop"\nchanels = 1',
        "chanels",
        ["chanels is not a setting", "channels"],
    ),
    ("capacity = 100", "capcity = 100", "capcity", ["channels.1.capcity is not a setting", "Did you mean capacity?"]),
    ("capacity = 100", "", "[[channels]]", ["channels.1.capacity is missing"]),
    ("Europe/Vienna", "Europe/Wien", "timezone", ["timezone is 'Europe/Wien'", "IANA"]),
    ("Europe/Vienna", "Europe/Viena", "timezone", ["Did you mean Europe/Vienna"]),
    ('"EUR"', '"euro"', "currency", ["currency is 'euro'", "must match"]),
    ("holdout_share = 0.10", "holdout_share = 10", "holdout_share", ["is 10", "at most 0.5", "not a percentage"]),
    ("holdout_share = 0.10", "holdout_share = nan", "holdout_share", ["is nan"]),
    ("depth = 0.20", "depth = 20", "depth = 20", ["offers.depth is 20", "below 1", "not a percentage"]),
    ("top_share = 0.25", "top_share = 25", "top_share", ["tiers.top_share is 25", "at most 1", "not a percentage"]),
    ("top_share = 0.25", "top_share = 0.9", "[tiers]", ["top_share + bottom_share is 1.1", "must not exceed 1"]),
    (
        'goals = ["more-visits"]',
        "goals = []",
        None,
        ["channels.email serves no goal", "after the goals", "more-visits"],
    ),
    ('goals = ["more-visits"]', 'goals = ["more-vists"]', None, ["'more-vists'", "Did you mean more-visits?"]),
    (
        'challenge = "few-visits"',
        'challenge = "few-vists"',
        None,
        ["goals.more-visits.challenge", "Did you mean few-v"],
    ),
    ('A = "Keep."\n', "", "[tiers", ["purpose lacks A", "A, B and C"]),
    ('measure = "purchase_days_per_customer"', 'measure = "likes"', "measure", ["is 'likes'", "'active_share'"]),
    ("target_change = 0.05", "target_change = inf", "target_change", ["target_change is inf"]),
    ("by = 2030-12-31", 'by = "soon"', "by = ", ["goals.1.by is 'soon'", "valid date"]),
    (', sales = "paid"', "", "[[sources]]", ["columns lacks sales", "kind transactions"]),
    ("sales =", "seles =", "[[sources]]", ["columns names 'seles'", "Did you mean sales?"]),
    ('at = "when"', 'at = ["when", "hour"]', "[[sources]]", ["columns.at is a list", "money"]),
    ('path = "lines.csv"', 'path = "lines.csv"\nkey = ["store_id"]', "[[sources]]", ["key names store_id"]),
    ('path = "lines.csv"', 'path = "lines.csv"\ntraits = ["age"]', "[[sources]]", ["only customers have traits"]),
    ('path = "lines.csv"', 'path = "lines.csv"\ntimezone = "CETX"', 'timezone = "CETX"', ["is 'CETX'", "IANA"]),
    ('kind = "transactions"', 'kind = "sales"', 'kind = "sales"', ["is 'sales'", "'transactions'"]),
    ("depth = 0.20", 'depth = 0.20\nfile = "offers.csv"', "[offers]", ["either query or file"]),
    ('query = "SELECT DISTINCT item FROM purchases"', "", "[offers]", ["either query or file"]),
    ("low = 2.0", "low = 5.0", "[lift]", ["5, 4, 8", "must not descend"]),
    ("odds_ratio = 4.0", "odds_ratio = 0.5", "odds_ratio", ["lift.odds_ratio is 0.5", "at least 1"]),
    ("reach = 0.5", 'reach = 0.5\nneeds = "email"', None, ["channels.email.needs is 'email'"]),
    ("reach = 0.5", "reach = 0", "reach = 0", ["channels.1.reach is 0", "above 0"]),
    ("capacity = 100", "capacity = -1", "capacity", ["is -1", "at least 0"]),
    ("capacity = 100", "capacity = 1.5", "capacity", ["is 1.5", "integer"]),
    ("cost_per_contact = 0.01", 'cost_per_contact = "cheap"', "cost_per", ["is 'cheap'", "number"]),
    ("default = 0.30", "default = 30", "default = 30", ["margins.default is 30", "at most 1"]),
    ('name = "more-visits"', 'name = "more visits!"', "more visits!", ["goals.1.name", "must match"]),
    ("[lift]", "[lifft]", "[lifft]", ["lifft is not a setting", "Did you mean lift?"]),
]


@pytest.mark.parametrize(("old", "new", "piece", "told"), BAD, ids=[f"{new[-30:]!r}" for _, new, _, _ in BAD])
def test_what_is_wrong_is_told_with_line_value_and_what_is_allowed(
    old: str, new: str, piece: str | None, told: list[str]
) -> None:
    text = changed((old, new))
    with pytest.raises(ProgramInvalid) as caught:
        parse_program(text, "shop.toml")
    message = str(caught.value)
    for fragment in told:
        assert fragment in message
    place = "shop.toml: " if piece is None else f"shop.toml:{line_of(text, piece)}: "
    assert any(line.startswith(place) for line in message.splitlines()), message
    for line in message.splitlines():
        assert line.startswith("shop.toml")
        assert line[-1] in ".?"


def test_a_programme_without_goals_is_told_to_begin_with_them() -> None:
    start, stop = MINIMAL.index("[[goals]]"), MINIMAL.index("[tiers]")
    with pytest.raises(ProgramInvalid, match=r"goals is missing.*State what the programme wants before"):
        parse_program(MINIMAL[:start] + MINIMAL[stop:])
    with pytest.raises(ProgramInvalid, match=r"program.toml:1: goals is empty.*State what the programme wants"):
        parse_program("goals = []\n" + MINIMAL[:start] + MINIMAL[stop:])


@pytest.mark.parametrize(
    ("part", "name"), [("challenges", "few-visits"), ("goals", "more-visits"), ("channels", "email")]
)
def test_names_that_repeat_are_refused(part: str, name: str) -> None:
    head = f"[[{part}]]"
    start = MINIMAL.index(head)
    stop = next((i for i in (MINIMAL.find("\n[", start + len(head)),) if i > 0), len(MINIMAL))
    with pytest.raises(ProgramInvalid, match=f"{part} names {name} more than once"):
        parse_program(MINIMAL + "\n" + MINIMAL[start:stop])


def test_two_sources_of_one_kind_are_refused_and_transactions_must_be_there() -> None:
    start, stop = MINIMAL.index("[[sources]]"), MINIMAL.index("[margins]")
    source = MINIMAL[start:stop]
    with pytest.raises(ProgramInvalid, match="sources names transactions more than once"):
        parse_program(MINIMAL + "\n" + source)
    with pytest.raises(ProgramInvalid, match="lacks a source of kind transactions"):
        parse_program(changed(("[margins]\n", CUSTOMERS)).replace(source, ""))


def test_a_channel_may_need_a_trait_that_the_customers_have() -> None:
    text = changed(("[margins]\n", CUSTOMERS), ("reach = 0.5", 'reach = 0.5\nneeds = "email"'))
    assert parse_program(text).channels[0].needs == "email"
    with pytest.raises(ProgramInvalid, match="Did you mean email"):
        parse_program(text.replace('needs = "email"', 'needs = "e-mail"'))


def test_several_mistakes_are_told_together_each_on_its_line() -> None:
    with pytest.raises(ProgramInvalid) as caught:
        parse_program(changed(("capacity = 100", "capacity = -1"), ('"EUR"', '"euro"')))
    assert len(str(caught.value).splitlines()) == 2


def test_what_is_not_toml_is_told_with_the_line() -> None:
    with pytest.raises(ProgramSyntax, match=r"program.toml: not TOML: .*line 2"):
        parse_program('name = "x"\ncurrency = \n')


def test_the_line_is_that_of_the_part_that_is_meant() -> None:
    text = MINIMAL + '\n[[channels]]\nname = "till"\ngoals = ["more-visits"]\ncapacity = -5\n'
    assert find_line(text, ("channels", 1, "capacity")) == line_of(text, "capacity = -5")
    assert find_line(text, ("channels", 1, "reach")) == line_of(text, 'name = "till"') - 1
    assert find_line(text, ("channels", 0, "capacity")) == line_of(text, "capacity = 100")
    assert find_line(text, ("tiers", "purpose", "B")) == line_of(text, 'B = "Grow."')
    assert find_line(text, ("litmus", "mass_cost")) is None


def test_text_in_a_query_is_not_taken_for_a_key() -> None:
    query = '"""\nSELECT item FROM purchases WHERE item\n= \'x\' OR\ndepth = 3\n[margins]\ndefault = 4\n"""'
    text = changed(('"SELECT DISTINCT item FROM purchases"', query), ("depth = 0.20", "depth = 7"))
    assert find_line(text, ("offers", "depth")) == line_of(text, "depth = 7")
    assert find_line(text, ("margins", "default")) == line_of(text, "default = 0.30")
    assert find_line(text, ("lift", "low")) == line_of(text, "low = 2.0")


def test_more_rules_than_a_score_can_tell_apart_are_refused() -> None:
    rule = '[[rules]]\nname = "r{}"\nkind = "eligibility"\nwhy = "w"\n'
    text = MINIMAL + "\n" + "".join(rule.format(i) for i in range(127))
    assert len(parse_program(text).rules) == 127
    with pytest.raises(ProgramInvalid, match="rules holds more than 127; must hold at most 127"):
        parse_program(text + rule.format(127))
