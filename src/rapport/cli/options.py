"""Arguments and options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click


class Day(click.ParamType[date]):
    """A day written as YYYY-MM-DD."""

    name = "DAY"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """Return the day; fail with what is allowed."""
        if isinstance(value, date):
            return value
        try:
            return datetime.strptime(value, "%Y-%m-%d").date()
        except ValueError:
            self.fail(f"{value!r} is not a day; write YYYY-MM-DD, such as 2017-12-04.", param, ctx)


Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

program_argument: Decorator = click.argument("program", type=click.Path(path_type=Path))
json_option: Decorator = click.option("--json", "as_json", is_flag=True, help="Print one JSON document on stdout.")
as_of_option: Decorator = click.option(
    "--as-of",
    type=Day(),
    help="Day of the decision; only what came before it is known. Default: after the last data.",
)
turn_option: Decorator = click.option(
    "--turn", "turn_name", help="Name of a turn, such as 2017-W49. Default: the latest."
)
