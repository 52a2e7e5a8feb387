"""Traces in MLflow: finished calls, written at once and in the foreground, so that a rating finds its trace."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any
from urllib.parse import urlencode
from uuid import NAMESPACE_OID, uuid5

from mlflow.entities import AssessmentSource, Feedback, Span, TraceInfo, TraceLocation, TraceState
from mlflow.entities import Trace as Logged
from mlflow.entities.model_registry import PromptVersion as Registered
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.tracing.attachments import Attachment
from mlflow.tracing.constant import AssessmentMetadataKey, SpanAttributeKey, TraceMetadataKey, TraceTagKey
from mlflow.tracing.utils import build_otel_context
from mlflow.tracing.utils.artifact_utils import get_artifact_uri_for_trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.trace import Status, StatusCode
from tqdm.auto import tqdm

from workbench.errors import NotFound
from workbench.tracking.artifacts import image_format
from workbench.tracking.moments import milliseconds
from workbench.tracking.query import quoted
from workbench.tracking.store import Store
from workbench.tracking.trace import Trace, TraceRecord
from workbench.wire.usage import Usage

_PREVIEW = 1000
"""Characters of input and output in MLflow's list of traces."""
_BATCH = 100
"""Spans written in one transaction."""
_ATTACHMENT = "mlflow-attachment://"


class TraceStore:
    """Write and read traces, straight into the store: no tracer provider, no background export, no display."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def write(self, records: Sequence[TraceRecord], *, experiment_id: str, run_id: str | None = None) -> list[str]:
        """Write traces and return their ids. When this returns they are durable; writing one twice changes nothing."""
        backend, write = self._store.backend, self._store.write
        shown = iter(tqdm(records, desc="Writing traces", unit="trace", delay=2, leave=False))
        while batch := list(islice(shown, _BATCH)):
            spans: list[Span] = []
            for record in batch:
                info = _info(record, experiment_id=experiment_id, run_id=run_id)
                kept = write(lambda info=info: backend.start_trace(info))  # type: ignore[misc]
                place = self._place(kept) if record.images else None
                for number, image in enumerate(record.images):
                    name = _attachment_id(record, number)
                    write(lambda at=place, name=name, image=image: at.upload_attachment(name, image))  # type: ignore[misc]
                if record.prompt:
                    linked = [Registered(record.prompt[0], record.prompt[1], "")]
                    write(lambda i=record.trace_id, p=linked: backend.link_prompts_to_trace(i, p))  # type: ignore[misc]
                spans.append(_span(record))
            write(lambda some=spans: backend.log_spans(experiment_id, some))  # type: ignore[misc]
        return [record.trace_id for record in records]

    def trace(self, trace_id: str) -> Trace:
        """Return one trace; raises NotFound."""
        return _ours(self._store.read(lambda: self._store.client.get_trace(trace_id, display=False)))

    def of_run(self, run_id: str) -> list[Trace]:
        """Return the traces of a run, oldest first."""
        client = self._store.client
        experiment = self._store.read(lambda: client.get_run(run_id)).info.experiment_id
        found = self._store.pages(
            lambda token: client.search_traces(
                locations=[experiment], run_id=run_id, max_results=200, page_token=token, order_by=["timestamp_ms ASC"]
            )
        )
        return [_ours(each) for each in found]

    def of_request(self, request_id: str, experiment_ids: Sequence[str]) -> str | None:
        """Return the id of the trace of a gateway call, or None."""
        found: Iterable[Logged] = self._store.read(
            lambda: self._store.client.search_traces(
                locations=list(experiment_ids),
                filter_string=f"trace.client_request_id = {quoted(request_id)}",
                include_spans=False,
                max_results=1,
            )
        )
        return next((each.info.trace_id for each in found), None)

    def image(self, reference: str) -> bytes:
        """Return the bytes of an image of a trace, by its reference."""
        parts = Attachment.parse_ref(reference)
        if parts is None:
            raise NotFound(f"{reference!r} is no reference of an image.")
        info = self._store.read(lambda: self._store.backend.get_trace_info(parts["trace_id"]))
        place = self._place(info)
        content: bytes = self._store.read(lambda: place.download_trace_attachment(parts["attachment_id"]))
        return content

    def _place(self, info: TraceInfo) -> Any:
        """Return where the images of a trace lie; MLflow would otherwise ask the process's global server."""
        return get_artifact_repository(get_artifact_uri_for_trace(info), tracking_uri=self._store.uri)


def _media_type(image: bytes) -> str:
    return {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}[image_format(image)]


def _tokens(usage: Usage) -> dict[str, int]:
    counts = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
    }
    if usage.cached_input_tokens:
        counts["cache_read_input_tokens"] = usage.cached_input_tokens
    if usage.cache_write_tokens:
        counts["cache_creation_input_tokens"] = usage.cache_write_tokens
    return counts


def _outputs(record: TraceRecord) -> Any:
    if not record.images:
        return record.outputs
    return {"text": record.outputs, "images": [_reference(record, number) for number in range(len(record.images))]}


def _reference(record: TraceRecord, number: int) -> str:
    """Return the reference of an image as MLflow writes it, so that its pages show the picture."""
    image = record.images[number]
    query = {"content_type": _media_type(image), "trace_id": record.trace_id, "size": str(len(image))}
    return f"{_ATTACHMENT}{_attachment_id(record, number)}?{urlencode(query)}"


# Ids of what belongs to a trace are made of the trace's own, so that writing it again writes over it.


def _attachment_id(record: TraceRecord, number: int) -> str:
    return str(uuid5(NAMESPACE_OID, f"{record.trace_id}/image/{number}"))


def _assessment_id(record: TraceRecord, scorer: str) -> str:
    return f"a-{uuid5(NAMESPACE_OID, f'{record.trace_id}/score/{scorer}').hex}"


def _span_id(record: TraceRecord) -> int:
    return int(record.trace_id[-16:], 16) | 1


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _info(record: TraceRecord, *, experiment_id: str, run_id: str | None) -> TraceInfo:
    metadata = {"mlflow.trace_schema.version": "3"}
    source_run = {}
    if run_id:
        metadata[TraceMetadataKey.SOURCE_RUN] = run_id
        source_run = {AssessmentMetadataKey.SOURCE_RUN_ID: run_id}
    if record.usage:
        metadata[TraceMetadataKey.TOKEN_USAGE] = json.dumps(_tokens(record.usage))
    if record.cost_usd is not None:
        metadata[TraceMetadataKey.COST] = json.dumps(_cost(record.cost_usd))
    tags = {**record.tags, TraceTagKey.TRACE_NAME: record.name}
    if record.prompt:
        name, version = record.prompt
        tags[TraceTagKey.LINKED_PROMPTS] = json.dumps([{"name": name, "version": str(version)}])
    shown = _outputs(record) if record.error is None else record.error
    return TraceInfo(
        trace_id=record.trace_id,
        trace_location=TraceLocation.from_experiment_id(experiment_id),
        request_time=milliseconds(record.started_at),
        execution_duration=max(0, round((record.ended_at - record.started_at).total_seconds() * 1000)),
        state=TraceState.OK if record.status == "OK" else TraceState.ERROR,
        request_preview=_json(record.inputs)[:_PREVIEW],
        response_preview=(shown if isinstance(shown, str) else _json(shown))[:_PREVIEW],
        client_request_id=record.request_id,
        trace_metadata=metadata,
        tags=tags,
        assessments=[
            _score(record, scorer, score, source_run) for scorer, score in record.scores.items() if score is not None
        ],
    )


def _score(record: TraceRecord, scorer: str, score: float, source_run: dict[str, str]) -> Feedback:
    said = Feedback(name=scorer, value=score, source=AssessmentSource("CODE", scorer), metadata=source_run or None)
    said.assessment_id = _assessment_id(record, scorer)
    return said


def _cost(cost_usd: float) -> dict[str, float]:
    return {"total_cost": cost_usd}  # the gateway tells one figure, not its parts


def _span(record: TraceRecord) -> Span:
    attributes = {
        SpanAttributeKey.REQUEST_ID: record.trace_id,
        SpanAttributeKey.INPUTS: record.inputs,
        SpanAttributeKey.OUTPUTS: _outputs(record),
        SpanAttributeKey.SPAN_TYPE: record.kind,
    }
    if record.usage:
        attributes[SpanAttributeKey.CHAT_USAGE] = _tokens(record.usage)
    if record.cost_usd is not None:
        attributes[SpanAttributeKey.LLM_COST] = _cost(record.cost_usd)
    if record.model:
        attributes[SpanAttributeKey.MODEL] = record.model
    started = int(record.started_at.timestamp() * 1e9)
    ended = max(started, int(record.ended_at.timestamp() * 1e9))
    events = []
    if record.error is not None:
        events.append(Event("exception", {"exception.message": record.error}, timestamp=ended))
    status = Status(StatusCode.OK) if record.status == "OK" else Status(StatusCode.ERROR, record.error)
    return Span(
        ReadableSpan(
            name=record.name,
            context=build_otel_context(int(record.trace_id.removeprefix("tr-"), 16), _span_id(record)),
            start_time=started,
            end_time=ended,
            attributes={key: _json(value) for key, value in attributes.items()},
            status=status,
            events=events,
            resource=Resource.get_empty(),
        )
    )


def _ours(logged: Logged) -> Trace:
    info = logged.info
    root = next((span for span in logged.data.spans if span.parent_id is None), None)
    outputs, images = (root.outputs if root else None), ()
    if isinstance(outputs, dict) and _are_references(outputs.get("images")):
        images = tuple(outputs["images"])
        rest = {key: value for key, value in outputs.items() if key != "images"}
        outputs = rest["text"] if set(rest) == {"text"} else rest
    tokens = info.token_usage
    linked = json.loads(info.tags.get(TraceTagKey.LINKED_PROMPTS, "[]"))
    return Trace(
        trace_id=info.trace_id,
        name=info.tags.get(TraceTagKey.TRACE_NAME) or (root.name if root else ""),
        inputs=root.inputs if root else None,
        outputs=outputs,
        started_at=datetime.fromtimestamp(info.request_time / 1000, UTC),
        latency_ms=info.execution_duration,
        status=str(info.state.value),
        error=_error(root),
        usage=Usage(
            input_tokens=tokens.get("input_tokens", 0),
            output_tokens=tokens.get("output_tokens", 0),
            cached_input_tokens=tokens.get("cache_read_input_tokens", 0),
            cache_write_tokens=tokens.get("cache_creation_input_tokens", 0),
        )
        if tokens
        else None,
        cost_usd=(info.cost or {}).get("total_cost"),
        model=root.model_name if root else None,
        request_id=info.client_request_id,
        run_id=info.trace_metadata.get(TraceMetadataKey.SOURCE_RUN),
        prompt=(linked[0]["name"], int(linked[0]["version"])) if linked else None,
        tags={key: value for key, value in info.tags.items() if not key.startswith("mlflow.")},
        images=images,
    )


def _error(root: Span | None) -> str | None:
    if root is None or str(root.status.status_code.value) != "ERROR":
        return None
    return root.status.description or None


def _are_references(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(str(each).startswith(_ATTACHMENT) for each in value)
