"""Assessments in MLflow: what people and rules say of a trace, one valid word for each source and question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pandas as pd
from mlflow.entities import Assessment, AssessmentSource, Expectation, Feedback, TraceInfo

from workbench.errors import InvalidInput
from workbench.tracking.moments import utc
from workbench.tracking.store import Store

Source = Literal["HUMAN", "CODE", "LLM_JUDGE"]
Value = bool | int | float | str
COLUMNS = [
    "trace_id", "name", "value", "source", "source_id", "rationale", "about", "created_at", "metadata", "assessment_id",
]  # fmt: skip
_ABOUT = "workbench.about"
_BATCH = 200


class AssessmentStore:
    """Write and read assessments."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def rate(
        self,
        trace_id: str,
        name: str,
        value: Value,
        *,
        source: Source,
        source_id: str,
        rationale: str | None = None,
        about: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        """Write an assessment and return its id.

        A second word of the same source on the same question (`name`, and `about` if given) overrides the first, which
        MLflow keeps as invalid; the same word said again changes nothing.
        """
        if source not in ("HUMAN", "CODE", "LLM_JUDGE"):
            raise InvalidInput(f"A source is HUMAN, CODE or LLM_JUDGE, not {source!r}.", param="source")
        if not source_id.strip():
            raise InvalidInput(f"A rating of source {source} needs the name of who gave it.", param="source_id")
        kept = {**(metadata or {}), **({_ABOUT: about} if about else {})}
        return self._say(
            Feedback(
                name=name,
                value=value,
                source=AssessmentSource(source, source_id),
                trace_id=trace_id,
                rationale=rationale,
                metadata=kept or None,
            )
        )

    def expect(
        self, trace_id: str, name: str, value: Any, *, source_id: str, metadata: Mapping[str, str] | None = None
    ) -> str:
        """Write what a person says should have come out (any JSON value), as an MLflow expectation; return its id.

        A second word of the same person under the same name overrides the first; the same word changes nothing.
        """
        if not source_id.strip():
            raise InvalidInput("An expectation needs the name of who gave it.", param="source_id")
        return self._say(
            Expectation(
                name=name,
                value=value,
                source=AssessmentSource("HUMAN", source_id),
                trace_id=trace_id,
                metadata=dict(metadata) if metadata else None,
            )
        )

    def of_traces(self, trace_ids: Sequence[str]) -> pd.DataFrame:
        """Return all valid feedback on some traces, oldest first; the columns are COLUMNS."""
        return self._frame(trace_ids, Feedback)

    def corrections(self, trace_ids: Sequence[str]) -> pd.DataFrame:
        """Return all valid expectations of some traces, oldest first; the columns are COLUMNS."""
        return self._frame(trace_ids, Expectation)

    def expectations(self, trace_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """Return what is expected of each trace that says so: the latest value by name."""
        found: dict[str, dict[str, Any]] = {}
        for row in self._rows(trace_ids, Expectation):
            found.setdefault(row["trace_id"], {})[row["name"]] = row["value"]
        return found

    def _say(self, word: Any) -> str:
        """Write a word unless it stands already, over what the same source said before on the same question."""
        backend = self._store.backend
        with self._store.exclusive():
            info = self._store.read(lambda: backend.get_trace_info(word.trace_id))
            before = [each for each in _valid(info, type(word)) if _question(each) == _question(word)]
            last = max(before, key=lambda each: each.create_time_ms, default=None)
            if last is not None:
                if _content(last) == _content(word):
                    return str(last.assessment_id)
                word.overrides = last.assessment_id
            return str(self._store.write(lambda: backend.create_assessment(word)).assessment_id)

    def _frame(self, trace_ids: Sequence[str], kind: type[Any]) -> pd.DataFrame:
        return pd.DataFrame(self._rows(trace_ids, kind), columns=COLUMNS)

    def _rows(self, trace_ids: Sequence[str], kind: type[Any]) -> list[dict[str, Any]]:
        rows = []
        for start in range(0, len(trace_ids), _BATCH):
            some = list(trace_ids[start : start + _BATCH])
            infos: list[TraceInfo] = self._store.read(lambda at=some: self._store.backend.batch_get_trace_infos(at))  # type: ignore[misc]
            rows += [_row(info.trace_id, each) for info in infos for each in _valid(info, kind)]
        return sorted(rows, key=lambda row: row["created_at"])


def _valid(info: TraceInfo, kind: type[Any]) -> list[Any]:
    return [each for each in info.assessments if isinstance(each, kind) and each.valid is not False]


def _content(word: Any) -> tuple[Any, ...]:
    return word.value, type(word.value), word.rationale, word.metadata or {}


def _question(word: Assessment) -> tuple[str, str, str, str | None]:
    return word.name, word.source.source_type, word.source.source_id, (word.metadata or {}).get(_ABOUT)


def _row(trace_id: str, word: Any) -> dict[str, Any]:
    name, source, source_id, about = _question(word)
    return {
        "trace_id": trace_id,
        "name": name,
        "value": word.value,
        "source": source,
        "source_id": source_id,
        "rationale": word.rationale,
        "about": about,
        "created_at": utc(word.create_time_ms),
        "metadata": {k: v for k, v in (word.metadata or {}).items() if k != _ABOUT},
        "assessment_id": word.assessment_id,
    }
