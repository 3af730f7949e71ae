"""Text of a program.toml to a checked programme; errors name line, key, value and what is allowed.

Why it exists: a person mends a programme from its error alone. The file is read elsewhere: this takes its text.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from rapport.core.errors import ProgramInvalid, ProgramSyntax, nearest
from rapport.program.model import Program
from rapport.program.rules import shown

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\]]+?)\s*\]\]?\s*(?:#.*)?$")
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
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProgramSyntax(f"{where}: not TOML: {error}. Mend the line it names.") from error
    try:
        return Program.model_validate(data)
    except ValidationError as error:
        # A list whose parts are wrong is also counted as too short; only its parts are worth telling.
        real = [e for e in error.errors() if e["type"] != "too_short" or not e["input"]]
        lines = [_explain(e, data, text, where) for e in real]
        raise ProgramInvalid("\n".join(dict.fromkeys(lines))) from error


def _explain(error: Any, data: dict[str, Any], text: str, where: str) -> str:
    path = tuple(p for p in error["loc"] if not (isinstance(p, str) and p in {"str", "tuple[str, ...]"}))
    path += getattr(error.get("ctx", {}).get("error"), "path", ())
    key = ".".join(str(p + 1) if isinstance(p, int) else p for p in path) or "programme"
    place = f"{where}:{line}" if (line := find_line(text, path)) else where
    hint = _HINTS.get(str(path[-1]) if path else "", "")
    return f"{place}: {_complaint(error, key, path, data)}{' ' + hint if hint else ''}"


def _complaint(error: Any, key: str, path: Sequence[str | int], data: dict[str, Any]) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "missing":
        return f"{key} is missing; it must be given."
    if kind == "extra_forbidden":
        known = _siblings(path)
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


def _siblings(path: Sequence[str | int]) -> list[str]:
    """Return the settings allowed at the place where an unknown one stood."""
    model: Any = Program
    for part in path[:-1]:
        if isinstance(part, int):
            continue
        model = _part_of(model.model_fields[part].annotation)
    return sorted(model.model_fields)


def _part_of(annotation: Any) -> Any:
    """Return the model inside `tuple[Model, ...]`, `Model | None` or `Model`."""
    if hasattr(annotation, "model_fields"):
        return annotation
    return next(_part_of(a) for a in annotation.__args__ if a not in (type(None), Ellipsis))


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
