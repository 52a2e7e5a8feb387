"""The files that `[review]` names: the platform team's checklist and the text on risks."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError

from workbench.settings.review import ReviewSettings
from workbench.settings.table import Table

QuestionType = Literal["text", "yes_no", "number", "choice"]
_LARGEST = 1024 * 1024
Found = tuple[tuple[int | str, ...], str, str]


def _question_id(value: str) -> str:
    """Pass what names a question."""
    if re.fullmatch(r"[a-z][a-z0-9_]{0,60}", value) is None:
        raise ValueError("expected small letters, digits and '_', such as 'who_reads'")
    return value


class Question(Table):
    """One question of the checklist."""

    id: Annotated[str, AfterValidator(_question_id)] = Field(description="its name in answers")
    text: str = Field(min_length=1, description="what is asked")
    type: QuestionType = Field("text", description="what an answer is")
    choices: list[str] = Field([], description="choice: the answers there are")
    required: bool = Field(True, description="whether a use case can't be submitted without an answer")
    data_classes: list[str] = Field([], description="asked of use cases with such data; empty: of all")


class Checklist(Table):
    """The whole file."""

    questions: list[Question] = Field(min_length=1, description="what every use case, or those of a class, is asked")


@dataclass(frozen=True)
class ReviewFiles:
    """What the files hold."""

    questions: tuple[Question, ...]
    """The checklist."""
    risk_text: str | None = None
    """The text on risks; None: nothing needs to be acknowledged."""


DEFAULT_QUESTIONS = (
    Question(
        id="wrong_answer",
        text="What happens when an answer is wrong, or none comes?",
        data_classes=["internal", "personal"],
    ),
    Question(
        id="human_review",
        text="Does a person look at an answer before it has an effect?",
        type="yes_no",
        data_classes=["internal", "personal"],
    ),
    Question(
        id="legal_basis",
        text="On what legal basis are personal data processed, and who has agreed to it?",
        data_classes=["personal"],
    ),
)
"""What is asked where no checklist is configured; only of classes that are there."""


class ChecklistWrong(ValueError):
    """A checklist that can't be read, or does not fit."""

    def __init__(self, problems: list[Found]) -> None:
        super().__init__("; ".join(f"{what}, {right}" for _, what, right in problems))
        self.problems = problems


def read_review_files(review: ReviewSettings, *, folder: Path) -> ReviewFiles:
    """Return what the files hold.

    Raises ChecklistWrong or pydantic's ValidationError for a checklist that is not as it must be, OSError or
    ValueError for a text on risks.
    """
    questions = DEFAULT_QUESTIONS if review.checklist is None else _questions(review, folder / review.checklist)
    return ReviewFiles(questions, None if review.risk_text is None else _text(folder / review.risk_text))


def risk_text_problems(review: ReviewSettings, *, folder: Path) -> Iterator[Found]:
    """Yield what is wrong with the file of the text on risks."""
    if review.risk_text is None:
        return
    path = folder / review.risk_text
    try:
        if not _text(path).strip():
            yield ("risk_text",), f"file {path} is empty", "expected a text"
    except (OSError, ValueError) as error:
        yield ("risk_text",), f"file {path} {_why(error)}", "expected a text in UTF-8"


def _questions(review: ReviewSettings, path: Path) -> tuple[Question, ...]:
    try:
        checklist = Checklist.model_validate(_parsed(path))
    except OSError as error:
        raise ChecklistWrong([_unread(path, error)]) from error
    except ValidationError:
        raise
    except ValueError as error:
        raise ChecklistWrong([_unread(path, error)]) from error
    if problems := list(_problems(checklist, review)):
        raise ChecklistWrong(problems)
    return tuple(checklist.questions)


def _parsed(path: Path) -> Any:
    if path.suffix not in (".yaml", ".yml", ".toml"):
        raise ValueError("is named neither .yaml, .yml nor .toml")
    text = _text(path)
    if path.suffix == ".toml":
        read, wrong = tomllib.loads, tomllib.TOMLDecodeError
    else:
        yaml = import_module("yaml")  # only where a file asks for it
        read, wrong = yaml.safe_load, yaml.YAMLError
    try:
        return read(text)
    except (wrong, RecursionError) as error:
        raise ValueError(f"is not {path.suffix[1:].upper()}: {' '.join(str(error).split())[:200]}") from error


def _problems(checklist: Checklist, review: ReviewSettings) -> Iterator[Found]:
    known = ", ".join(map(repr, review.data_classes))
    ids = [question.id for question in checklist.questions]
    for index, question in enumerate(checklist.questions):
        at = ("checklist", "questions", index)
        if question.id in ids[:index]:
            yield (*at, "id"), f"{question.id!r} stands twice", "expected each id once"
        if (question.type == "choice") != bool(question.choices):
            count = len(question.choices)
            yield (*at, "choices"), f"{count} choices", "expected some for type 'choice', and else none"
        for name in question.data_classes:
            if name not in review.data_classes:
                yield (*at, "data_classes"), f"no data class named {name!r}", f"known: {known}"


def _unread(path: Path, error: OSError | ValueError) -> Found:
    return ("checklist",), f"file {path} {_why(error)}", "expected a YAML or TOML file with an array `questions`"


def _text(path: Path) -> str:
    with path.open("rb") as file:
        raw = file.read(_LARGEST + 1)
    if len(raw) > _LARGEST:
        raise ValueError(f"is over {_LARGEST} bytes")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError("is not UTF-8") from error


def _why(error: OSError | ValueError) -> str:
    return f"can't be read: {error.strerror}" if isinstance(error, OSError) else str(error)
