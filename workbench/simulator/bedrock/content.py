"""Converse's messages and tools, read into what a simulated model is asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from workbench.simulator.answer import Tool, Turn, Wish, note_of
from workbench.simulator.reply import Refused

_THINKING_TOKENS = 6


def wish_of(body: dict[str, Any]) -> Wish:
    """Return what a converse asks; raises Refused where it is none."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refused(400, "messages must not be empty.")
    config = body.get("inferenceConfig") or {}
    system = [turn_of({"role": "system", "content": body["system"]})] if body.get("system") else []
    more = body.get("additionalModelRequestFields") or {}
    return Wish(
        turns=system + [turn_of(message) for message in messages],
        tools=_tools(body),
        limit=config.get("maxTokens"),
        stops=tuple(config.get("stopSequences") or ()),
        reasoning=_THINKING_TOKENS if "thinking" in more or "reasoning_config" in more else 0,
    )


def turn_of(message: dict[str, Any]) -> Turn:
    """Return one message; one that holds a tool's result is the tool's."""
    content = message.get("content")
    if not isinstance(content, list) or not all(isinstance(block, dict) for block in content):
        raise Refused(400, "content must be a list of blocks.")
    told = [piece for block in content for piece in _told(block)]
    role = "tool" if any("toolResult" in block for block in content) else str(message.get("role"))
    return Turn(role, " ".join(text for text, _ in told), sum(media for _, media in told))


def _tools(body: dict[str, Any]) -> list[Tool]:
    config = body.get("toolConfig") or {}
    specs = [tool["toolSpec"] for tool in config.get("tools") or () if "toolSpec" in tool]
    tools = [Tool(spec["name"], (spec.get("inputSchema") or {}).get("json") or {}) for spec in specs]
    choice = (config.get("toolChoice") or {}).get("tool")
    return [tool for tool in tools if tool.name == choice["name"]] if choice else tools


def _told(block: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Yield a block as text, and how many pictures or documents it is."""
    if "text" in block:
        yield str(block["text"]), 0
    for kind, media in (("image", "image"), ("document", "application"), ("video", "video")):
        if kind in block:
            yield note_of(f"{media}/{block[kind].get('format')}", str(block[kind]["source"].get("bytes", ""))), 1
    if "toolResult" in block:
        for inner in block["toolResult"].get("content") or ():
            if "json" in inner:
                yield msgspec.json.encode(inner["json"]).decode(), 0
            else:
                yield from _told(inner)
