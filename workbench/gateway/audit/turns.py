"""What was said in a call: its messages and the answer's text, out of bodies in any of the protocols that chat."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from workbench.wire.sse import Splitter

Message = dict[str, Any]
_NO_PARAMETERS = frozenset({
    "model", "messages", "input", "prompt", "instructions", "system", "contents", "systemInstruction",
    "system_instruction", "stream", "stream_options", "user", "metadata",
})  # fmt: skip


def said(path: str, request: bytes, response: bytes) -> tuple[list[Message], str, dict[str, Any]] | None:
    """Return a call's messages, the answer's text, and the other fields of the request.

    None where the path does not chat, or the bodies can't be read.
    """
    shape = next((shape for end, shape in _SHAPES if path.endswith(end)), None)
    if shape is None:
        return None
    asked, answered = shape
    try:
        body = json.loads(request)
        messages = asked(body)
        text = "".join(answered(_events(response)))
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        return None
    if not messages or not text:
        return None
    return messages, text, {name: value for name, value in body.items() if name not in _NO_PARAMETERS}


def last_question(messages: list[Message]) -> str:
    """Return the text of the last message of the user."""
    of_user = [message for message in messages if message.get("role") == "user"]
    return _text(of_user[-1].get("content")) if of_user else ""


def _events(response: bytes) -> list[dict[str, Any]]:
    """Return the JSON of a stream's events, or that of a plain answer."""
    if response.lstrip()[:1] in (b"{", b"["):
        whole = json.loads(response)
        return whole if isinstance(whole, list) else [whole]
    return [json.loads(event.data) for event in Splitter().feed(response) if event.data.startswith(b"{")]


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(part.get("text") or "" for part in parts if isinstance(part, dict))


# -- OpenAI ------------------------------------------------------------------------------------------------------------


def _chat_asked(body: dict[str, Any]) -> list[Message]:
    return list(body["messages"])


def _chat_answered(events: list[dict[str, Any]]) -> Iterator[str]:
    calls: list[Any] = []
    for event in events:
        for choice in event.get("choices") or []:
            if choice.get("index", 0) == 0:
                told = choice.get("message") or choice.get("delta") or {}
                yield _text(told.get("content"))
                calls += told.get("tool_calls") or [] if "message" in choice else []
    if calls:
        yield json.dumps([call["function"] for call in calls], ensure_ascii=False)


def _completion_asked(body: dict[str, Any]) -> list[Message]:
    prompt = body["prompt"]
    return [{"role": "user", "content": prompt if isinstance(prompt, str) else prompt[0]}]


def _completion_answered(events: list[dict[str, Any]]) -> Iterator[str]:
    for event in events:
        for choice in event.get("choices") or []:
            if choice.get("index", 0) == 0:
                yield choice.get("text") or ""


def _response_asked(body: dict[str, Any]) -> list[Message]:
    asked = body["input"]
    system = [{"role": "system", "content": body["instructions"]}] if body.get("instructions") else []
    if isinstance(asked, str):
        return [*system, {"role": "user", "content": asked}]
    return [*system, *({"role": m["role"], "content": _text(m["content"])} for m in asked if "role" in m)]


def _response_answered(events: list[dict[str, Any]]) -> Iterator[str]:
    done = [e for e in events if e.get("type", "response.completed") == "response.completed"]
    whole: dict[str, Any] = done[0].get("response", done[0]) if done else {}
    for item in whole.get("output") or []:
        yield _text(item.get("content"))


# -- others ------------------------------------------------------------------------------------------------------------


def _anthropic_asked(body: dict[str, Any]) -> list[Message]:
    system = _text(body.get("system"))
    return [*([{"role": "system", "content": system}] if system else []), *body["messages"]]


def _anthropic_answered(events: list[dict[str, Any]]) -> Iterator[str]:
    for event in events:
        if event.get("type") == "content_block_delta":
            yield event["delta"].get("text") or ""
        elif event.get("type") == "message":
            yield _text(event.get("content"))


def _gemini_asked(body: dict[str, Any]) -> list[Message]:
    system = body.get("systemInstruction") or body.get("system_instruction") or {}
    told = _text(system.get("parts"))
    messages = [
        {"role": "assistant" if turn.get("role") == "model" else "user", "content": _text(turn.get("parts"))}
        for turn in body["contents"]
    ]
    return [*([{"role": "system", "content": told}] if told else []), *messages]


def _gemini_answered(events: list[dict[str, Any]]) -> Iterator[str]:
    for event in events:
        for candidate in (event.get("candidates") or [])[:1]:
            yield _text((candidate.get("content") or {}).get("parts"))


def _converse_asked(body: dict[str, Any]) -> list[Message]:
    system = _text(body.get("system"))
    messages = [{"role": turn["role"], "content": _text(turn["content"])} for turn in body["messages"]]
    return [*([{"role": "system", "content": system}] if system else []), *messages]


def _converse_answered(events: list[dict[str, Any]]) -> Iterator[str]:
    for event in events:
        yield _text(event["output"]["message"]["content"])


_SHAPES: tuple[
    tuple[str, tuple[Callable[[dict[str, Any]], list[Message]], Callable[[list[dict[str, Any]]], Iterator[str]]]], ...
] = (
    ("/chat/completions", (_chat_asked, _chat_answered)),
    ("/completions", (_completion_asked, _completion_answered)),
    ("/responses", (_response_asked, _response_answered)),
    ("/messages", (_anthropic_asked, _anthropic_answered)),
    (":generateContent", (_gemini_asked, _gemini_answered)),
    (":streamGenerateContent", (_gemini_asked, _gemini_answered)),
    ("/converse", (_converse_asked, _converse_answered)),
)
"""How a path ends, what its request asks and what its answer says."""
