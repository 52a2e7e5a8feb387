"""Google's contents and function declarations, read into what a simulated model is asked.

Fields may be spelled in camel case or with underscores, as protocol buffers allow.
"""

from __future__ import annotations

from typing import Any

import msgspec

from workbench.simulator.answer import Tool, Turn, Wish, note_of
from workbench.simulator.reply import Refused

_THOUGHT_TOKENS = 6


def pick(thing: dict[str, Any], name: str, default: Any = None) -> Any:
    """Return a field by its camel-case name, or by the other spelling."""
    if name in thing:
        return thing[name]
    return thing.get("".join(f"_{c.lower()}" if c.isupper() else c for c in name), default)


def wish_of(body: dict[str, Any]) -> Wish:
    """Return what a request asks; raises Refused where it is none."""
    contents = contents_of(body)
    config = pick(body, "generationConfig") or {}
    system = pick(body, "systemInstruction")
    turns = ([turn_of(system, role="system")] if system else []) + [turn_of(content) for content in contents]
    thinking = pick(config, "thinkingConfig") or {}
    thinks = bool(
        pick(thinking, "thinkingBudget") or pick(thinking, "thinkingLevel") or pick(thinking, "includeThoughts")
    )
    return Wish(
        turns=turns,
        tools=_tools(body),
        schema=_schema(config),
        limit=pick(config, "maxOutputTokens"),
        stops=tuple(pick(config, "stopSequences") or ()),
        reasoning=_THOUGHT_TOKENS if thinks else 0,
    )


def contents_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the contents, which must be there."""
    contents = body.get("contents")
    contents = [contents] if isinstance(contents, dict) else contents
    if not isinstance(contents, list) or not contents or not all(isinstance(c, dict) for c in contents):
        raise Refused(400, "* GenerateContentRequest.contents: contents is not specified")
    return contents


def turn_of(content: Any, *, role: str | None = None) -> Turn:
    """Return one content; one that answers a function call is the tool's."""
    if isinstance(content, str):
        return Turn(role or "user", content)
    parts = content.get("parts") or []
    parts = [parts] if isinstance(parts, dict) else parts
    told = [_told(part) for part in parts if not pick(part, "thought")]
    answers = any(pick(part, "functionResponse") is not None for part in parts)
    role = "tool" if answers else role or {"model": "assistant"}.get(content.get("role", "user"), "user")
    return Turn(role, " ".join(text for text, _ in told if text), sum(media for _, media in told))


def _tools(body: dict[str, Any]) -> list[Tool]:
    config = pick(pick(body, "toolConfig") or {}, "functionCallingConfig") or {}
    if config.get("mode") == "NONE":
        return []
    allowed = pick(config, "allowedFunctionNames")
    return [
        Tool(told["name"], pick(told, "parametersJsonSchema") or told.get("parameters") or {})
        for tool in body.get("tools") or ()
        for told in pick(tool, "functionDeclarations") or ()
        if not allowed or told["name"] in allowed
    ]


def _schema(config: dict[str, Any]) -> dict[str, Any] | None:
    if pick(config, "responseMimeType") != "application/json":
        return None
    schema: dict[str, Any] | None = pick(config, "responseSchema") or pick(config, "responseJsonSchema")
    return schema or {"type": "object", "properties": {"text": {"type": "string"}}}


def _told(part: dict[str, Any]) -> tuple[str, int]:
    inline, file = pick(part, "inlineData"), pick(part, "fileData")
    answer = pick(part, "functionResponse")
    if inline:
        data = str(inline.get("data", "")).replace("-", "+").replace("_", "/")
        return note_of(str(pick(inline, "mimeType")), data), 1
    if file:
        return str(pick(file, "fileUri")), 1
    if answer:
        response = answer.get("response") or {}
        result = response.get("result", response.get("output"))
        return result if isinstance(result, str) else msgspec.json.encode(result or response).decode(), 0
    return str(part.get("text") or ""), 0
