"""The command that makes up data of any size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from rapport.cli.main import COMMANDS
from rapport.cli.options import json_option
from rapport.cli.output import give, give_json

if TYPE_CHECKING:
    from rapport.simulate.transactions import ShopWorld


@click.command("simulate", help=COMMANDS["simulate"])
@click.argument("what", type=click.Choice(["transactions", "company"]))
@click.argument("folder", metavar="[DIR]", type=click.Path(path_type=Path), required=False)
@click.option("--customers", type=click.IntRange(1), default=2_000, show_default=True, help="Customers, or people.")
@click.option(
    "--products",
    type=click.IntRange(1),
    help="Products; an offer is about two of them. Default: 600; of a company 192.",
)
@click.option(
    "--lines",
    type=click.IntRange(1),
    help="Purchase lines, about so many. Default: a hundred for each customer; of a company fifteen.",
)
@click.option("--days", type=click.IntRange(1, 3_640), default=364, show_default=True, help="Length of the history.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to make, if not given as DIR.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Another seed gives another shop.")
@click.option("--crm/--no-crm", default=True, show_default=True, help="Of a company: organisations and contacts too.")
@json_option
def simulate_command(what: str, folder: Path | None, out: Path | None, as_json: bool, **size: Any) -> None:
    """Make up data of any size, with a programme to run on them.

    transactions: a shop with Parquet sources. Customers have tastes that they share, habits that come round, and come
    and leave; products are of unequal popularity.

    company: a shop with loyalty cards, a web shop and a call centre that know overlapping people under ids of their
    own, with the errors of each medium, households, visitors of the web, a CRM, and in truth/ who is who.

    The same seed gives the same bytes, and a customer is the same whoever else is made up.
    """
    from rapport.cli.progress import StageProgress
    from rapport.simulate.transactions import ShopWorld

    if (folder is None) == (out is None):
        raise click.UsageError("the folder to make is missing or given twice; give either DIR or --out DIR.")
    target, company = folder or out, what == "company"
    assert target is not None
    customers = size["customers"]
    lines = size["lines"] or (15 if company else 100) * customers
    products = size["products"] or (192 if company else 600)
    world = ShopWorld(customers, products, lines / customers, size["days"], size["seed"])
    progress = StageProgress()
    progress.start("make up customers", customers)
    made, told = (_company if company else _shop)(world, target, size["crm"], progress.advance)
    progress.finish()
    if as_json:
        give_json({"folder": str(target), **made})
    else:
        give(f"{told} in {target}\nnext: rapport turn {target} --as-of {made['as_of']}")


def _shop(world: ShopWorld, out: Path, crm: bool, tell: Callable[[int], None]) -> tuple[dict[str, Any], str]:
    from rapport.workflows.simulate_transactions import simulate_shop

    made = simulate_shop(world, out, tell)
    facts = {"customers": made.customers, "products": made.products, "lines": made.lines, "as_of": made.as_of}
    return facts, f"{made.customers:,} customers, {made.products:,} products, {made.lines:,} purchase lines"


def _company(world: ShopWorld, out: Path, crm: bool, tell: Callable[[int], None]) -> tuple[dict[str, Any], str]:
    from rapport.workflows.simulate_company import simulate_company

    made = simulate_company(world, out, crm, tell)
    facts = {
        "people": made.people,
        "records": dict(made.records),
        "products": world.products,
        "lines": made.lines,
        "visits": made.visits,
        "contacts": made.contacts,
        "as_of": made.as_of,
    }
    records = ", ".join(f"{count:,} in {system}" for system, count in made.records.items())
    told = (
        f"{made.people:,} people; records: {records}\n"
        f"{made.lines:,} purchase lines, {made.visits:,} web events, {made.contacts:,} calls; who is who in truth/"
    )
    return facts, told


def commands() -> dict[str, click.Command]:
    """Return the command of this module by name."""
    return {"simulate": simulate_command}
