"""Assessments in MLflow: what people and rules say of a trace, one valid word for each source and question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pandas as pd
from mlflow.entities import Assessment, AssessmentSource, Feedback, TraceInfo

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
        backend = self._store.backend
        with self._store.exclusive():
            info = self._store.read(lambda: backend.get_trace_info(trace_id))
            question = (name, source, source_id, about)
            before = [each for each in _valid(info) if _question(each) == question]
            last = max(before, key=lambda each: each.create_time_ms, default=None)
            if last is not None and (last.value, type(last.value), last.rationale, last.metadata or {}) == (
                value, type(value), rationale, kept,
            ):  # fmt: skip
                return str(last.assessment_id)
            word = Feedback(
                name=name,
                value=value,
                source=AssessmentSource(source, source_id),
                trace_id=trace_id,
                rationale=rationale,
                metadata=kept or None,
                overrides=last.assessment_id if last else None,
            )
            return str(self._store.write(lambda: backend.create_assessment(word)).assessment_id)

    def of_traces(self, trace_ids: Sequence[str]) -> pd.DataFrame:
        """Return all valid assessments of some traces, oldest first; the columns are COLUMNS."""
        rows = []
        for start in range(0, len(trace_ids), _BATCH):
            some = list(trace_ids[start : start + _BATCH])
            infos: list[TraceInfo] = self._store.read(lambda at=some: self._store.backend.batch_get_trace_infos(at))  # type: ignore[misc]
            rows += [_row(info.trace_id, each) for info in infos for each in _valid(info)]
        rows.sort(key=lambda row: row["created_at"])
        return pd.DataFrame(rows, columns=COLUMNS)


def _valid(info: TraceInfo) -> list[Feedback]:
    return [each for each in info.assessments if isinstance(each, Feedback) and each.valid is not False]


def _question(word: Assessment) -> tuple[str, str, str, str | None]:
    return word.name, word.source.source_type, word.source.source_id, (word.metadata or {}).get(_ABOUT)


def _row(trace_id: str, word: Feedback) -> dict[str, Any]:
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
