"""Carry messages into files: the channel for print shops, for a look before sending, and for tests.

Why it exists: a turn can be carried out whole without a mail account, and what would be sent can be read. A
file appears whole or not at all, is never written twice and never replaced by other content, so a turn that
was killed can be carried on. No message is composed or changed here.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from filecmp import cmp
from importlib.resources import files
from pathlib import Path
from typing import IO, Any, Literal, Protocol

from rapport.core.errors import ProgramInvalid, TurnConflict, nearest
from rapport.customize.compose import TEMPLATE_NAMES, ComposedMessage, TemplateSet
from rapport.workflows.worksheet_edits import for_spreadsheets

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")

DeliveryStatus = Literal["written", "already", "withheld"]


@dataclass(frozen=True)
class Delivery:
    """What became of one message: the files that hold it, relative to the folder, and the status.

    `written` now, `already` there with the same bytes, or `withheld` from the held-out (no files).
    """

    touch_id: str
    status: DeliveryStatus
    files: tuple[str, ...]


class Channel(Protocol):
    """Whatever carries messages."""

    def deliver(self, messages: Iterable[ComposedMessage], folder: Path) -> list[Delivery]:
        """Carry the messages, each at most once however often this is called."""
        ...


class Outbox:
    """Writes messages into a folder: HTML and text of each, and one CSV a channel with a row for each recipient.

    Safe against a kill at any moment, not against a power failure (files are not forced to the disk).
    """

    def deliver(self, messages: Iterable[ComposedMessage], folder: Path) -> list[Delivery]:
        """Write what is not there yet.

        Parameters
        ----------
        messages : iterable of ComposedMessage
            All of a turn in one call, always in the same order: a print channel has one file, and its rows
            come in the order of the messages. They are taken one by one and not kept.
        folder : Path
            Made where it is not there.

        Returns
        -------
        list of Delivery, in the order of the messages

        Raises
        ------
        TurnConflict
            A file is there with other bytes than would be written. It is left as it is.
        ProgramInvalid
            A channel or touch cannot name a file.
        """
        report: list[Delivery] = []
        with ExitStack() as stack:
            prints: dict[str, _PrintFile] = {}
            folders: set[Path] = set()
            for message in messages:
                _refuse_unsafe(message)
                if not message.deliver:
                    report.append(Delivery(message.touch_id, "withheld", ()))
                    continue
                if message.row and message.channel not in prints:
                    prints[message.channel] = stack.enter_context(_PrintFile(folder, message))
                if message.row:
                    prints[message.channel].add(message)
                report.append(_write_message(message, folder, folders))
            statuses = {f"{channel}.csv": file.close_whole() for channel, file in prints.items()}
        # Also where nobody was told: the folder says that the delivery is done.
        folder.mkdir(parents=True, exist_ok=True)
        # A row alone has the status of its file; with a message beside it, that of the message.
        return [replace(r, status=statuses[r.files[0]]) if r.files and r.files[0] in statuses else r for r in report]


def _refuse_unsafe(message: ComposedMessage) -> None:
    for what, name in (("channel", message.channel), ("touch_id", message.touch_id)):
        if not _SAFE.fullmatch(name):
            raise ProgramInvalid(
                f"{what} is {name!r}; must hold only letters, digits, dot, dash and underscore, since it "
                f"names a file. Rename it."
            )


def _conflict(path: Path) -> TurnConflict:
    return TurnConflict(
        f"{path}: the file is there with other content than this turn would write; a touch is written once "
        f"and never changed. Plan a new turn, or remove the file if it was never sent."
    )


def _part(path: Path) -> Path:
    # A fixed name: what a killed run left behind is overwritten by the next one, not added to.
    return path.with_name(f".{path.name}.part")


def _write_message(message: ComposedMessage, folder: Path, folders: set[Path]) -> Delivery:
    row = (f"{message.channel}.csv",) if message.row else ()
    if not message.html:
        return Delivery(message.touch_id, "written", row)
    place = folder / message.channel
    if place not in folders:
        place.mkdir(parents=True, exist_ok=True)
        folders.add(place)
    contents = {
        f"{message.touch_id}.html": message.html,
        f"{message.touch_id}.txt": f"Subject: {message.subject}\n\n{message.text}",
    }
    fresh = [_write_once(place / name, content.encode()) for name, content in contents.items()]
    names = tuple(f"{message.channel}/{name}" for name in contents)
    return Delivery(message.touch_id, "written" if any(fresh) else "already", names + row)


def _write_once(path: Path, content: bytes) -> bool:
    """Write a file whole, or leave it where it has these bytes; return whether it was written."""
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        part = _part(path)
        part.write_bytes(content)
        os.replace(part, path)  # noqa: PTH105 - one system call; Path.replace adds a Path for each of thousands
        return True
    if found != content:
        raise _conflict(path)
    return False


def _cell(value: Any) -> Any:
    """Return a value of a row as no spreadsheet takes it for a formula."""
    return for_spreadsheets(value) if isinstance(value, str) else value


class _PrintFile:
    """The growing CSV of one print channel; it takes its name only when all rows are in."""

    def __init__(self, folder: Path, first: ComposedMessage) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{first.channel}.csv"
        self._columns = tuple(first.row)

    def __enter__(self) -> _PrintFile:
        self._stream: IO[str] = _part(self._path).open("w", encoding="utf-8", newline="")
        self._writer: Any = csv.writer(self._stream, lineterminator="\n")
        self._writer.writerow(self._columns)
        return self

    def __exit__(self, *exc: object) -> None:
        self._stream.close()
        _part(self._path).unlink(missing_ok=True)

    def add(self, message: ComposedMessage) -> None:
        """Add the row of one recipient."""
        self._writer.writerow([_cell(message.row[c]) for c in self._columns])

    def close_whole(self) -> DeliveryStatus:
        """Give the file its name, unless it is there already with the same bytes."""
        self._stream.close()
        part = _part(self._path)
        if not self._path.exists():
            part.replace(self._path)
            return "written"
        if not cmp(part, self._path, shallow=False):
            raise _conflict(self._path)
        return "already"


def read_templates(folder: Path | None) -> TemplateSet:
    """Return the templates of a programme, with Rapport's own where it brings none.

    Parameters
    ----------
    folder : Path or None
        The programme's `templates` folder; need not be there.

    Raises
    ------
    ProgramInvalid
        A `.j2` file has a name that no template has, or is not UTF-8.
    """
    own = files("rapport.customize") / "templates"
    texts = {name: (own / name).read_text(encoding="utf-8") for name in TEMPLATE_NAMES}
    for path in sorted(folder.glob("*.j2")) if folder is not None and folder.is_dir() else ():
        if path.name not in texts:
            raise ProgramInvalid(
                f"{path}: no template has the name {path.name!r}; allowed are {', '.join(TEMPLATE_NAMES)}. "
                f"Rename it.{nearest(path.name, TEMPLATE_NAMES)}"
            )
        try:
            texts[path.name] = path.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise ProgramInvalid(
                f"{path}: byte {error.start} is not UTF-8; a template must be. Save it as UTF-8."
            ) from error
    html, text, subject = (texts[name] for name in TEMPLATE_NAMES)
    return TemplateSet(html=html, text=text, subject=subject)
