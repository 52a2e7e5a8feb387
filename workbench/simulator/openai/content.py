"""OpenAI's messages, tools and formats, read into what a simulated model is asked."""

from __future__ import annotations

from typing import Any

from workbench.simulator.answer import Tool, Turn, Wish, note_of
from workbench.simulator.exchange import Exchange
from workbench.simulator.reply import Refused

_EFFORTS = {"none": 0, "minimal": 1, "low": 2, "medium": 4, "high": 8, "xhigh": 16}
_REASONING_MODELS = ("o1", "o3", "o4", "gpt-5")


def chat_wish(exchange: Exchange) -> Wish:
    """Return what a chat completion asks."""
    body = exchange.body
    if not isinstance(body["messages"], list):
        raise Refused(400, "messages must be an array.")
    stops = body.get("stop") or ()
    return Wish(
        turns=[turn_of(message) for message in body["messages"]],
        tools=tools_of(body),
        schema=schema_of(body.get("response_format")),
        limit=body.get("max_tokens") or body.get("max_completion_tokens"),
        stops=(stops,) if isinstance(stops, str) else tuple(stops),
        reasoning=reasoning_of(exchange.model, body.get("reasoning_effort")),
    )


def turn_of(message: Any) -> Turn:
    """Return one message."""
    if not isinstance(message, dict) or not isinstance(message.get("role"), str):
        raise Refused(400, "Each message must be an object with a role.")
    content = message.get("content")
    role = str({"developer": "system", "function": "tool"}.get(message["role"], message["role"]))
    if not isinstance(content, list):
        return Turn(role, str(content or ""))
    told = [_told(part) for part in content if isinstance(part, dict)]
    return Turn(role, " ".join(text for text, _ in told), sum(media for _, media in told))


def tools_of(body: dict[str, Any]) -> list[Tool]:
    """Return the tools that may be called: of chat completions, or of responses, which lack the inner object."""
    told = [tool for tool in body.get("tools") or () if tool.get("type", "function") == "function"]
    inner = [tool.get("function", tool) for tool in told] + list(body.get("functions") or ())
    tools = [Tool(tool["name"], tool.get("parameters") or {}) for tool in inner]
    choice = body.get("tool_choice")
    if choice == "none":
        return []
    if isinstance(choice, dict):
        name = choice.get("name") or (choice.get("function") or {}).get("name")
        tools = [tool for tool in tools if name in (None, tool.name)]
    return tools[:1] if body.get("parallel_tool_calls") is False else tools


def schema_of(wanted: Any) -> dict[str, Any] | None:
    """Return the schema of a response format; that of responses lacks the inner object."""
    if not isinstance(wanted, dict):
        return None
    if wanted.get("type") == "json_object":
        return {"type": "object", "properties": {"text": {"type": "string"}}}
    if wanted.get("type") != "json_schema":
        return None
    schema: dict[str, Any] = (wanted.get("json_schema") or wanted).get("schema") or {}
    return schema


def reasoning_of(model: str, effort: str | None) -> int:
    """Return how many tokens a model thinks."""
    if effort is None:
        return _EFFORTS["medium"] if model.startswith(_REASONING_MODELS) else 0
    return _EFFORTS.get(effort, 0)


def _told(part: dict[str, Any]) -> tuple[str, int]:
    """Return a part as text, and how many pictures and the like it is."""
    match part.get("type"):
        case "image_url" | "input_image":
            url = part.get("image_url") or f"[file {part.get('file_id')}]"
            return _data(url if isinstance(url, str) else str(url.get("url", ""))), 1
        case "input_audio":
            sound = part.get("input_audio") or {}
            return note_of(f"audio/{sound.get('format', 'wav')}", str(sound.get("data", ""))), 1
        case "file" | "input_file":
            file = part.get("file") or part
            return _data(str(file.get("file_data") or f"[file {file.get('file_id')}]")), 1
        case "refusal":
            return str(part.get("refusal", "")), 0
        case _:
            return str(part.get("text", "")), 0


def _data(url: str) -> str:
    if not url.startswith("data:"):
        return url
    head, _, data = url.removeprefix("data:").partition(",")
    return note_of(head.partition(";")[0], data)
