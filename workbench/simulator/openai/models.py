"""The models that an account may use, its fine-tuned ones included."""

from __future__ import annotations

from typing import Any

from workbench.simulator.exchange import Exchange
from workbench.simulator.openai.chat import known_model
from workbench.simulator.openai.fine_tuning import JOB
from workbench.simulator.reply import Refused, Reply, Whole
from workbench.simulator.state import NOW

_MODELS = ("gpt-4o-mini", "gpt-5-mini", "text-embedding-3-small", "gpt-image-1", "whisper-1", "tts-1")


def listed(exchange: Exchange) -> Reply:
    """Answer with the models."""
    made = [job["fine_tuned_model"] for job in exchange.account.all(JOB) if job["fine_tuned_model"]]
    return Whole(body={"object": "list", "data": [_model(name) for name in (*_MODELS, *made)]})


def retrieve(exchange: Exchange) -> Reply:
    """Answer with one model."""
    known_model(exchange)
    return Whole(body=_model(exchange.params["model"]))


def delete(exchange: Exchange) -> Reply:
    """Forget a fine-tuned model."""
    name = exchange.params["model"]
    job = next((job for job in exchange.account.all(JOB) if job["fine_tuned_model"] == name), None)
    if job is None:
        raise Refused(404, f"The model `{name}` does not exist or you may not delete it.", code="model_not_found")
    job["fine_tuned_model"] = None
    return Whole(body={"id": name, "object": "model", "deleted": True})


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": NOW, "owned_by": "simulated"}
