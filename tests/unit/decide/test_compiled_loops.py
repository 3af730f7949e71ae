"""A loop kept on disk is compiled anew when a loop that it calls has changed in another file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_a_change_in_a_called_loop_of_another_file_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "outer.py").write_text(
        "from rapport.decide.kernel import kernel\nfrom inner import one\n\n"
        "@kernel\ndef two(x):\n    return one(x) * 2\n"
    )
    told = []
    for number in (1, 5):
        # The same length and, on a quick machine, the same second: only the content differs.
        (tmp_path / "inner.py").write_text(
            f"from rapport.decide.kernel import kernel\n\nADDED = {number}\n\n"
            "@kernel\ndef one(x):\n    return x + ADDED\n"
        )
        ran = subprocess.run(
            [sys.executable, "-B", "-c", "import outer; print(outer.two(1))"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        told.append(int(ran.stdout))
    # (1 + 1) x 2 and (1 + 5) x 2
    assert told == [4, 12]
