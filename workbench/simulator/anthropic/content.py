"""Anthropic's messages and tools, read into what a simulated model is asked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from workbench.simulator.answer import Tool, Turn, Wish, note_of
from workbench.simulator.reply import Refused

_LEAST_THINKING = 1024
THINKING_TOKENS = 6
"""Tokens of a simulated thought."""


def wish_of(body: dict[str, Any]) -> Wish:
    """Return what a request asks; raises Refused where it is none."""
    if not isinstance(body.get("messages"), list):
        raise Refused(400, "messages: Field required")
    system = [turn_of({"role": "system", "content": body["system"]})] if body.get("system") else []
    thinking = (body.get("thinking") or {}).get("type") in ("enabled", "adaptive")
    if thinking and int(body["thinking"].get("budget_tokens") or _LEAST_THINKING) < _LEAST_THINKING:
        raise Refused(400, "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
    output = body.get("output_config") or {}
    return Wish(
        turns=system + [turn_of(message) for message in body["messages"]],
        tools=_tools(body),
        schema=(body.get("output_format") or output.get("format") or {}).get("schema"),
        limit=body.get("max_tokens"),
        stops=tuple(body.get("stop_sequences") or ()),
        reasoning=THINKING_TOKENS if thinking else 0,
    )


def turn_of(message: Any) -> Turn:
    """Return one message; one that holds a tool's result is the tool's."""
    if not isinstance(message, dict) or message.get("role") not in ("user", "assistant", "system"):
        raise Refused(400, 'messages: Input should be "user" or "assistant"')
    content = message.get("content")
    if not isinstance(content, list):
        return Turn(message["role"], str(content or ""))
    told = [piece for part in content if isinstance(part, dict) for piece in _told(part)]
    answers = any(part.get("type") == "tool_result" for part in content if isinstance(part, dict))
    return Turn("tool" if answers else message["role"], " ".join(text for text, _ in told), sum(n for _, n in told))


def cached_parts(body: dict[str, Any]) -> Iterator[tuple[Any, str]]:
    """Yield what stands before each `cache_control`, tools first, then system, then messages, and its text."""
    before: list[Any] = []
    text = ""
    system = body.get("system")
    blocks = list(body.get("tools") or ()) + (system if isinstance(system, list) else [])
    for message in body.get("messages") or ():
        content = message.get("content")
        blocks += content if isinstance(content, list) else [{"type": "text", "text": content}]
    for block in blocks:
        plain = {name: value for name, value in block.items() if name != "cache_control"}
        before.append(plain)
        text = f"{text} {' '.join(piece for piece, _ in _told(plain)) if 'type' in plain else plain}"
        if block.get("cache_control"):
            yield list(before), text


def _tools(body: dict[str, Any]) -> list[Tool]:
    tools = [Tool(tool["name"], tool["input_schema"]) for tool in body.get("tools") or () if "input_schema" in tool]
    choice = body.get("tool_choice") or {}
    if choice.get("type") == "none":
        return []
    if choice.get("type") == "tool":
        tools = [tool for tool in tools if tool.name == choice.get("name")]
    return tools[:1] if choice.get("disable_parallel_tool_use") else tools


def _told(part: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Yield a block as text, and how many pictures or documents it is."""
    match part.get("type"):
        case "image" | "document":
            source = part.get("source") or {}
            if source.get("type") == "base64":
                yield note_of(str(source.get("media_type")), str(source.get("data", ""))), 1
            else:
                yield str(source.get("url") or source.get("data") or source.get("file_id") or ""), 1
        case "tool_result":
            content = part.get("content")
            if isinstance(content, list):
                for inner in content:
                    yield from _told(inner)
            else:
                yield str(content or ""), 0
        case "text":
            yield str(part.get("text", "")), 0
        case _:
            return
