"""Text of a program.toml to a checked programme; errors name line, key, value and what is allowed.

Why it exists: a person mends a programme from its error alone. The file is read elsewhere: this takes its text.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from typing import Any, TypeVar, get_args

from pydantic import ValidationError

from rapport.core.errors import ProgramInvalid, ProgramSyntax, nearest
from rapport.program.model import Program
from rapport.program.part import Part
from rapport.program.rules import shown

P = TypeVar("P", bound=Part)

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?$")
_NO_KEYS = {"str", "tuple[str, ...]", "contact", "restrain", "steer"}
"""Parts of a place that name a choice of the checker's, not a key of the file."""

_HINTS = {
    "holdout_share": "Give a share, not a percentage.",
    "exploration_share": "Give a share, not a percentage.",
    "top_share": "Give a share, not a percentage.",
    "bottom_share": "Give a share, not a percentage.",
    "depth": "Give a share, not a percentage.",
    "goals": "State what the programme wants before how it reaches people.",
}


def parse_program(text: str, where: str = "program.toml") -> Program:
    """Return the programme that the text declares.

    Parameters
    ----------
    text : str
        TOML.
    where : str
        Name of the file, for errors.

    Raises
    ------
    ProgramSyntax
        The text is not TOML; the message has line and column.
    ProgramInvalid
        Keys are missing, unknown or have values that are not allowed; one line for each.
    """
    return parse_part(text, where, Program)


def parse_part(text: str, where: str, whole: type[P]) -> P:
    """Return the part of a programme that a whole file declares; errors as for `parse_program`."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProgramSyntax(f"{where}: not TOML: {error}. Mend the line it names.") from error
    try:
        return whole.model_validate(data)
    except ValidationError as error:
        # A list whose parts are wrong is also counted as too short; only its parts are worth telling.
        real = [e for e in error.errors() if e["type"] != "too_short" or not e["input"]]
        lines = [_explain(e, text, where, whole) for e in real]
        raise ProgramInvalid("\n".join(dict.fromkeys(lines))) from error


def _explain(error: Any, text: str, where: str, whole: type[Part]) -> str:
    path = tuple(p for p in error["loc"] if not (isinstance(p, str) and p in _NO_KEYS))
    path += getattr(error.get("ctx", {}).get("error"), "path", ())
    key = ".".join(str(p + 1) if isinstance(p, int) else p for p in path) or "programme"
    place = f"{where}:{line}" if (line := find_line(text, path)) else where
    hint = _HINTS.get(str(path[-1]) if path else "", "")
    return f"{place}: {_complaint(error, key, path, whole)}{' ' + hint if hint else ''}"


def _complaint(error: Any, key: str, path: Sequence[str | int], whole: type[Part]) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "missing":
        return f"{key} is missing; it must be given."
    if kind == "extra_forbidden":
        known = _siblings(error["loc"], whole)
        return f"{key} is not a setting; allowed here: {', '.join(known)}.{nearest(str(path[-1]), known)}"
    if kind == "value_error":
        message = str(context["error"])
        ending = "" if message.endswith("?") else "."
        return f"{key}{' ' if message.startswith('is ') else ': '}{message}{ending}"
    if kind == "too_short":
        return f"{key} is empty; must hold at least {context['min_length']}."
    if kind == "too_long":
        return f"{key} holds more than {context['max_length']}; must hold at most {context['max_length']}."
    return f"{key} is {shown(error['input'])}; must {_allowed(kind, context, error['msg'])}."


def _allowed(kind: str, context: dict[str, Any], message: str) -> str:
    bounds = {"greater_than_equal": "be at least {ge}", "greater_than": "be above {gt}"}
    bounds |= {"less_than_equal": "be at most {le}", "less_than": "be below {lt}"}
    if kind in bounds:
        return bounds[kind].format(**context)
    if kind == "literal_error":
        return f"be one of {context['expected']}"
    if kind == "string_pattern_mismatch":
        return f"match {context['pattern']}"
    return re.sub(r"^Input should (be )?", "be ", message)


def _siblings(path: Sequence[str | int], whole: type[Part]) -> list[str]:
    """Return the settings allowed at the place where an unknown one stood."""
    models: list[Any] = [whole]
    for part in path[:-1]:
        inside = [
            m
            for model in models
            if part in model.model_fields
            for m in _models_in(model.model_fields[part].annotation)
        ]
        tagged = [
            m for m in models if "effect" in m.model_fields and part in get_args(m.model_fields["effect"].annotation)
        ]
        models = inside or tagged or models
    return sorted({name for m in models for name in m.model_fields})


def _models_in(annotation: Any) -> list[Any]:
    """Return the models inside the type of a field, such as `tuple[Model, ...]` or `Model | None`."""
    if hasattr(annotation, "model_fields"):
        return [annotation]
    return [m for inner in getattr(annotation, "__args__", ()) for m in _models_in(inner)]


def find_line(text: str, path: Sequence[str | int]) -> int | None:
    """Return the line, from 1, of a key in TOML text, or of its table where the key itself is not written.

    Reads headers and keys line by line: enough for the flat tables of a programme. A key inside an inline
    table gives the line of the table's key.
    """
    tables = [p for p in path if isinstance(p, str)]
    occurrence = next((p for p in path if isinstance(p, int)), 0)
    header, seen, best = "", -1, None
    for number, line in enumerate(_without_long_texts(text), start=1):
        match = _HEADER.match(line)
        if match:
            header = match[2]
            seen = seen + 1 if match[1] == "[[" and tables[:1] == [header] else seen
        in_array = bool(tables) and header.split(".")[0] == tables[0] and any(isinstance(p, int) for p in path)
        if not _is_prefix(header, tables) or (in_array and seen != occurrence):
            continue
        if match:
            best = number
        elif "=" in line:
            here = [*header.split("."), *_key_of(line)] if header else _key_of(line)
            if here == tables[: len(here)]:
                best = number
    return best


def _without_long_texts(text: str) -> list[str]:
    """Return the lines, those inside a text over several lines empty: a query holds what looks like keys."""
    lines, closing = [], ""
    for line in text.splitlines():
        lines.append("" if closing else line)
        mark = closing or next((m for m in ('"""', "'''") if m in line), "")
        if mark and line.count(mark) % 2:
            closing = "" if closing else mark
    return lines


def _is_prefix(header: str, tables: Sequence[str]) -> bool:
    parts = header.split(".") if header else []
    return parts == list(tables[: len(parts)])


def _key_of(line: str) -> list[str]:
    return [part.strip().strip("\"'") for part in line.split("=", 1)[0].strip().split(".")]
