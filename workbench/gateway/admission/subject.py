"""Whose limits they are: a key's, a use case's, a user's, a model's or a provider's, and what each is held to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from workbench.gateway.access.limits import NO_BUDGET, NO_LIMITS, Budget, Limits

SubjectKind = Literal["key", "use_case", "user", "model", "provider"]
KINDS: tuple[SubjectKind, ...] = ("key", "use_case", "user", "model", "provider")
"""All of them, in the order in which they are told."""
_WORDS = {"key": "Key", "use_case": "Use case", "user": "User", "model": "Model", "provider": "Provider"}


class Subject(NamedTuple):
    """One thing that is held to limits."""

    kind: SubjectKind
    """What it is."""
    name: str
    """Of keys the account: the id of the first of a line of rotated ones; the name of everything else."""

    def __str__(self) -> str:
        """Return how people are told of it."""
        return f"{_WORDS[self.kind]} {self.name if self.kind == 'key' else repr(self.name)}"

    def lower(self) -> str:
        """Return the same for the middle of a sentence."""
        told = str(self)
        return told[0].lower() + told[1:]


@dataclass(frozen=True, slots=True)
class Raise:
    """More money for a while."""

    id: str
    """Names it, `raise_...`."""
    subject: Subject
    """Whose budget."""
    budget: Budget
    """How much more of each part."""
    until: float
    """Seconds since the epoch; from then on it counts no more."""
    reason: str
    """Why."""
    by: str
    """Who raised it."""
    created_at: float
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a subject is held to by one who may say so: itself, or a rule of the configuration."""

    subject: Subject
    """Whose."""
    limits: Limits = NO_LIMITS
    """How often and how much at once."""
    budget: Budget = NO_BUDGET
    """For how much money."""
    rule: str | None = None
    """The rule of `[[admission.limits]]` that says so; None: the key's or the use case's own terms."""
    shadow: bool = False
    """Whether nothing is refused, and only counted what would have been."""
    when_exhausted: str | None = None
    """The model that takes calls which the budget does not reach for; None: they are refused."""
    stopped: bool = False
    """Whether nothing is let pass until the admin lets it go on."""
    raises: tuple[Raise, ...] = ()
    """Temporary raises of the budget."""

    @property
    def row(self) -> str:
        """Return the name under which it is counted."""
        kind, name = self.subject
        if self.rule is not None:
            return f"{kind} {name} by {self.rule}"
        return name if kind == "key" else f"{kind} {name}"

    @property
    def binding(self) -> bool:
        """Whether there is anything that it holds to."""
        return self.limits != NO_LIMITS or self.budget != NO_BUDGET or self.stopped

    def remedy(self, what: str) -> str:
        """Return who can raise one of its limits, and where."""
        if self.rule is not None:
            return f"the admin may raise {what} under [[admission.limits]] of the configuration"
        if self.subject.kind == "key":
            return f"the admin may raise {what} of the key (PATCH /admin/v1/keys/{self.subject.name})"
        return f"the platform team may raise {what} of the use case"
