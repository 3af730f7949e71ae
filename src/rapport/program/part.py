"""What every part of a programme is built from: the base class, and the kinds of values that settings have.

Why it exists: the parts stand in several modules and share one rule, that what is not declared is refused. No part
of a programme may enter.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer

from rapport.core.errors import nearest

Share = Annotated[float, Field(strict=True, ge=0.0, le=1.0, allow_inf_nan=False)]
Odds = Annotated[float, Field(strict=True, ge=1.0, le=100.0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(strict=True, ge=0.0, allow_inf_nan=False)]
Bound = Annotated[float, Field(strict=True, ge=0.0, le=1e12, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
Text = Annotated[str, Field(min_length=1, max_length=2000)]
Condition = Annotated[str, Field(min_length=1)]
"""A SQL condition; how long it may be and what may stand in it is said by `program.rules`."""


class Part(BaseModel):
    """A part of the programme: unknown keys are refused, values do not change after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    LATER: ClassVar[frozenset[str]] = frozenset()
    """Settings that came after others were in use: where they have their default they are left out of what is
    written, so that a programme that does not name them keeps the digests and versions it had."""

    @model_serializer(mode="wrap")
    def _as_it_was(self, whole: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written: dict[str, Any] = whole(self)
        for name in self.LATER:
            if getattr(self, name) == type(self).model_fields[name].get_default(call_default_factory=True):
                written.pop(name, None)
        return written


class Misplaced(ValueError):
    """A wrong value, with the path to it from where it is found, so that the error can name its line."""

    def __init__(self, message: str, *path: str | int) -> None:
        super().__init__(message)
        self.path = path


def one_of(value: str, known: Collection[str], *path: str | int) -> None:
    """Raise Misplaced where a value is none of those known."""
    if value not in known:
        allowed = ", ".join(known) or "none is there"
        raise Misplaced(f"is {value!r}; must be one of: {allowed}.{nearest(value, known)}", *path)


def names_differ(what: str, names: Collection[str]) -> None:
    """Raise Misplaced at the first name that stands a second time in a list of parts."""
    seen: set[str] = set()
    for position, name in enumerate(names):
        if name in seen:
            raise Misplaced(f"is {name!r}, which stands twice; names of {what} must differ", what, position, "name")
        seen.add(name)
