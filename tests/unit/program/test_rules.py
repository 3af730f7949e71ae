import pytest

from rapport.core.errors import RuleRefused
from rapport.program.rules import check_rule

COLUMNS = ["department", "depth", "age", "days_since_last"]


@pytest.mark.parametrize(
    "rule",
    [
        "true",
        "department = 'SPIRITS'",
        "depth > 0.5 and not (department in ('A', 'B') or age is null)",
        "days_since_last between 10 and 2 * 30",
        "lower(department) like 'sp%'",
        "coalesce(depth, 0) - 1 <> -1",
    ],
)
def test_a_plain_condition_is_allowed(rule: str) -> None:
    assert check_rule(rule, COLUMNS, "rules.x.offers")


@pytest.mark.parametrize(
    "rule",
    [
        "(select 1)",
        "depth > (select max(depth) from offers)",
        "read_csv('/etc/passwd')",
        "exists (select 1)",
        "getenv('HOME') = 'x'",
        "depth > 1; drop table states",
        "cast(depth as varchar) = '1'",
        "case when true then 1 end = 1",
        "other.depth > 1",
        "*",
        "depth >",
        "(" * 900,
        "(" * 400 + "true" + ")" * 400,
        " or ".join(["depth > 1"] * 100),
        "",
    ],
)
def test_anything_else_is_refused(rule: str) -> None:
    with pytest.raises(RuleRefused, match=r"rules\.x\.offers"):
        check_rule(rule, COLUMNS, "rules.x.offers")


def test_an_unknown_column_offers_the_nearest() -> None:
    with pytest.raises(RuleRefused, match="Did you mean department"):
        check_rule("departmint = 'A'", COLUMNS, "rules.x.offers")
