"""A channel that needs a trait reaches who has it, whatever the file calls the column."""

from __future__ import annotations

from pathlib import Path

from programs import program_with
from rapport.workflows.score import reachable
from state_tables import person, states_of, tables
from worlds import channel


def test_a_channel_reaches_those_who_have_the_trait_it_needs(tmp_path: Path) -> None:
    people = [person("anna", email_address="a@b"), person("bert"), person("carl", email_address="c@d")]
    states = states_of(tmp_path, tables(traits=("email_address",), customers=people))
    source = {"kind": "customers", "path": "p.csv", "columns": {"customer_id": "who"}, "traits": ["Email Address"]}
    sources = [program_with().sources[0].model_dump(), source]
    program = program_with(sources=sources, channels=[channel("mail", needs="Email Address"), channel("till")])
    found = dict(zip(states["customer_id"].to_pylist(), reachable(states, program).tolist(), strict=True))
    assert found == {"anna": [True, True], "bert": [False, True], "carl": [True, True]}
