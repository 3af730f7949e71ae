"""The command line's entry: the group of commands, each imported only when it is called.

Why it exists: `rapport --help` must answer at once, so nothing heavy is imported here.
"""

from __future__ import annotations

import importlib
from typing import Any

import click

from rapport import __version__
from rapport.cli.output import run

COMMANDS: dict[str, str] = {
    "new": "Make a programme folder with a small example shop to start from.",
    "map": "Propose what the columns of a file or table are; write it into a programme.",
    "check": "Check a programme, its files, mapping and rules; change nothing.",
    "audit": "Grade every field of the data and say what it unlocks.",
    "resolve": "Find which records of files are one customer, and say how sure that is.",
    "identify": "Know each customer: load, standardise, resolve and remember all records.",
    "who": "Say who is meant by an identifier, and all that is known of them.",
    "review": "Decide pairs of records that may be one customer, evidence side by side.",
    "merges": "List who was taken for one customer, when and why; undo it, or do it.",
    "record": "Remember visits, calls, mails and logins from a file.",
    "turn": "Run one whole turn, or carry on one that was stopped.",
    "load": "Turn, stage 1: read and check the sources.",
    "state": "Turn, stage 2: one row of state for each customer.",
    "score": "Turn, stage 3: value, tier and relevance of each customer.",
    "plan": "Turn, stage 4: decide for each customer.",
    "compose": "Turn, stage 5: write each customer's message.",
    "send": "Turn, stage 6: hand the messages to the channels.",
    "readout": "Turn, stage 7: what came of it, and the report.",
    "worksheet": "Who owns what and what comes next, in Excel; read back what people changed.",
    "plays": "List the plays: whom each is for, what it is worth, what unlocks it.",
    "explain": "Say why one customer was decided as they were.",
    "needs": "Say what groups of customers need, what they buy, when, why, and what next.",
    "growable": "List the customers with whom there is most to win, and what they lack to their peers.",
    "now": "Decide for one customer, or a visitor nobody knows, at once.",
    "tasks": "List what people are to do about customers, and mark it done.",
    "forget": "Erase a person from the memory and all tables; counts stay.",
    "ask": "Say what to ask a customer next, and what the answer is worth; remember answers.",
    "accounts": "List accounts and their contacts, wanted prospects, and what is missing.",
    "backtest": "Replay past weeks and campaigns beside simple policies.",
    "allocate": "Allocate offers and contacts under limits that are shared.",
    "simulate": "Make up data of any size, with a programme to run on them.",
    "bench": "Measure speed, memory and quality, beside what they are compared with.",
    "demo": "Build the Complete Journey programme and run one turn.",
}
"""Each command and its one line of help, in the order a newcomer meets them."""

_PLACES = {
    "new": "programs",
    "map": "map",
    "check": "programs",
    "audit": "audit",
    "demo": "programs",
    "resolve": "resolve",
    "identify": "identify",
    "who": "who",
    "review": "review",
    "merges": "merges",
    "record": "record",
    "worksheet": "worksheet",
    "plays": "plays",
    "explain": "explain",
    "needs": "needs",
    "growable": "growable",
    "now": "now",
    "tasks": "tasks",
    "forget": "forget",
    "ask": "ask",
    "accounts": "accounts",
    "backtest": "backtest",
    "allocate": "allocate",
    "simulate": "simulate",
    "bench": "bench",
}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"rapport.cli.{_PLACES.get(cmd_name, 'turns')}")
        command: click.Command = module.commands()[cmd_name]
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in COMMANDS:
            from rapport.core.errors import nearest

            ctx.fail(f"no command {args[0]!r}; there are: {', '.join(COMMANDS)}.{nearest(args[0], COMMANDS)}")
        return super().resolve_command(ctx, args)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="rapport")
def cli() -> None:
    """Decide what to say next to each customer, or to say nothing, and prove that it pays.

    PROGRAM is a programme's folder or its program.toml. Start with: rapport demo
    """


def main() -> None:
    """Run the command line."""
    # Not click's standalone mode: it would answer an interrupt with exit code 1.
    run(lambda: cli(standalone_mode=False))


if __name__ == "__main__":
    main()
