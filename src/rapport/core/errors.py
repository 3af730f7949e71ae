"""The one tree of errors, each leaf with the exit code its face shows.

Why it exists: a person who meets an error must learn what is wrong, the value, what is allowed and what
to do; a script must be able to tell kinds apart by exit code. Nothing that formats for a terminal enters.

The tree::

    RapportError                    1
    ├─ ProgramError                 3   the programme folder or program.toml
    │  ├─ ProgramMissing            3   no such file or folder
    │  ├─ ProgramSyntax             3   not TOML
    │  ├─ ProgramInvalid            3   a key is missing, unknown or has a value that is not allowed
    │  └─ RuleRefused               3   a rule or query uses something that is not on the short list
    ├─ SourceError                  4   the data that the programme points to
    │  ├─ SourceMissing             4   no such file
    │  ├─ SourceUnreadable          4   truncated, not of its format
    │  ├─ SourceColumns             4   mapped columns are not there
    │  └─ SourceEmpty               4   no usable row is left
    ├─ OfferError                   5   the offers
    │  ├─ OfferInvalid              5   an offer has a value that is not allowed
    │  └─ NoOffers                  5   the query or file gave none
    ├─ TurnError                    6   the state of a turn
    │  ├─ TurnConflict              6   the programme or data changed under a turn that has begun
    │  ├─ StageMissing              6   an earlier stage has not been done
    │  ├─ TurnBusy                  6   another process works on the same programme
    │  ├─ StateDamaged              6   a file of the state folder cannot be read
    │  ├─ StateNewer                6   a later version of Rapport has written the memory
    │  └─ StateUnreachable          6   the memory cannot be opened or written: no server, no rights
    ├─ LookupFailed                 7   asked for something that is not there
    │  ├─ UnknownCustomer           7
    │  ├─ UnknownGroup              7   no needs group or trait of that name
    │  ├─ UnknownMerge              7   no merge of that number that stands
    │  ├─ UnknownTask               7
    │  └─ UnknownTurn               7
    ├─ TargetExists                 8   would overwrite what is there
    ├─ LimitError                   9   the limits that customers share
    │  ├─ LimitInvalid              9   a limit, or what uses it, has a value that is not allowed
    │  ├─ LimitsConflict            9   limits cannot be met together
    │  └─ InstanceInvalid           9   the files of an allocation instance are not in order
    └─ WorksheetInvalid            10   a worksheet, or the file of its edits, is not in order

Exit code 2 is the command line's own (wrong usage); 0 is success; 130 an interrupt.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RapportError(Exception):
    """Root of the tree. The message says what is wrong - the value - what is allowed - what to do."""

    exit_code = 1


class ProgramError(RapportError):
    """Something is wrong with the programme."""

    exit_code = 3


class ProgramMissing(ProgramError):
    """The programme folder or its program.toml is not there."""


class ProgramSyntax(ProgramError):
    """program.toml is not TOML."""


class ProgramInvalid(ProgramError):
    """A key of program.toml is missing, unknown, or has a value that is not allowed."""


class RuleRefused(ProgramError):
    """A rule or query that a person wrote uses something that is not on the short list."""


class SourceError(RapportError):
    """Something is wrong with the data a programme points to."""

    exit_code = 4


class SourceMissing(SourceError):
    """A source file is not there."""


class SourceUnreadable(SourceError):
    """A source file is truncated, or not of the format it claims."""


class SourceColumns(SourceError):
    """Columns that the mapping names are not in the source."""


class SourceEmpty(SourceError):
    """A source has no usable row."""


class OfferError(RapportError):
    """Something is wrong with the offers."""

    exit_code = 5


class OfferInvalid(OfferError):
    """An offer has a value that is not allowed."""


class NoOffers(OfferError):
    """The offer query or file gave no offer."""


class TurnError(RapportError):
    """Something is wrong with the state of a turn."""

    exit_code = 6


class TurnConflict(TurnError):
    """The programme or its data changed under a turn that has begun."""


class StageMissing(TurnError):
    """A stage was asked for whose earlier stage has not been done."""


class TurnBusy(TurnError):
    """Another process is working on the same programme."""


class StateDamaged(TurnError):
    """A file of the state folder cannot be read."""


class StateNewer(TurnError):
    """A later version of Rapport has written the memory."""


class StateUnreachable(TurnError):
    """The memory cannot be opened or written: no server, wrong password, no rights."""


class LookupFailed(RapportError):
    """Something was asked for that is not there."""

    exit_code = 7


class UnknownCustomer(LookupFailed):
    """No customer has this id."""


class UnknownGroup(LookupFailed):
    """No needs group, or trait to profile by, has this name."""


class UnknownMerge(LookupFailed):
    """No merge that stands has this number."""


class UnknownTask(LookupFailed):
    """No task has this number."""


class UnknownTurn(LookupFailed):
    """No turn has this name."""


class TargetExists(RapportError):
    """Writing would overwrite what is there."""

    exit_code = 8


class LimitError(RapportError):
    """Something is wrong with the limits that customers share."""

    exit_code = 9


class LimitInvalid(LimitError):
    """A limit, or what uses it, has a value that is not allowed."""


class LimitsConflict(LimitError):
    """Limits cannot be met together."""


class InstanceInvalid(LimitError):
    """The files of an allocation instance are not in order."""


class WorksheetInvalid(RapportError):
    """A worksheet that people edited, or the file of edits in force, is not in order; each fault has its cell."""

    exit_code = 10


def nearest(value: str, allowed: Iterable[str]) -> str:
    """Return ``' Did you mean x?'`` for the closest allowed names, or an empty string.

    Parameters
    ----------
    value : str
        What was given.
    allowed : iterable of str
        What would have been allowed.
    """
    close = difflib.get_close_matches(value, list(allowed), n=2, cutoff=0.6)
    return f" Did you mean {' or '.join(close)}?" if close else ""
