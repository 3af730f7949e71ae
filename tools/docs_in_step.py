"""Writes the pages of docs/reference and the figures of README from where they are declared; `--check` compares.

Why it exists: a command, setting, reason, error or column is declared in one place, and a figure is measured by one
command; what is said of them elsewhere is derived, so it cannot fall out of step.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from rapport.cli.main import COMMANDS, cli
from rapport.core import errors
from rapport.core.people import CLUSTERS, LINKS, PEOPLE, PERSON_COLUMNS, STANDARD
from rapport.core.profiles import PROFILE
from rapport.core.reasons import REASON_MEANINGS
from rapport.core.tables import BOOSTS, CATALOGUE, DECISIONS, LOADED, READOUT, SCORES, SOURCE_COLUMNS, STATES, TOUCHES
from rapport.program.model import Part, Program
from rapport.program.parse import parse_part
from rapport.program.play_columns import BY_SOURCE, BY_TRAIT, OF_VALUE, columns_of, lacking
from rapport.program.plays import Contact, Play, Restrain, Steer

ROOT = Path(__file__).resolve().parent.parent
NOTE = "<!-- Written by tools/docs_in_step.py from the declarations in the code. Do not edit. -->\n"


def main() -> int:
    """Write or check every derived page; return the exit code."""
    pages = {
        "docs/reference/commands.md": commands_page(),
        "docs/reference/settings.md": settings_page(),
        "docs/reference/errors.md": errors_page(),
        "docs/reference/reasons.md": reasons_page(),
        "docs/reference/tables.md": tables_page(),
        "docs/reference/plays.md": plays_page(),
        "README.md": with_figures((ROOT / "README.md").read_text(encoding="utf-8")),
    }
    stale = [name for name, text in pages.items() if _read(name) != text]
    if "--check" in sys.argv[1:]:
        for name in stale:
            sys.stderr.write(f"{name} is out of step; run: .venv/bin/python tools/docs_in_step.py\n")
        return 1 if stale else 0
    for name in stale:
        path = ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(pages[name], encoding="utf-8")
        sys.stdout.write(f"wrote {name}\n")
    return 0


def _read(name: str) -> str | None:
    path = ROOT / name
    return path.read_text(encoding="utf-8") if path.is_file() else None


def commands_page() -> str:
    """Return the page of commands: the help of each as it is printed."""
    parts = ["# Commands\n", NOTE, "What each command prints with `--help`. Exit codes: [errors](errors.md).\n"]
    group = click.Context(cli, info_name="rapport", max_content_width=100, terminal_width=100)
    parts.append(f"```text\n{cli.get_help(group)}\n```\n")
    for name in COMMANDS:
        command = cli.get_command(group, name)
        assert command is not None
        context = click.Context(command, info_name=name, parent=group, max_content_width=100, terminal_width=100)
        parts.append(f"## {name}\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


def settings_page() -> str:
    """Return the page of settings: each part of program.toml with type, default and meaning."""
    parts = ["# Settings of program.toml\n", NOTE]
    parts.append("Unknown keys are refused, with the nearest known one. Shares are written as 0.1, never as 10.\n")
    seen: set[str] = set()
    for path, model in _parts(Program, ""):
        if model.__name__ in seen:
            continue
        seen.add(model.__name__)
        about = (model.__doc__ or "").strip().splitlines()[0]
        parts.append(f"## {path or 'top of the file'}\n\n{about}\n")
        parts.append("| setting | must be | default | meaning |\n|---|---|---|---|")
        schema = model.model_json_schema()
        for name, field in model.model_fields.items():
            default = field.get_default(call_default_factory=True)
            shown = "required" if field.is_required() else f"`{_plain(default)}`"
            kind = _kind(schema["properties"][name], schema.get("$defs", {}))
            parts.append(f"| `{name}` | {kind} | {shown} | {field.description or ''} |")
        parts.append("")
    return "\n".join(parts)


def _parts(model: type[Part], path: str) -> Iterator[tuple[str, type[Part]]]:
    yield path, model
    for name, field in model.model_fields.items():
        text = repr(field.annotation)
        for part in _models(field.annotation):
            inside = f"{path.strip('[]')}.{name}" if path else name
            inside += ".NAME" if text.startswith("dict") else ""
            yield from _parts(part, f"[[{inside}]]" if text.startswith("tuple") else f"[{inside}]")


def _models(annotation: Any) -> Iterator[type[Part]]:
    if isinstance(annotation, type) and issubclass(annotation, Part):
        yield annotation
    for inner in getattr(annotation, "__args__", ()):
        yield from _models(inner)


def _plain(value: Any) -> str:
    if isinstance(value, Part):
        return "see below"
    return json.dumps(value) if not isinstance(value, tuple) else json.dumps(list(value))


def _kind(schema: dict[str, Any], defs: dict[str, Any]) -> str:
    if "$ref" in schema:
        schema = defs[schema["$ref"].rsplit("/", 1)[1]]
    if "anyOf" in schema:
        return " or ".join(_kind(s, defs) for s in schema["anyOf"] if s.get("type") != "null")
    if "enum" in schema:
        return "one of " + ", ".join(f"`{v}`" for v in schema["enum"])
    if schema.get("type") == "array":
        return "list of " + _kind(schema.get("items", {"type": "text"}), defs)
    words = {"object": "table", "integer": "whole number", "string": "text"}
    kind: str = words.get(schema.get("type", ""), schema.get("type", "text"))
    bounds = {"minimum": ">= {}", "exclusiveMinimum": "> {}", "maximum": "<= {}", "exclusiveMaximum": "< {}"}
    told = [form.format(f"{schema[k]:g}") for k, form in bounds.items() if k in schema]
    return kind + (f", {' and '.join(told)}" if told else "")


def plays_page() -> str:
    """Return the page of plays: the settings of a play, the columns it may name, and each that comes with Rapport."""
    parts = ["# Plays\n", NOTE, "How to use them: [guide](../guides/plays.md).\n"]
    folder = ROOT / "src" / "rapport" / "plays"
    for path in sorted(folder.glob("*.toml")):
        play = parse_part(path.read_text(encoding="utf-8"), path.name, Play)
        lacks = lacking(columns_of(play.when, *_at_stake(play)), MAPPED, ())
        needs = "; ".join(f"`{b.source}.{b.column}` ({b.meaning})" for b in lacks)
        told = [("why", play.why), ("who does it", play.owner), ("evidence", play.evidence)]
        told += [("unlocked by", f"a trait of the customer source: {needs}")] if lacks else []
        rows = "\n".join(f"| {name} | {text} |" for name, text in told)
        source = path.read_text(encoding="utf-8").strip()
        parts.append(f"## {play.name}\n\n{play.title}.\n\n| | |\n|---|---|\n{rows}\n\n```toml\n{source}\n```\n")
    parts.append("## What a play may say\n")
    for model in (Play, Contact, Restrain, Steer):
        parts.append(f"### {model.__name__}\n\n{(model.__doc__ or '').strip().splitlines()[0]}\n")
        parts.append("| setting | default | meaning |\n|---|---|---|")
        for name, field in model.model_fields.items():
            shown = "required" if field.is_required() else f"`{_plain(field.get_default(call_default_factory=True))}`"
            parts.append(f"| `{name}` | {shown} | {field.description or ''} |")
        parts.append("")
    parts.append("## Columns\n\nBeside those of the [state](tables.md) and the traits:\n")
    parts.append("| column | meaning | comes from |\n|---|---|---|")
    parts += [f"| `{name}` | {meaning} | the score |" for name, meaning in OF_VALUE.items()]
    parts += [
        f"| `{name}` | {b.meaning} | trait `{b.column}` of the customer source |" for name, b in BY_TRAIT.items()
    ]
    return "\n".join(parts) + "\n"


MAPPED = {(b.source, b.column) for b in BY_SOURCE.values()}
"""As if everything that sources can hold were mapped."""


def _at_stake(play: Play) -> tuple[str, ...]:
    return (play.treatment.at_stake,) if isinstance(play.treatment, Contact) else ()


def errors_page() -> str:
    """Return the page of errors: exit code and meaning of each leaf."""
    rows = ["# Errors and exit codes\n", NOTE]
    rows.append("Errors go to stderr, one message for each: what is wrong, the value, what is allowed, what to do.\n")
    rows.append(
        "| exit code | error | when |\n|---|---|---|\n| 0 | | success |\n| 2 | | wrong usage of the command line |"
    )
    rows.append("| 130 | | interrupted; what was finished is kept |")
    rows += [
        f"| {leaf.exit_code} | `{leaf.__name__}` | {(leaf.__doc__ or '').strip().splitlines()[0]} |"
        for leaf in _tree(errors.RapportError)
    ]
    return "\n".join(rows) + "\n"


def _tree(root: type[errors.RapportError]) -> Iterator[type[errors.RapportError]]:
    yield root
    for child in root.__subclasses__():
        yield from _tree(child)


def reasons_page() -> str:
    """Return the page of reasons, by what they are about."""
    rows = ["# Reasons\n", NOTE, "The closed list of why a row, a customer or an offer is where it is.\n"]
    groups: dict[str, list[str]] = {}
    for reason, meaning in REASON_MEANINGS.items():
        groups.setdefault(type(reason).__name__, []).append(f"| `{reason.value}` | {meaning} |")
    for name, lines in groups.items():
        rows += [f"## {name}\n", "| value | meaning |\n|---|---|", *lines, ""]
    return "\n".join(rows)


def tables_page() -> str:
    """Return the page of tables: what sources can hold, and what each stage writes."""
    rows = ["# Tables\n", NOTE, "Money is in whole micros (1,000,000 to the unit of the currency).\n"]
    rows.append("## Columns of sources\n")
    for kind, columns in SOURCE_COLUMNS.items():
        rows += [f"### {kind}\n", "| column | kind | required | meaning | unlocks |\n|---|---|---|---|---|"]
        rows += [
            f"| `{c.name}` | {c.kind} | {'yes' if c.required else ''} | {c.meaning} | {c.unlocks} |" for c in columns
        ]
        rows.append("")
    rows.append("### people\n")
    rows.append(
        "| column | kind | several | identifies where verified | meaning | unlocks |\n|---|---|---|---|---|---|"
    )
    rows += [
        f"| `{c.name}` | {c.kind} | {'yes' if c.several else ''} | {'yes' if c.identifies else ''} | {c.meaning} | "
        f"{c.unlocks} |"
        for c in PERSON_COLUMNS
    ]
    rows.append("")
    known = {"people": PEOPLE, "standard": STANDARD, "links": LINKS, "clusters": CLUSTERS, "profile": PROFILE}
    written = {"states": STATES, "catalogue": CATALOGUE, "scores": SCORES, "decisions": DECISIONS, "touches": TOUCHES}
    for name, schema in {**known, **LOADED, **written, "readout": READOUT}.items():
        rows += [f"## {name}\n", "| column | type |\n|---|---|"]
        rows += [f"| `{f.name}` | {f.type} |" for f in schema]
        rows.append("")
    rows.append("Scores of a turn for which people boosted offers in the worksheet also have")
    rows += ["", "| column | type |\n|---|---|", *(f"| `{f.name}` | {f.type} |" for f in BOOSTS), ""]
    return "\n".join(rows)


_BLOCK = re.compile(r"(<!-- (figures|compared):(\w+)((?: =?\w+)*) -->\n).*?(<!-- end -->)", re.DOTALL)


def with_figures(text: str) -> str:
    """Return a text whose blocks of figures are written from docs/benchmarks/NAME.json.

    A block begins with ``<!-- figures:NAME start start -->``, one line a result, or ``<!-- compared:NAME start -->``,
    one line a comparator and one column a tier or campaign; it holds the results whose names begin so. A start
    that is written ``=name`` holds the result of that name alone.
    """
    shapes = {"figures": _listed, "compared": _compared}
    return _BLOCK.sub(lambda m: m[1] + figures(m[3], tuple(m[4].split()), shapes[m[2]]) + m[5], text)


def figures(name: str, starts: tuple[str, ...], shape: Callable[[list[dict[str, Any]]], list[list[str]]]) -> str:
    """Return the results of one benchmark file whose names begin with one of `starts` (all without) as a table."""
    found = json.loads((ROOT / "docs" / "benchmarks" / f"{name}.json").read_text(encoding="utf-8"))
    begin = tuple(s for s in starts if not s.startswith("="))
    results = [r for r in found["results"] if not starts or r["name"].startswith(begin) or f"={r['name']}" in starts]
    if not results:
        raise SystemExit(f"docs/benchmarks/{name}.json has no result that begins with {' or '.join(starts)}")
    head, *rows = shape(results)
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|", *(f"| {' | '.join(row)} |" for row in rows)]
    cores = found["machine"]["cores"]
    lines.append(f"\nMeasured {found['date']} on {cores} cores by `{found['command']}`, commit {found['commit']}.\n")
    return "\n".join(lines)


def _listed(results: list[dict[str, Any]]) -> list[list[str]]:
    return [["figure", "value", "bar"], *([r["label"], _with_interval(r), _bar(r)] for r in results)]


def _compared(results: list[dict[str, Any]]) -> list[list[str]]:
    """Return a row for Rapport and one for each comparator with what Rapport is above it, a column a place."""
    places = list(dict.fromkeys(r["label"].rsplit(", ", 1)[1] for r in results))
    at = {(r["comparator"], r["label"].rsplit(", ", 1)[1]): r for r in results}
    names = list(dict.fromkeys(r["comparator"] for r in results))
    rows = [["", *places], ["**Rapport**", *(_with_interval(at[names[0], p] | {"unit": ""}).strip() for p in places)]]
    for name in names:
        rows.append([name, *(_number(at[name, p]["comparator_value"]) for p in places)])
        rows.append(["Rapport less this", *(_difference(at[name, p]) for p in places)])
    return rows


def _bar(result: dict[str, Any]) -> str:
    if result["bar"] is None:
        return "none set"
    return f"{result['bar']:g}, {'met' if result['meets'] else 'missed'}"


def _difference(result: dict[str, Any]) -> str:
    found = result.get("difference")
    return "" if found is None else f"{_number(found['value'])} [{_number(found['low'])}, {_number(found['high'])}]"


def _number(value: float | None, digits: int = 3) -> str:
    return "" if value is None else f"{value:.{digits}g}"


def _digits(bar: float | None) -> int:
    """Return to how many digits a value is told: three, or as many as its bar has."""
    return 3 if bar is None else max(3, len(f"{bar:g}".lstrip("0.").replace(".", "")))


def _with_interval(result: dict[str, Any]) -> str:
    interval = result["interval"]
    told = f" [{_number(interval[0])}, {_number(interval[1])}]" if interval else ""
    return f"{_number(result['value'], _digits(result['bar']))}{told} {result['unit']}"


if __name__ == "__main__":
    sys.exit(main())
