"""OpenTelemetry traces: a span a call, a child for each time a provider was asked. The door to opentelemetry.

Spans are made when a call is over, and sent by a thread of the SDK: batched, bounded, let go rather than waited for.
Without an endpoint nothing of this is loaded.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections import OrderedDict
from dataclasses import dataclass, field
from time import time_ns
from typing import TYPE_CHECKING, Any

from workbench.errors import MissingComponent
from workbench.gateway.ledger.row import LedgerRow
from workbench.gateway.telemetry.spans import Value, of_call, of_provider, operation
from workbench.settings import resolve_credential

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider

    from workbench.gateway.parts import Parts
    from workbench.gateway.routing.models import Deployment

_log = logging.getLogger("workbench.gateway.telemetry")

_PARENT = re.compile(r"[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_MOST_ON_THEIR_WAY = 20_000
_LAST_SECONDS = 5.0


@dataclass(slots=True)
class _Try:
    """One time that a provider was asked."""

    deployment: Deployment
    began: int
    ended: int | None = None
    error: str | None = None


@dataclass(slots=True)
class _Trail:
    """What is known of a call before it is over."""

    parent: str | None = None
    tries: list[_Try] = field(default_factory=list)


class Traces:
    """Takes note of what calls do, and makes spans of it."""

    def __init__(self, gateway: Parts, provider: TracerProvider) -> None:
        self._gateway = gateway
        self._provider = provider
        self._tracer = provider.get_tracer("genai-workbench")
        self._trails: OrderedDict[str, _Trail] = OrderedDict()

    # -- on the way of a call ----------------------------------------------------------------------------------------

    def continues(self, request_id: str, parent: bytes) -> None:
        """Note the `traceparent` that a call came with."""
        self._trail(request_id).parent = parent.decode("latin-1")

    def asks(self, request_id: str, deployment: Deployment) -> None:
        """Note that a deployment is asked."""
        self._trail(request_id).tries.append(_Try(deployment, time_ns()))

    def failed(self, request_id: str, error: str) -> None:
        """Note that the deployment that was asked last failed."""
        tries = self._trail(request_id).tries
        if tries:
            tries[-1].ended, tries[-1].error = time_ns(), error

    def heard(self, row: LedgerRow) -> None:
        """Make the spans of a call that is over; a call that nobody traced before gets its trace's id here."""
        try:
            self._make(row, self._trails.pop(row.request_id, _Trail()))
        except Exception:  # noqa: BLE001 - a call is answered, whatever becomes of its trace
            _log.exception("call %s has no trace", row.request_id)

    def _trail(self, request_id: str) -> _Trail:
        trail = self._trails.get(request_id)
        if trail is None:
            trail = self._trails[request_id] = _Trail()
            if len(self._trails) > _MOST_ON_THEIR_WAY:
                self._trails.popitem(last=False)
        return trail

    # -- spans -------------------------------------------------------------------------------------------------------

    def _make(self, row: LedgerRow, trail: _Trail) -> None:
        from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context  # noqa: PLC0415

        ended = time_ns()
        name = operation(row.path)
        span = self._tracer.start_span(
            f"{name} {row.model}" if row.model else name,
            context=_context(trail.parent),
            kind=SpanKind.SERVER,
            attributes=of_call(row) | self._of_provider(row.provider),
            start_time=ended - int((row.latency_ms or 0.0) * 1e6),
        )
        if row.outcome in ("failed", "unknown"):
            span.set_status(Status(StatusCode.ERROR, row.error_code))
        row.trace_id = f"{span.get_span_context().trace_id:032x}"
        within = set_span_in_context(span)
        for one in trail.tries:
            deployment = one.deployment
            child = self._tracer.start_span(
                f"{name} {deployment.model}",
                context=within,
                kind=SpanKind.CLIENT,
                attributes={
                    "gen_ai.operation.name": name,
                    "gen_ai.request.model": deployment.model,
                    **self._of_provider(deployment.provider),
                },
                start_time=one.began,
            )
            error = one.error if one.ended is not None else row.error_code if row.outcome == "failed" else None
            if error is not None:
                child.set_attribute("error.type", error)
                child.set_status(Status(StatusCode.ERROR, error))
            child.end(one.ended or ended)
        span.end(ended)

    def _of_provider(self, name: str | None) -> dict[str, Value]:
        provider = self._gateway.providers.get(name) if name else None
        return {} if provider is None else of_provider(provider)

    async def close(self) -> None:
        """Send what waits, for a short while."""
        try:
            async with asyncio.timeout(_LAST_SECONDS):
                await asyncio.to_thread(self._provider.force_flush, int(1000 * _LAST_SECONDS))
        except TimeoutError:
            _log.warning("the last spans were not sent: the endpoint does not answer")


def open_traces(gateway: Parts) -> Traces | None:
    """Return the traces of a gateway, None where its configuration wants none.

    Raises MissingComponent without opentelemetry. Blocks: it loads the SDK.
    """
    settings = gateway.settings.telemetry.traces
    if settings.endpoint is None:
        return None
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio  # noqa: PLC0415
    except ImportError as error:
        raise MissingComponent(
            f"Traces need the package {error.name!r}.", hint="pip install 'genai-workbench[traces]'"
        ) from error
    headers = {}
    if settings.credential is not None:
        headers[settings.header] = resolve_credential(settings.credential, folder=gateway.settings.folder)
    resource = {"service.name": settings.service_name, "deployment.environment.name": gateway.stage}
    provider = TracerProvider(
        sampler=ParentBasedTraceIdRatio(settings.sample),
        resource=Resource(resource),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(
        BatchSpanProcessor(
            OTLPSpanExporter(endpoint=settings.endpoint, headers=headers, timeout=int(_LAST_SECONDS)),
            max_queue_size=settings.queue,
            schedule_delay_millis=1000 * settings.every,
            max_export_batch_size=min(512, settings.queue),
        )
    )
    return Traces(gateway, provider)


def _context(parent: str | None) -> Context | None:
    """Return the caller's span as a parent; None where there is none that can be read."""
    found = _PARENT.fullmatch(parent) if parent is not None else None
    if found is None:
        return None
    from opentelemetry.trace import (  # noqa: PLC0415
        NonRecordingSpan,
        SpanContext,
        TraceFlags,
        set_span_in_context,
    )

    context: Any = SpanContext(
        int(found[1], 16), int(found[2], 16), is_remote=True, trace_flags=TraceFlags(int(found[3], 16))
    )
    return set_span_in_context(NonRecordingSpan(context))
