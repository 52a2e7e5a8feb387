"""The Gemini API's paths, as rows."""

from __future__ import annotations

from typing import Any

from workbench.simulator.exchange import Exchange
from workbench.simulator.gemini import batches, embed, generate
from workbench.simulator.gemini.family import GEMINI
from workbench.simulator.gemini.live import Live
from workbench.simulator.gemini.predict import predict
from workbench.simulator.protocol import Path
from workbench.simulator.reply import Reply, Whole

_MODELS = ("gemini-2.5-flash", "gemini-embedding-001")


def models(_exchange: Exchange) -> Reply:
    """Answer with the models."""
    return Whole(body={"models": [_model(name) for name in _MODELS]})


def model(exchange: Exchange) -> Reply:
    """Answer with one model."""
    return Whole(body=_model(exchange.params["model"]))


def _model(name: str) -> dict[str, Any]:
    return {
        "name": f"models/{name}",
        "displayName": name,
        "version": "001",
        "inputTokenLimit": 1048576,
        "outputTokenLimit": 65536,
        "supportedGenerationMethods": ["generateContent", "countTokens", "embedContent"],
    }


def _rows(version: str) -> tuple[Path, ...]:
    of = f"/{version}/models/{{model}}"
    key = "x-goog-api-key" if version == "v1" else None  # OpenAI has such paths, too
    return (
        Path("POST", f"{of}:generateContent", GEMINI, generate.generate, ("contents",)),
        Path("POST", f"{of}:streamGenerateContent", GEMINI, generate.stream, ("contents",)),
        Path("POST", f"{of}:countTokens", GEMINI, generate.count_tokens),
        Path("POST", f"{of}:embedContent", GEMINI, embed.embed, ("content",)),
        Path("POST", f"{of}:batchEmbedContents", GEMINI, embed.embed_many, ("requests",)),
        Path("POST", f"{of}:predict", GEMINI, predict, ("instances",)),
        Path("POST", f"{of}:batchGenerateContent", GEMINI, batches.create, ("batch",)),
        Path("POST", f"{of}:asyncBatchEmbedContent", GEMINI, batches.create_embeddings, ("batch",)),
        Path("GET", f"/{version}/batches/{{id}}", GEMINI, batches.retrieve, header=key),
        Path("DELETE", f"/{version}/batches/{{id}}", GEMINI, batches.delete, header=key),
        Path("POST", f"/{version}/batches/{{id}}:cancel", GEMINI, batches.cancel),
        Path("GET", f"/{version}/batches", GEMINI, batches.listed, header=key),
        Path("GET", f"/download/{version}/files/{{id}}:download", GEMINI, batches.download),
    )


PATHS = (
    *_rows("v1beta"),
    *_rows("v1"),
    Path("GET", "/v1/models", GEMINI, models, header="x-goog-api-key"),
    Path("GET", "/v1/models/{model}", GEMINI, model, header="x-goog-api-key"),
    Path("GET", "/v1beta/models", GEMINI, models),
    Path("GET", "/v1beta/models/{model}", GEMINI, model),
    Path("WEBSOCKET", "/ws/google.ai.generativelanguage.{version}.GenerativeService.{method}", GEMINI, Live),
)
