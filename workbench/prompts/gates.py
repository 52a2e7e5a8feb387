"""A gate: the rules that must all hold before a version may become live, fixed before the evidence is looked at.

Its hash is that of what it demands, not of how the file is written: it stands in the request and in the record.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from workbench.errors import InvalidInput
from workbench.prompts.gate import Decision, Gate
from workbench.statistics import holm
from workbench.wire.gates_hash import gates_hash

if TYPE_CHECKING:
    import pandas as pd

    from workbench.prompts.ballots import Ballots


@dataclass(frozen=True)
class Gates:
    """Rules that must all hold."""

    rules: tuple[Gate, ...]
    """The rules."""
    preregistered: bool = False
    """Whether the gate must have been registered before the run began that is its evidence."""
    prompt: str | None = None
    """The prompt that it is for; None: any."""

    def __post_init__(self) -> None:
        if not self.rules:
            raise InvalidInput("A gate needs a rule.", hint="Add a table under [[rules]].", param="rules")
        if len(set(self.rules)) < len(self.rules):
            raise InvalidInput("A rule stands twice in the gate.", param="rules")

    @classmethod
    def of(cls, gate: Gate | Gates) -> Gates:
        """Return a gate of one rule, or the gate itself."""
        return gate if isinstance(gate, Gates) else cls((gate,))

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Gates:
        """Return the gate that `as_dict` told of; raises InvalidInput for what tells of none."""
        try:
            rules = [{**rule, "bounds": rule.get("bounds") and tuple(rule["bounds"])} for rule in told["rules"]]
            return cls(
                tuple(Gate(**rule) for rule in rules), preregistered=told["preregistered"], prompt=told["prompt"]
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise InvalidInput("These are no rules of a gate.", param="gates") from error

    @property
    def hash(self) -> str:
        """SHA-256, in hex, of what the gate demands."""
        return gates_hash(self.as_dict())

    @property
    def needs_baseline(self) -> bool:
        """Whether a rule compares with another run."""
        return any(rule.needs_baseline for rule in self.rules)

    @property
    def needs_votes(self) -> bool:
        """Whether a rule counts people's votes."""
        return any(rule.rule == "win_rate" for rule in self.rules)

    def as_dict(self) -> dict[str, Any]:
        """Return the gate as JSON; a field that a rule does not set to anything is left out."""
        rules = []
        for rule in self.rules:
            told = {each.name: getattr(rule, each.name) for each in fields(rule)}
            kept = {name: value for name, value in told.items() if value is not None or name == "bounds"}
            rules.append({**kept, "bounds": None if rule.bounds is None else [float(end) for end in rule.bounds]})
        return {"rules": rules, "preregistered": self.preregistered, "prompt": self.prompt}

    def __str__(self) -> str:
        return "\n".join([*map(str, self.rules), f"gate {self.hash[:12]}"])

    def decide(
        self,
        cells: pd.DataFrame,
        baseline_cells: pd.DataFrame | None = None,
        *,
        votes: Ballots | None = None,
        judges: Mapping[str, Any] | None = None,
        less_is_better: Collection[str] = (),
    ) -> Decision:
        """Decide on the tables of cells of two runs, and on people's votes: passed where every rule is.

        Where several rules claim to be better, each claim's p value is adjusted by Holm's method. `judges` is the run's
        tag `workbench.judges`: a rule on a judge's metric counts only where the judge may gate. `less_is_better` names
        scorers of which the lower score is the better one. Raises InvalidInput if a table lacks a metric, or a rule its
        baseline.
        """
        decisions = [
            rule.decide(cells, baseline_cells, votes=votes, less_is_better=less_is_better) for rule in self.rules
        ]
        decisions = _adjusted(self.rules, decisions)
        decisions = [_judged(*pair, judges or {}) for pair in zip(self.rules, decisions, strict=True)]
        passed = all(decision.passed for decision in decisions)
        if len(self.rules) == 1:
            only = decisions[0]
            return Decision(passed, only.reason, {**only.figures, "gates_hash": self.hash})
        told = [f"{rule.metric} {decision}" for rule, decision in zip(self.rules, decisions, strict=True)]
        figures = [
            {"metric": rule.metric, "rule": rule.rule, "passed": decision.passed, "reason": decision.reason,
             **decision.figures}
            for rule, decision in zip(self.rules, decisions, strict=True)
        ]  # fmt: skip
        return Decision(passed, "; ".join(told), {"rules": figures, "gates_hash": self.hash})


def _adjusted(rules: Sequence[Gate], decisions: Sequence[Decision]) -> list[Decision]:
    """Return the decisions with Holm's p values on the claims to be better."""
    claims = [
        place
        for place, (rule, decision) in enumerate(zip(rules, decisions, strict=True))
        if rule.rule == "superior" and "p_value" in decision.figures
    ]
    adjusted = list(decisions)
    if len(claims) < 2:
        return adjusted
    p_values = holm([float(decisions[place].figures["p_value"]) for place in claims])
    for place, p_value in zip(claims, p_values, strict=True):
        before = decisions[place]
        holds = p_value < 1 - rules[place].confidence
        reason = f"{before.reason}, p = {p_value:.2g} by Holm over {len(claims)} claims"
        figures = {**before.figures, "p_value_holm": p_value, "claims": len(claims)}
        adjusted[place] = Decision(before.passed and holds, reason, figures)
    return adjusted


def _judged(rule: Gate, decision: Decision, judges: Mapping[str, Any]) -> Decision:
    """Return a decision, refused where it rests on a judge that may not gate."""
    if rule.metric not in judges:
        return decision
    trust = judges[rule.metric]
    figures = {**decision.figures, "judge": trust}
    if isinstance(trust, Mapping) and trust.get("may_gate") is True:
        return Decision(decision.passed, decision.reason, figures)
    why = "its agreement with people was not measured" if not trust else "it agrees too little with people"
    return Decision(False, f"{rule.metric!r} is a judge's word, and this judge may not gate: {why}", figures)
