"""The files that `[review]` names: the platform team's checklist and the text on risks."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field

from workbench.settings.review import ReviewSettings
from workbench.settings.table import Table

QuestionType = Literal["text", "yes_no", "number", "choice"]
_LARGEST = 1024 * 1024
Found = tuple[tuple[int | str, ...], str, str]


class Question(Table):
    """One question of the checklist."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,60}$")] = Field(description="its name in answers")
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


def read_checklist(path: Path) -> Any:
    """Return what a YAML or TOML file holds; raises OSError, or ValueError that says what is wrong with it."""
    if path.suffix not in (".yaml", ".yml", ".toml"):
        raise ValueError("its name ends neither in .yaml, .yml nor .toml")
    text = _text(path)
    try:
        return tomllib.loads(text) if path.suffix == ".toml" else yaml.safe_load(text)
    except (tomllib.TOMLDecodeError, yaml.YAMLError) as error:
        raise ValueError(f"not {path.suffix[1:].upper()}: {' '.join(str(error).split())[:200]}") from error


def read_review_files(review: ReviewSettings, *, folder: Path) -> ReviewFiles:
    """Return what the files hold; raises OSError or ValueError for those that are not as the settings need them."""
    questions: tuple[Question, ...] = DEFAULT_QUESTIONS
    if review.checklist is not None:
        questions = tuple(Checklist.model_validate(read_checklist(folder / review.checklist)).questions)
    return ReviewFiles(questions, None if review.risk_text is None else _text(folder / review.risk_text))


def question_problems(checklist: Checklist, review: ReviewSettings) -> Iterator[Found]:
    """Yield what is wrong between the questions, and between them and the data classes."""
    known = ", ".join(map(repr, review.data_classes))
    ids = [question.id for question in checklist.questions]
    for index, question in enumerate(checklist.questions):
        at = ("questions", index)
        if question.id in ids[:index]:
            yield (*at, "id"), f"{question.id!r} stands twice", "expected each id once"
        if (question.type == "choice") != bool(question.choices):
            yield (*at, "choices"), f"{len(question.choices)} of them", "expected some for type 'choice', and else none"
        for name in question.data_classes:
            if name not in review.data_classes:
                yield (*at, "data_classes"), f"no data class named {name!r}", f"known: {known}"


def risk_text_problem(review: ReviewSettings, *, folder: Path) -> Found | None:
    """Return what is wrong with the file of the text on risks."""
    if review.risk_text is None:
        return None
    try:
        wrong = None if _text(folder / review.risk_text).strip() else "is empty"
    except (OSError, ValueError) as error:
        wrong = _why(error)
    return wrong and (("risk_text",), f"file {folder / review.risk_text} {wrong}", "expected a text in UTF-8")


def checklist_problem(review: ReviewSettings, error: OSError | ValueError, *, folder: Path) -> Found:
    """Return how a checklist that can't be read is told."""
    found = f"file {folder / (review.checklist or '')}: {_why(error)}"
    return ("checklist",), found, "expected a YAML or TOML file with an array `questions`"


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
    return (error.strerror or "can't be read") if isinstance(error, OSError) else str(error)
