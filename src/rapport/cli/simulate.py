"""The command that makes up data of any size."""

from __future__ import annotations

from pathlib import Path

import click

from rapport.cli.main import COMMANDS
from rapport.cli.options import json_option
from rapport.cli.output import give, give_json


@click.command("simulate", help=COMMANDS["simulate"])
@click.argument("what", type=click.Choice(["transactions"]), expose_value=False)
@click.option("--customers", type=click.IntRange(1), default=2_000, show_default=True, help="Customers of the shop.")
@click.option(
    "--products",
    type=click.IntRange(1),
    default=600,
    show_default=True,
    help="Products; an offer is about two of them.",
)
@click.option(
    "--lines", type=click.IntRange(1), help="Purchase lines, about so many. Default: a hundred for each customer."
)
@click.option("--days", type=click.IntRange(1, 3_640), default=364, show_default=True, help="Length of the history.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder to make.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Another seed gives another shop.")
@json_option
def simulate_command(
    customers: int, products: int, lines: int | None, days: int, out: Path, seed: int, as_json: bool
) -> None:
    """Make up data of any size, with a programme to run on them.

    transactions: a shop with Parquet sources. Customers have tastes that they share, habits that come round, and come
    and leave; products are of unequal popularity. The same seed gives the same bytes, and a customer is the same
    whoever else is made up.
    """
    from rapport.cli.progress import StageProgress
    from rapport.simulate.transactions import ShopWorld
    from rapport.workflows.simulate_transactions import simulate_shop

    world = ShopWorld(customers, products, (lines or 100 * customers) / customers, days, seed)
    progress = StageProgress()
    progress.start("make up customers", customers)
    made = simulate_shop(world, out, progress.advance)
    progress.finish()
    if as_json:
        give_json(
            {
                "folder": str(out),
                "customers": made.customers,
                "products": made.products,
                "lines": made.lines,
                "as_of": made.as_of,
            }
        )
    else:
        give(
            f"{made.customers:,} customers, {made.products:,} products, {made.lines:,} purchase lines in {out}\n"
            f"next: rapport turn {out} --as-of {made.as_of}"
        )


def commands() -> dict[str, click.Command]:
    """Return the command of this module by name."""
    return {"simulate": simulate_command}
