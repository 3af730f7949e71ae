"""Nothing but data goes to stdout."""

from __future__ import annotations

import subprocess
import sys

CODE = """
from rapport.engines.duckdb_engine import DuckDBEngine
with DuckDBEngine() as engine:
    asked = "SELECT current_setting('enable_progress_bar') AS it"
    print(engine.query(asked)["it"][0], engine.stream(asked).read_all()["it"][0])
"""


def test_no_bar_is_drawn_among_the_data_even_where_no_script_runs() -> None:
    # Run by -c, as a notebook would, the engine library takes itself to be watched by somebody.
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "False False"
