"""Moderations: a text is flagged for each category whose name it holds."""

from __future__ import annotations

from typing import Any

from workbench.simulator.exchange import Exchange
from workbench.simulator.reply import Reply, Whole

_CATEGORIES = (
    "harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent", "self-harm",
    "self-harm/instructions", "self-harm/intent", "sexual", "sexual/minors", "violence", "violence/graphic",
)  # fmt: skip


def moderate(exchange: Exchange) -> Reply:
    """Answer with a result for each input; parts of one message are one input."""
    told = exchange.body["input"]
    if isinstance(told, list) and told and isinstance(told[0], dict):
        texts = [" ".join(str(part.get("text", "")) for part in told)]
    else:
        texts = [str(text) for text in (told if isinstance(told, list) else [told])]
    return Whole(body={"id": "modr-simulated", "model": exchange.model, "results": [_result(text) for text in texts]})


def _result(text: str) -> dict[str, Any]:
    found = {name: name in text.lower() for name in _CATEGORIES}
    return {
        "flagged": any(found.values()),
        "categories": found,
        "category_scores": {name: 0.99 if hit else 0.01 for name, hit in found.items()},
        "category_applied_input_types": {name: ["text"] for name in _CATEGORIES},
    }
