"""What a programme may ask its customers: field, wording, answers, and what asking costs in goodwill.

Why it exists: every question costs patience, so each is declared with its price, and is asked only where the answer
is worth more. Which question is worth it is not decided here.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Annotated

from pydantic import Field, model_validator

from rapport.program.part import Condition, Misplaced, Name, NotNegative, Part, Share, Text, one_of


class Question(Part):
    """One question that may be put to a customer, and the field its answer fills."""

    field: Name = Field(
        description="Field that the answer fills: a trait of the customers, or a column of people such as email."
    )
    text: Text = Field(description="The question as it is asked.")
    answers: tuple[Text, ...] = Field(
        default=(), max_length=50, description="Answers that are offered; none: whatever the customer says."
    )
    annoyance: NotNegative = Field(description="What being asked costs in goodwill, in units of the currency.")
    reply_probability: Share = Field(
        default=0.5, description="Share of those asked who answer; assumed until measured."
    )
    decisions: Annotated[int, Field(strict=True, ge=1, le=1000)] = Field(
        default=1, description="Decisions, one a turn, that an answer will serve; 1 counts the present one alone."
    )
    channels: tuple[Name, ...] | None = Field(
        default=None, min_length=1, description="Channels in which it may be asked; all when absent."
    )
    unless: Condition | None = Field(
        default=None,
        description="SQL condition over the customer's state columns and `tier`; where it holds it is not asked.",
    )
    again_after_days: Annotated[int, Field(strict=True, ge=1, le=3650)] = Field(
        default=90, description="Days after which it may be asked again where nobody answered; a refusal is for ever."
    )

    @model_validator(mode="after")
    def _answers_differ(self) -> Question:
        if len(self.answers) == 1:
            raise Misplaced(f"is {list(self.answers)!r}; must hold at least two answers, or none", "answers")
        if len(set(self.answers)) < len(self.answers):
            raise Misplaced(f"is {list(self.answers)!r}; an answer may stand once", "answers")
        return self


def check_questions(questions: Sequence[Question], channels: Collection[str]) -> None:
    """Raise Misplaced where two questions ask for one field, or one names a channel that is not there."""
    seen: set[str] = set()
    for position, question in enumerate(questions):
        if question.field in seen:
            raise Misplaced(
                f"is {question.field!r}, which another question asks for; fields of questions must differ",
                "questions",
                position,
                "field",
            )
        seen.add(question.field)
        for name in question.channels or ():
            one_of(name, channels, "questions", position, "channels")
