"""Vertex's paths, as rows, for both of its versions."""

from __future__ import annotations

from collections.abc import Iterator

from workbench.simulator.gemini import embed, generate
from workbench.simulator.gemini.live import Live
from workbench.simulator.gemini.predict import predict
from workbench.simulator.protocol import Path
from workbench.simulator.vertex import jobs
from workbench.simulator.vertex.claude import raw_predict, stream_raw_predict
from workbench.simulator.vertex.family import VERTEX


def _rows(version: str) -> Iterator[Path]:
    place = f"/{version}/projects/{{project}}/locations/{{location}}"
    of = f"{place}/publishers"
    google, claude = f"{of}/google/models/{{model}}", f"{of}/anthropic/models/{{model}}"
    yield Path("POST", f"{google}:generateContent", VERTEX, generate.generate, ("contents",))
    yield Path("POST", f"{google}:streamGenerateContent", VERTEX, generate.stream, ("contents",))
    yield Path("POST", f"{google}:countTokens", VERTEX, generate.count_tokens, ("contents",))
    yield Path("POST", f"{google}:embedContent", VERTEX, embed.embed, ("content",))
    yield Path("POST", f"{google}:predict", VERTEX, predict, ("instances",))
    yield Path("POST", f"{claude}:rawPredict", VERTEX, raw_predict, ("messages",))
    yield Path("POST", f"{claude}:streamRawPredict", VERTEX, stream_raw_predict, ("messages",))
    yield Path("POST", f"{place}/batchPredictionJobs", VERTEX, jobs.create_batch, ("displayName", "model"))
    yield Path("GET", f"{place}/batchPredictionJobs/{{id}}", VERTEX, jobs.retrieve)
    yield Path("POST", f"{place}/tuningJobs", VERTEX, jobs.create_tuning)
    yield Path("GET", f"{place}/tuningJobs/{{id}}", VERTEX, jobs.retrieve)


PATHS = (
    *_rows("v1"),
    *_rows("v1beta1"),
    Path("WEBSOCKET", "/ws/google.cloud.aiplatform.{version}.LlmBidiService/{method}", VERTEX, Live),
)
