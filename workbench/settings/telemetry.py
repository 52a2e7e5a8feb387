"""`[telemetry]`: where the gateway's traces go; metrics are scraped at /metrics."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from workbench.settings.credential import Credential
from workbench.settings.table import Table
from workbench.settings.values import http_url


class TraceSettings(Table):
    """OpenTelemetry traces, sent by OTLP over HTTP in the background."""

    endpoint: Annotated[str, AfterValidator(http_url)] | None = Field(
        None, description="where spans are POSTed, such as http://127.0.0.1:4318/v1/traces; default: there are none"
    )
    header: str = Field("authorization", pattern="^[a-z0-9-]+$", description="header that the credential goes in")
    credential: Credential | None = Field(None, description="reference to the whole value of that header")
    sample: float = Field(
        1.0, ge=0, le=1, description="share of traces that begin here and are sent; a caller's own choice counts first"
    )
    service_name: str = Field("genai-workbench", min_length=1, description="service.name of the spans")
    queue: int = Field(2048, ge=1, description="spans that wait at most; what comes on top is let go")
    every: float = Field(5, gt=0, description="seconds between two batches")


class TelemetrySettings(Table):
    """What the gateway tells to machines that watch it."""

    traces: TraceSettings = Field(TraceSettings(), description="OpenTelemetry traces")
