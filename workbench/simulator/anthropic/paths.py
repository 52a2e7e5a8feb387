"""Anthropic's paths, as rows."""

from __future__ import annotations

from workbench.simulator.anthropic import batches
from workbench.simulator.anthropic.family import ANTHROPIC
from workbench.simulator.anthropic.messages import count_tokens, messages
from workbench.simulator.exchange import Exchange
from workbench.simulator.protocol import Path
from workbench.simulator.reply import Reply, Whole

_MODELS = ("claude-sonnet-4-5", "claude-haiku-4-5")


def models(_exchange: Exchange) -> Reply:
    """Answer with the models."""
    data = [_model(name) for name in _MODELS]
    return Whole(body={"data": data, "has_more": False, "first_id": _MODELS[0], "last_id": _MODELS[-1]})


def model(exchange: Exchange) -> Reply:
    """Answer with one model."""
    return Whole(body=_model(exchange.params["model"]))


def _model(name: str) -> dict[str, str]:
    return {"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"}


_BATCHES = "/v1/messages/batches"

PATHS = (
    Path("POST", "/v1/messages", ANTHROPIC, messages, ("messages",)),
    Path("POST", "/v1/messages/count_tokens", ANTHROPIC, count_tokens, ("messages",)),
    Path("GET", "/v1/models", ANTHROPIC, models, header="anthropic-version"),
    Path("GET", "/v1/models/{model}", ANTHROPIC, model, header="anthropic-version"),
    Path("POST", _BATCHES, ANTHROPIC, batches.create),
    Path("GET", _BATCHES, ANTHROPIC, batches.listed),
    Path("GET", f"{_BATCHES}/{{id}}", ANTHROPIC, batches.retrieve),
    Path("POST", f"{_BATCHES}/{{id}}/cancel", ANTHROPIC, batches.cancel),
    Path("GET", f"{_BATCHES}/{{id}}/results", ANTHROPIC, batches.results),
)
