"""OpenAI's paths, as rows; Azure's table is made of the same ones."""

from __future__ import annotations

from dataclasses import replace

from workbench.simulator.openai import (
    audio,
    batches,
    chat,
    completions,
    embeddings,
    files,
    fine_tuning,
    images,
    models,
    moderations,
    realtime,
    rerank,
    responses,
    vector_stores,
)
from workbench.simulator.openai.family import OPENAI
from workbench.simulator.protocol import Path

_JOBS = "/v1/fine_tuning/jobs"
_STORES = "/v1/vector_stores"

PATHS = (
    Path("POST", "/v1/chat/completions", OPENAI, chat.chat, ("messages",)),
    Path("POST", "/v1/completions", OPENAI, completions.completions, ("prompt",)),
    Path("POST", "/v1/embeddings", OPENAI, embeddings.embeddings, ("input",)),
    Path("POST", "/v1/responses", OPENAI, responses.create, ("input",)),
    Path("POST", "/v1/responses/input_tokens", OPENAI, responses.count_tokens, ("input",)),
    Path("GET", "/v1/responses/{id}", OPENAI, responses.retrieve),
    Path("DELETE", "/v1/responses/{id}", OPENAI, responses.delete),
    Path("POST", "/v1/responses/{id}/cancel", OPENAI, responses.cancel),
    Path("GET", "/v1/responses/{id}/input_items", OPENAI, responses.asked_items),
    Path("POST", "/v1/images/generations", OPENAI, images.generate, ("prompt",)),
    Path("POST", "/v1/images/edits", OPENAI, images.edit),
    Path("POST", "/v1/images/variations", OPENAI, images.vary),
    Path("POST", "/v1/audio/transcriptions", OPENAI, audio.transcribe),
    Path("POST", "/v1/audio/translations", OPENAI, audio.translate),
    Path("POST", "/v1/audio/speech", OPENAI, audio.speak, ("input", "voice")),
    Path("POST", "/v1/moderations", OPENAI, moderations.moderate, ("input",)),
    Path("POST", "/v1/rerank", OPENAI, rerank.rerank, ("query", "documents")),
    Path("POST", "/v1/files", OPENAI, files.create),
    Path("GET", "/v1/files", OPENAI, files.listed),
    Path("GET", "/v1/files/{id}", OPENAI, files.retrieve),
    Path("GET", "/v1/files/{id}/content", OPENAI, files.content),
    Path("DELETE", "/v1/files/{id}", OPENAI, files.delete),
    Path("POST", "/v1/batches", OPENAI, batches.create),
    Path("GET", "/v1/batches", OPENAI, batches.listed),
    Path("GET", "/v1/batches/{id}", OPENAI, batches.retrieve),
    Path("POST", "/v1/batches/{id}/cancel", OPENAI, batches.cancel),
    Path("POST", _JOBS, OPENAI, fine_tuning.create, ("training_file",)),
    Path("GET", _JOBS, OPENAI, fine_tuning.listed),
    Path("GET", f"{_JOBS}/{{id}}", OPENAI, fine_tuning.retrieve),
    Path("POST", f"{_JOBS}/{{id}}/cancel", OPENAI, fine_tuning.cancel),
    Path("GET", f"{_JOBS}/{{id}}/events", OPENAI, fine_tuning.events),
    Path("GET", f"{_JOBS}/{{id}}/checkpoints", OPENAI, fine_tuning.checkpoints),
    Path("POST", _STORES, OPENAI, vector_stores.create),
    Path("GET", _STORES, OPENAI, vector_stores.listed),
    Path("GET", f"{_STORES}/{{id}}", OPENAI, vector_stores.retrieve),
    Path("DELETE", f"{_STORES}/{{id}}", OPENAI, vector_stores.delete),
    Path("POST", f"{_STORES}/{{id}}/files", OPENAI, vector_stores.add_file),
    Path("POST", f"{_STORES}/{{id}}/search", OPENAI, vector_stores.search),
    Path("WEBSOCKET", "/v1/realtime", OPENAI, realtime.Realtime),
    Path("GET", "/v1/models", OPENAI, models.listed),
    Path("GET", "/v1/models/{model*}", OPENAI, models.retrieve),
    Path("DELETE", "/v1/models/{model*}", OPENAI, models.delete),
)

OTHERS = (
    Path("POST", "/v2/rerank", OPENAI, rerank.rerank, ("query", "documents")),
    Path("POST", "/rerank", OPENAI, rerank.rerank, ("query", "documents")),
    Path("GET", "/simulated-images/{name}", replace(OPENAI, admit=lambda _exchange: None), images.stored),
)
"""Rows that Azure has not: Cohere's and Jina's own paths, and the images that were given by URL."""
