"""What the platform team has configured for reviews, as the rest of this room asks for it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pydantic import ValidationError

from workbench.errors import InvalidInput, Unavailable
from workbench.gateway.access.identity import Identity
from workbench.settings import Settings
from workbench.settings.review_files import Question, read_review_files


class Policy:
    """One configuration's data classes, checklist, groups and text on risks."""

    def __init__(self, settings: Settings) -> None:
        """Read the files that the configuration names; raises Unavailable where they are gone."""
        self.settings = settings
        self.review = settings.review
        try:
            files = read_review_files(self.review, folder=settings.folder)
        except (OSError, ValueError, ValidationError) as error:
            raise Unavailable(
                "The files that [review] names can't be read any more.",
                hint="The admin must look at `workbench config check`.",
                code="review_files",
            ) from error
        self.risk_text = files.risk_text
        self.risk_version = self.review.risk_version
        self.risk_hash = hashlib.sha256((files.risk_text or "").encode()).hexdigest()
        self._questions = files.questions

    def most_sensitive(self, data_classes: Iterable[str]) -> str:
        """Return the most sensitive of some data classes."""
        order = list(self.review.data_classes)
        return max(data_classes, key=order.index)

    def unknown_data_classes(self, data_classes: Iterable[str]) -> list[str]:
        """Return those that are not configured."""
        return [name for name in data_classes if name not in self.review.data_classes]

    def approvals(self, data_classes: Iterable[str]) -> int:
        """Return how many people must approve."""
        return max(self.review.data_classes[name].approvals for name in data_classes)

    def providers(self, data_classes: Sequence[str]) -> list[str]:
        """Return the providers that may see all of some data classes."""
        trusted = [set(self.review.data_classes[name].trust) for name in data_classes]
        return [
            name
            for name, provider in self.settings.providers.items()
            if all(provider.trust in trust for trust in trusted)
        ]

    def questions(self, data_classes: Iterable[str]) -> list[Question]:
        """Return what a use case with such data is asked."""
        sent = set(data_classes)
        return [each for each in self._questions if not each.data_classes or sent.intersection(each.data_classes)]

    def check_answers(self, answers: dict[str, Any]) -> None:
        """Raise InvalidInput for an answer to no question, or of another type than its question's."""
        known = {question.id: question for question in self._questions}
        for name, answer in answers.items():
            if name not in known:
                listed = ", ".join(known)
                raise InvalidInput(f"No question {name!r}.", hint=f"The checklist asks: {listed}.", param="answers")
            if answer is not None and (right := _wrong(known[name], answer)):
                raise InvalidInput(f"Answer {name!r}: expected {right}.", hint=known[name].text, param="answers")

    def unanswered(self, data_classes: Iterable[str], answers: dict[str, Any]) -> Iterator[Question]:
        """Yield the required questions that have no answer."""
        for question in self.questions(data_classes):
            answer = answers.get(question.id)
            if question.required and (answer is None or (isinstance(answer, str) and not answer.strip())):
                yield question

    def group(self, asked: str | None, data_classes: Sequence[str]) -> str:
        """Return the group that a use case is escalated to; raises InvalidInput where none is meant."""
        groups = list(self.review.groups)
        if asked is None:
            own = [self.review.data_classes[name].escalation for name in data_classes]
            asked = next((group for group in reversed(own) if group), groups[0] if len(groups) == 1 else None)
        if asked is None or asked not in groups:
            found = "No group was named." if asked is None else f"No governance group {asked[:80]!r}."
            known = f"Known: {', '.join(groups)}." if groups else "The admin adds one: [review.groups.NAME]."
            raise InvalidInput(found, hint=known, param="to")
        return asked

    def is_member(self, identity: Identity, group: str) -> bool:
        """Tell whether somebody is in a governance group."""
        configured = self.review.groups.get(group)
        return group in identity.groups or (configured is not None and identity.name in configured.members)


def _wrong(question: Question, answer: object) -> str | None:
    if question.type == "yes_no":
        return None if isinstance(answer, bool) else "true or false"
    if question.type == "number":
        return None if isinstance(answer, (int, float)) and not isinstance(answer, bool) else "a number"
    if question.type == "choice":
        return None if answer in question.choices else f"one of {', '.join(question.choices)}"
    return None if isinstance(answer, str) else "a text"
