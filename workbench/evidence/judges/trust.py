"""How far a judge agrees with people, and whether that is enough to let it decide on promotions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from workbench.errors import InvalidInput, NotFound

LEAST_AGREEMENT = 0.4
"""Bar for the lower end of the agreement's interval: above it agreement is called moderate (Landis & Koch 1977,
Biometrics 33:159). The point estimate does not count: with few labels it may be high by luck."""
LEAST_CONSISTENCY = 0.8
"""Bar for a pairwise judge: the share of pairs that it decides alike in both orders."""
MOST_POSITION_P = 0.05
"""A pairwise judge that changes its mind with the order must do so both ways: p value of the sign test."""
LEAST_LABELS = 20
"""Labels below which nothing is said of a judge, however well it agrees."""


@dataclass(frozen=True)
class JudgeTrust:
    """A judge measured against human labels."""

    judge: str
    """Identity of the judge that was measured: with another rubric, model or parameter it is another judge."""
    name: str
    """The judge's name."""
    statistic: str
    """What the agreement is: `Krippendorff's alpha, ordinal`."""
    agreement: float | None
    """Agreement beyond chance, 1 at most; None where it can't be told (every decision is the same)."""
    low: float | None
    """Lower end of its interval; None as above."""
    high: float | None
    """Upper end of its interval; None as above."""
    n: int
    """Items that both a person and the judge decided."""
    no_score: int = 0
    """Items on which the judge gave no score."""
    confidence: float = 0.95
    """Confidence of the interval."""
    bar: float = LEAST_AGREEMENT
    """What `low` must exceed."""
    consistency: float | None = None
    """For a pairwise judge: share of pairs that it decides alike in both orders; None for others."""
    position_bias: float | None = None
    """For a pairwise judge: how much more often than second it prefers the first answer shown, -1 to 1."""
    position_p: float | None = None
    """p value of the sign test that it prefers neither place."""
    labels: str = ""
    """Hash of the labelled items."""

    @property
    def objections(self) -> tuple[str, ...]:
        """Why it may not gate, for people; empty if it may."""
        found: list[str] = []
        if self.n < LEAST_LABELS:
            found.append(f"only {self.n} items were labelled and judged, {LEAST_LABELS} are needed")
        if self.low is None:
            found.append("its agreement with people can't be told from these labels")
        elif not self.low > self.bar:
            found.append(f"its agreement may be as low as {self.low:.2f}, the bar is {self.bar:.2f}")
        if self.consistency is not None:
            found += order_objections(self.consistency, self.position_bias or 0.0, self.position_p)
        return tuple(found)

    def check(self, identity: str | None, name: str) -> None:
        """Raise InvalidInput unless this was measured of the judge of that identity."""
        if identity != self.judge:
            raise InvalidInput(
                f"{name!r} is not the judge that was measured: rubric, model or parameters differ.",
                hint="Measure it again: judges.measure(judge, labelled, gateway=...).",
            )

    @property
    def may_gate(self) -> bool:
        """Whether its scores may decide on a promotion."""
        return not self.objections

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as JSON values; `may_gate` and `objections` are told, and computed anew when read."""
        return {**asdict(self), "may_gate": self.may_gate, "objections": list(self.objections)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> JudgeTrust:
        """Read what `as_dict` wrote; raises InvalidInput where a figure is missing or none."""
        known = {each.name for each in fields(cls)}
        try:
            read = cls(**{name: value for name, value in values.items() if name in known})
            str(read)  # figures that are none show here
            return read
        except (TypeError, ValueError) as error:
            raise InvalidInput(f"This does not tell how a judge was measured: {error}.") from error

    @classmethod
    def of(cls, given: JudgeTrust | str | Path) -> JudgeTrust:
        """Return what was given, or what stands in the file that was named."""
        return given if isinstance(given, JudgeTrust) else cls.load(given)

    def save(self, path: str | Path) -> Path:
        """Write it as a JSON file, to be kept beside the rubric and given to `judge(trust=...)`; return the path."""
        place = Path(path)
        place.write_text(json.dumps(self.as_dict(), indent=1) + "\n", "utf-8")
        return place

    @classmethod
    def load(cls, path: str | Path) -> JudgeTrust:
        """Read what `save` wrote; raises NotFound where there is no such file, InvalidInput where it is another's."""
        try:
            values = json.loads(Path(path).read_text("utf-8"))
        except OSError as error:
            hint = "`measure(judge, labelled, gateway=...).save(path)` writes it."
            raise NotFound(f"{path} can't be read: {error.strerror}.", hint=hint) from error
        except ValueError as error:
            raise InvalidInput(f"{path} is not JSON: {error}.") from error
        if not isinstance(values, dict):
            raise InvalidInput(f"{path} does not tell how a judge was measured.")
        return cls.from_dict(values)

    def __str__(self) -> str:
        said = f"{self.name}: agreement not to be told (n={self.n})"
        if self.agreement is not None and self.low is not None and self.high is not None:
            figures = f"{self.agreement:.2f} [{self.low:.2f}, {self.high:.2f}]"
            said = f"{self.name}: {self.statistic} {figures} (n={self.n})"
        if self.consistency is not None:
            said += f", consistent on {self.consistency:.0%}"
        return f"{said}; {'may gate' if self.may_gate else 'may not gate: ' + '; '.join(self.objections)}"


def order_objections(consistency: float, lean: float, lean_p: float | None) -> list[str]:
    """Return what speaks against a pairwise judge: it changes its mind with the order, or leans to a place."""
    found: list[str] = []
    if consistency < LEAST_CONSISTENCY:
        found.append(f"it decides {consistency:.0%} of pairs alike in both orders, {LEAST_CONSISTENCY:.0%} are needed")
    if lean_p is not None and lean_p < MOST_POSITION_P:
        place = "first" if lean > 0 else "second"
        found.append(f"it leans to the answer that is shown {place} (p = {lean_p:.2g})")
    return found
