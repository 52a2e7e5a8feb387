"""Ollama's paths, as rows."""

from __future__ import annotations

from workbench.simulator.exchange import Exchange
from workbench.simulator.ollama.family import OLLAMA
from workbench.simulator.ollama.generate import chat, embed, generate
from workbench.simulator.protocol import Path
from workbench.simulator.reply import Reply, Whole

_NAME = "simulated:latest"


def models(_exchange: Exchange) -> Reply:
    """Answer with the models that are there."""
    told = {"name": _NAME, "model": _NAME, "modified_at": "2026-01-01T00:00:00Z", "size": 1, "digest": "0" * 64}
    return Whole(body={"models": [told]})


def model(_exchange: Exchange) -> Reply:
    """Answer with what a model is."""
    capabilities = ["completion", "tools"]
    return Whole(body={"details": {"family": "simulated"}, "model_info": {}, "capabilities": capabilities})


def version(_exchange: Exchange) -> Reply:
    """Answer with the server's version."""
    return Whole(body={"version": "0.0.0"})


PATHS = (
    Path("POST", "/api/chat", OLLAMA, chat, ("messages",)),
    Path("POST", "/api/generate", OLLAMA, generate, ("prompt",)),
    Path("POST", "/api/embed", OLLAMA, embed, ("input",)),
    Path("POST", "/api/show", OLLAMA, model),
    Path("GET", "/api/tags", OLLAMA, models),
    Path("GET", "/api/version", OLLAMA, version),
)
