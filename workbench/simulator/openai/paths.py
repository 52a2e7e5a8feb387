"""OpenAI's paths, as rows; Azure's table is made of the same ones."""

from __future__ import annotations

from workbench.simulator.openai.chat import chat
from workbench.simulator.openai.completions import completions
from workbench.simulator.openai.embeddings import embeddings
from workbench.simulator.openai.family import OPENAI
from workbench.simulator.protocol import Path

PATHS = (
    Path("POST", "/v1/chat/completions", OPENAI, chat, ("messages",)),
    Path("POST", "/v1/completions", OPENAI, completions, ("prompt",)),
    Path("POST", "/v1/embeddings", OPENAI, embeddings, ("input",)),
)
