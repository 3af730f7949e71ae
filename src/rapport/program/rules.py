"""Conditions that people write: SQL expressions over declared columns, refused unless every node is on a short list.

Why it exists: a rule must be readable by the marketer who wrote it and harmless to the machine that runs it.
Nothing is run here: a checked expression is handed back as text, written anew from its parsed form.
"""

from __future__ import annotations

from collections.abc import Collection

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from rapport.core.errors import RuleRefused, nearest

LONGEST_RULE = 200
"""Nodes an expression may have."""

LONGEST_TEXT = 10_000
"""Characters an expression may have; asked before it is parsed, which takes time and depth."""

ALLOWED: tuple[type[exp.Expr], ...] = (
    exp.Column,
    exp.Identifier,
    exp.Literal,
    exp.Boolean,
    exp.Null,
    exp.And,
    exp.Or,
    exp.Not,
    exp.Paren,
    exp.EQ,
    exp.NEQ,
    exp.GT,
    exp.GTE,
    exp.LT,
    exp.LTE,
    exp.In,
    exp.Between,
    exp.Is,
    exp.Like,
    exp.Add,
    exp.Sub,
    exp.Mul,
    exp.Div,
    exp.Neg,
    exp.Coalesce,
    exp.Lower,
    exp.Upper,
)
"""What may stand in a rule: columns, values, comparisons, and/or/not, in, between, like, arithmetic, coalesce."""


def check_rule(expression: str, columns: Collection[str], where: str) -> str:
    """Return the expression as DuckDB SQL once every node and column of it is allowed.

    Parameters
    ----------
    expression : str
        A condition such as ``department = 'SPIRITS' OR depth > 0.5``.
    columns : collection of str
        Columns that may be named.
    where : str
        The setting it comes from, for errors.

    Raises
    ------
    RuleRefused
        It cannot be parsed, is too long, names an unknown column, or holds anything else.
    """
    if len(expression) > LONGEST_TEXT:
        raise RuleRefused(
            f"{where}: {shown(expression)} has {len(expression)} characters; at most {LONGEST_TEXT} are allowed. "
            "Split the rule."
        )
    tree = _parse(expression, where)
    nodes = list(tree.walk())
    if len(nodes) > LONGEST_RULE:
        raise RuleRefused(f"{where}: has {len(nodes)} parts; at most {LONGEST_RULE} are allowed. Split the rule.")
    for node in nodes:
        if not isinstance(node, ALLOWED):
            raise RuleRefused(
                f"{where}: {shown(node.sql(dialect='duckdb'))} is not allowed in a rule; write comparisons of "
                "columns and values with and, or, not, in, between, like, is null, + - * /, coalesce, lower, upper."
            )
        if isinstance(node, exp.Column) and (node.table or node.name not in columns):
            raise RuleRefused(
                f"{where}: column {shown(node.sql(dialect='duckdb'))} is not known; there are: "
                f"{', '.join(sorted(columns))}.{nearest(node.name, columns)}"
            )
    return tree.sql(dialect="duckdb", comments=False)


def check_condition(expression: str, columns: Collection[str], where: str) -> str:
    """Return the condition as DuckDB SQL as `check_rule` does; comments and separators of statements are refused too.

    Raises
    ------
    RuleRefused
        As for `check_rule`, or it holds a comment or a semicolon.
    """
    checked = check_rule(expression, columns, where)
    tokens = sqlglot.tokenize(expression, read="duckdb")
    if any(t.comments for t in tokens) or any(t.text == ";" and t.token_type.name == "SEMICOLON" for t in tokens):
        raise RuleRefused(
            f"{where}: {shown(expression)} holds a comment or a semicolon; must be one condition and nothing else. "
            "Say why in the setting `why`."
        )
    return checked


def shown(value: object) -> str:
    """Return a value as an error shows it: as Python writes it, the middle of a long one left out."""
    text = repr(value)
    return text if len(text) <= 300 else f"{text[:200]} ... {text[-60:]}"


def no_condition(expression: str, where: str, kind: str) -> RuleRefused:
    """Return the error for an expression that gives something else than true or false, such as ``text``."""
    return RuleRefused(
        f"{where}: {shown(expression)} gives {kind}; must be a condition, true or false. "
        "Compare it with a value, for example: purchase_days > 3"
    )


def cannot_be_asked(expression: str, where: str, fault: str) -> RuleRefused:
    """Return the error for a condition that the engine cannot work out; `fault` is the engine's own text."""
    told = next((line.strip() for line in fault.splitlines() if line.strip()), "the engine refuses it")
    # No cast may be written in a rule, so the advice to write one would lead nowhere.
    told = told.partition(" - an explicit cast")[0]
    return RuleRefused(
        f"{where}: {shown(expression)} cannot be worked out - {told.rstrip('.!')}; text is compared with text in "
        "quotes, numbers with numbers, and products must stay below 9e18. Mend the condition."
    )


def _parse(expression: str, where: str) -> exp.Expr:
    try:
        trees = sqlglot.parse(expression, dialect="duckdb")
    except (SqlglotError, RecursionError) as error:
        told = str(error).splitlines()[0] if str(error) else "nested too deeply"
        raise RuleRefused(
            f"{where}: {shown(expression)} is not a condition: {told}. Write for example: depth > 0.1"
        ) from error
    if len(trees) != 1 or trees[0] is None:
        raise RuleRefused(f"{where}: {shown(expression)} holds {len(trees)} statements; must be one condition.")
    return trees[0]
