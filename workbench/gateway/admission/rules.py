"""Limits of the configuration, `[[admission.limits]]`: which of them a subject is held to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import translate
from re import compile as compile_pattern

from workbench.gateway.access.limits import NO_BUDGET, Budget, Limits
from workbench.gateway.admission.subject import KINDS, Subject, SubjectKind, Terms
from workbench.settings import LimitSettings


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: every subject whose name fits is held to it, each by itself."""

    kind: SubjectKind
    """What it is about."""
    match: str
    """A shell pattern of names, in which `*` crosses `/`."""
    limits: Limits
    """How often and how much at once."""
    budget: Budget
    """For how much money."""
    shadow: bool
    """Whether it only counts what it would refuse."""
    when_exhausted: str | None
    """The model that takes calls which the budget does not reach for."""

    @property
    def name(self) -> str:
        """Return what its counters are kept under."""
        return f"{self.match} in shadow" if self.shadow else self.match

    def terms(self, subject: Subject) -> Terms:
        """Return what it holds a subject to."""
        return Terms(
            subject, self.limits, self.budget, rule=self.name, shadow=self.shadow, when_exhausted=self.when_exhausted
        )


class Rules:
    """All rules of one configuration."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._by_kind: dict[SubjectKind, list[Rule]] = {kind: [] for kind in KINDS}
        for rule in rules:
            self._by_kind[rule.kind].append(rule)
        self._patterns = {
            rule.match: compile_pattern(translate(rule.match)) for some in self._by_kind.values() for rule in some
        }

    @classmethod
    def from_settings(cls, limits: Iterable[LimitSettings]) -> Rules:
        """Read `[[admission.limits]]`."""
        return cls(
            Rule(
                kind=one.subject,
                match=one.match,
                limits=Limits(**{name: getattr(one, name) for name in Limits.__struct_fields__}),
                budget=Budget(**{name: getattr(one, name) for name in Budget.__struct_fields__}),
                shadow=one.shadow,
                when_exhausted=one.when_exhausted,
            )
            for one in limits
        )

    def about(self, kind: SubjectKind) -> bool:
        """Tell whether there is a rule of a kind of subject."""
        return bool(self._by_kind[kind])

    def bounds(self, kind: SubjectKind) -> bool:
        """Tell whether a rule refuses calls for the money of a kind of subject."""
        return any(rule.budget != NO_BUDGET and not rule.shadow for rule in self._by_kind[kind])

    def kinds(self) -> list[SubjectKind]:
        """Return the kinds of subjects that there are rules of."""
        return [kind for kind, rules in self._by_kind.items() if rules]

    def of(self, subject: Subject) -> list[Terms]:
        """Return what a subject is held to."""
        return [
            rule.terms(subject)
            for rule in self._by_kind[subject.kind]
            if self._patterns[rule.match].match(subject.name)
        ]
