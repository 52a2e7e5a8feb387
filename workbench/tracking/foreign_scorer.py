"""Scorers of MLflow (`mlflow.genai.scorers`, `@scorer`, `make_judge`), run on one output, in the workbench's words."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.errors import InvalidInput, MissingComponent, TrackingError


@dataclass(frozen=True, slots=True)
class Given:
    """One assessment that a scorer of MLflow gave."""

    name: str
    """What it assesses."""
    value: Any
    """A number, a bool, a text, or None."""
    rationale: str = ""
    """Why."""


class ForeignScorer:
    """A scorer of MLflow that judges single outputs."""

    def __init__(self, scorer: Any) -> None:
        """Take a scorer; raises InvalidInput unless it is one of MLflow's that needs neither trace nor session."""
        try:
            from mlflow.genai.scorers import Scorer  # noqa: PLC0415 - loads when it is used
        except ImportError as error:
            raise MissingComponent(
                "MLflow is not installed.", hint='pip install "genai-workbench[tracking]"'
            ) from error
        if not isinstance(scorer, Scorer):
            hint = "Call it: `RegexMatch(...)`." if isinstance(scorer, type) else "Decorate it with MLflow's @scorer."
            raise InvalidInput(f"{scorer!r} is no scorer of MLflow.", hint=hint)
        wanted = set(inspect.signature(scorer.__call__).parameters)
        if scorer.is_session_level_scorer or not wanted & {"inputs", "outputs", "expectations"}:
            raise InvalidInput(
                f"MLflow's scorer {scorer.name!r} judges a trace or a session, not one output.",
                hint="Use it in mlflow.genai.evaluate on the traces of the run.",
            )
        self._scorer = scorer
        self.name = str(scorer.name)
        """Its name."""

    @property
    def content(self) -> dict[str, Any] | None:
        """What MLflow writes of it, its own version included; None where it can't be written."""
        try:
            told: dict[str, Any] = self._scorer.model_dump()
        except Exception:  # noqa: BLE001 - what can't be written has no identity, whatever MLflow raised
            return None
        return told

    def run(self, *, inputs: Mapping[str, Any], outputs: str, expectations: Mapping[str, Any]) -> list[Given]:
        """Return what it says of an output; raises TrackingError where it failed."""
        from mlflow.entities import Assessment  # noqa: PLC0415 - loads when it is used

        try:
            found = self._scorer.run(inputs=dict(inputs), outputs=outputs, expectations=dict(expectations))
        except Exception as error:
            raise TrackingError(f"MLflow's scorer {self.name!r} failed: {error}") from error
        given: list[Given] = []
        for each in found if isinstance(found, list) else [found]:
            if not isinstance(each, Assessment):
                given.append(Given(self.name, each))
                continue
            if (failure := getattr(each, "error", None)) is not None:
                raise TrackingError(f"MLflow's scorer {self.name!r} failed: {failure.error_message}")
            given.append(Given(str(each.name), each.value, each.rationale or ""))
        return given
