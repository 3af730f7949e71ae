"""What tries guides finds the commands of a page, and tells what is shown from what is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from guide_runs import Step, is_shown, run_guide, steps_of

PAGE = """# A page

```console
$ echo one
one
$ printf 'a\\n%s\\n' \\
  b
a
b
```

```toml
$ this = "is no command"
```

```console
$ rapport check nowhere
error: nowhere: no programme here; ...
```
"""


def test_commands_and_what_they_show_are_found_in_order() -> None:
    assert steps_of(PAGE) == [
        Step(4, "echo one", ["one"]),
        Step(6, "printf 'a\\n%s\\n' \\\n  b", ["a", "b"]),
        Step(17, "rapport check nowhere", ["error: nowhere: no programme here; ..."]),
    ]


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        (["one", "two"], "one\ntwo\n", True),
        (["one"], "one  \n", True),
        (["one", "two"], "one\n", False),
        (["one"], "one\ntwo\n", False),
        (["...", "two"], "one\nand\ntwo\n", True),
        (["one", "..."], "one\n", True),
        (["one ... three"], "one two three\n", True),
        (["one ... three"], "one two\nthree\n", False),
        (["1.5 (a)"], "1x5 (a)\n", False),
        (["..."], "", True),
    ],
)
def test_dots_stand_for_anything_in_a_line_or_for_lines(shown: list[str], printed: str, same: bool) -> None:
    assert is_shown(shown, printed) is same


def test_a_page_is_run_from_the_first_command_to_the_last(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE, encoding="utf-8")
    (tmp_path / "run").mkdir()
    assert run_guide(page, tmp_path / "run") == 3


@pytest.mark.parametrize(
    ("page", "told"),
    [
        ("```console\n$ echo one\ntwo\n```\n", "prints something else"),
        ("```console\n$ false\n```\n", "ended with 1"),
        ("```console\n$ true\nerror: it went wrong\n```\n", "ended with 0"),
        ("```console\n$ false | true\n```\n", "ended with 1"),
    ],
)
def test_a_page_that_shows_something_else_fails(tmp_path: Path, page: str, told: str) -> None:
    (tmp_path / "page.md").write_text(page, encoding="utf-8")
    (tmp_path / "run").mkdir()
    with pytest.raises(AssertionError, match=told):
        run_guide(tmp_path / "page.md", tmp_path / "run")
