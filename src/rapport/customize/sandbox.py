"""Fill in templates that a programme brings, without trusting them.

Why it exists: a template is written by people and may reach for what it should not, or never end. So it is
refused before it is filled in unless every part of it is on a short list, and its output is counted while it
grows. No file is read here and nothing about marketing may enter.
"""

from __future__ import annotations

import math
import traceback
from collections.abc import Callable, Mapping
from datetime import date
from functools import wraps
from typing import Any, Literal

from jinja2 import StrictUndefined, TemplateError, TemplateSyntaxError, Undefined, nodes
from jinja2.environment import Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

from rapport.core.errors import ProgramInvalid, nearest

FILTERS = (
    "capitalize",
    "default",
    "e",
    "escape",
    "first",
    "float",
    "int",
    "last",
    "length",
    "lower",
    "round",
    "title",
    "trim",
    "truncate",
    "upper",
)
"""Filters a template may use: none makes its value longer, so chains of them cannot fill the memory."""

_WRITERS = ("capitalize", "e", "escape", "lower", "title", "trim", "truncate", "upper")
"""Filters that turn whatever they get into text, so that what has no text of its own must not reach them."""

_FILTER_FAILURES = (ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)

RANGE_MAX = 100
LOOP_DEPTH_MAX = 2
TEMPLATE_MAX = 64_000
OUTPUT_MAX = 200_000
PRECISION_MAX = 6

_ALLOWED: tuple[type[nodes.Node], ...] = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.For,
    nodes.If,
    nodes.Assign,
    nodes.Name,
    nodes.Const,
    nodes.Getattr,
    nodes.Getitem,
    nodes.Filter,
    nodes.Keyword,
    nodes.Test,
    nodes.Compare,
    nodes.Operand,
    nodes.And,
    nodes.Or,
    nodes.Not,
    nodes.CondExpr,
    nodes.Call,
)


_METHODS: dict[str, Callable[[float], float]] = {"ceil": math.ceil, "floor": math.floor}


class FilledTooLongError(Exception):
    """The output of a template grew beyond what a message may be."""


def _short_range(*bounds: int) -> range:
    found = range(*bounds)
    if len(found) > RANGE_MAX:
        raise OverflowError(f"range has {len(found)} steps; at most {RANGE_MAX} are allowed")
    return found


def _round(value: float, precision: int = 0, method: Literal["common", "ceil", "floor"] = "common") -> float:
    """Round as Jinja does, to few places only: with many, the whole of a huge number would be worked out."""
    if not isinstance(precision, int) or not 0 <= precision <= PRECISION_MAX:
        raise ValueError(
            f"round has precision {str(precision)[:20]}; must be a whole number from 0 to {PRECISION_MAX}"
        )
    if method == "common":
        return round(value, precision)
    if method not in _METHODS:
        raise ValueError(f"round has method {str(method)[:20]!r}; must be common, ceil or floor")
    scale: int = 10**precision
    return _METHODS[method](value * scale) / scale


def _written(value: Any) -> Any:
    """Return a value that has text of its own; anything else would show the inside of the program."""
    if isinstance(value, str | int | float | date | Undefined):
        return value
    raise TypeError(f"this is {type(value).__name__.strip('_')}, no single value; must be text, a number or a day")


def _of_written(act: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter that takes only what has text of its own."""
    # Some filters get the environment first.
    place = 1 if hasattr(act, "jinja_pass_arg") else 0

    @wraps(act)
    def filtered(*given: Any, **named: Any) -> Any:
        _written(given[place])
        return act(*given, **named)

    return filtered


class _Room(ImmutableSandboxedEnvironment):
    """Where templates are filled in: methods cannot be reached, not even to print them."""

    def getattr(self, obj: Any, attribute: str) -> Any:
        return self._plain(super().getattr(obj, attribute), attribute)

    def getitem(self, obj: Any, argument: str | Any) -> Any:
        return self._plain(super().getitem(obj, argument), argument)

    def _plain(self, found: Any, name: object) -> Any:
        if callable(found) and not isinstance(found, Undefined):
            raise TypeError(f"{str(name)[:60]!r} is a method; must be a value")
        return found


def _refuse(place: str, line: int, what: str, todo: str) -> ProgramInvalid:
    return ProgramInvalid(f"{place}:{line}: {what}. {todo}")


class CheckedTemplate:
    """A template that has passed the check; filling it in is a pure function of the values handed over."""

    def __init__(self, place: str, source: str, *, html: bool) -> None:
        self._place = place
        self._template = _compile(place, source, html=html)

    def fill(self, values: Mapping[str, Any]) -> str:
        """Return the text for the values.

        Raises
        ------
        ProgramInvalid
            Where the template names something unknown, reaches for something forbidden, or grows beyond
            `OUTPUT_MAX` characters; the message names template and line.
        """
        pieces: list[str] = []
        size = 0
        context = self._template.new_context(dict(values))
        try:
            for piece in self._template.root_render_func(context):
                size += len(piece)
                if size > OUTPUT_MAX:
                    raise FilledTooLongError(f"the message grew beyond {OUTPUT_MAX:,} characters")
                pieces.append(piece)
        except (TemplateError, FilledTooLongError, *_FILTER_FAILURES) as error:
            raise self._explain(error) from error
        return "".join(pieces)

    def _explain(self, error: Exception) -> ProgramInvalid:
        compiled = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == self._place]
        line = self._template.get_corresponding_lineno(compiled[-1] or 1) if compiled else 1
        return _refuse(
            self._place,
            line,
            f"cannot be filled in - {error}",
            "Use only the values, filters and short loops that docs/method/messages.md lists.",
        )


def _compile(place: str, source: str, *, html: bool) -> Template:
    if len(source) > TEMPLATE_MAX:
        raise _refuse(
            place, 1, f"has {len(source):,} characters; at most {TEMPLATE_MAX:,} are allowed", "Shorten it."
        )
    environment = _Room(
        autoescape=html, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=_written
    )
    environment.globals = {"range": _short_range}
    filters = environment.filters
    environment.filters = {n: _of_written(filters[n]) if n in _WRITERS else filters[n] for n in FILTERS}
    environment.filters["round"] = _round
    try:
        tree = environment.parse(source, name=place, filename=place)
        _check(tree, place, depth=0)
        code = environment.compile(source, name=place, filename=place)
    except TemplateSyntaxError as error:
        raise _refuse(place, error.lineno, f"is not a template - {error.message}", "Mend the line.") from error
    except RecursionError as error:
        raise _refuse(place, 1, "nests too deeply", "Write it flatter.") from error
    except ValueError as error:
        # Python's own limit on the digits of a number.
        raise _refuse(place, 1, "holds a number that is too long", "Shorten it.") from error
    return Template.from_code(environment, code, dict(environment.globals))


def _check(node: nodes.Node, place: str, depth: int) -> None:
    """Refuse a tree with a node that is not on the short list."""
    if not isinstance(node, _ALLOWED):
        raise _refuse(
            place,
            node.lineno,
            f"uses {type(node).__name__}, which a message template may not",
            "Use values, if, for, set, comparisons and filters; docs/method/messages.md lists them.",
        )
    reached = getattr(node, "attr", None) if isinstance(node, nodes.Getattr) else None
    if isinstance(node, nodes.Getitem) and isinstance(node.arg, nodes.Const):
        reached = node.arg.value
    if isinstance(reached, str) and reached.startswith("_"):
        raise _refuse(
            place, node.lineno, f"reaches for {reached!r}; names that begin with _ are closed", "Remove it."
        )
    _check_names(node, place)
    if isinstance(node, nodes.For):
        depth += 1
        if node.recursive or depth > LOOP_DEPTH_MAX:
            raise _refuse(
                place,
                node.lineno,
                f"loops are nested {depth} deep or recursive; allowed are {LOOP_DEPTH_MAX} plain ones",
                "Flatten them.",
            )
    for child in node.iter_child_nodes():
        _check(child, place, depth)


def _check_names(node: nodes.Node, place: str) -> None:
    if isinstance(node, nodes.Filter) and node.name not in FILTERS:
        raise _refuse(
            place,
            node.lineno,
            f"uses the filter {node.name!r}; allowed are {', '.join(FILTERS)}",
            f"Use one of them.{nearest(node.name, FILTERS)}",
        )
    if isinstance(node, nodes.Call) and not (isinstance(node.node, nodes.Name) and node.node.name == "range"):
        raise _refuse(place, node.lineno, "calls something; only range(...) may be called", "Use a filter.")
