"""Cases of chat models."""

from __future__ import annotations

import json
from typing import Any

from workbench.client import Gateway
from workbench.errors import InvalidInput
from workbench.testing.conformance.case import Case, row_of
from workbench.testing.conformance.subject import Subject
from workbench.testing.conformance.verdict import Failed, Skipped, expect

_HELLO = "Say hello in one short sentence."
_FOREIGN = "Repeat exactly: wörld 😀 日本語 привет"
_LONG = "Count from 1 to 400 in words, one number a line, without stopping."
_WORD = "menu "
_TOOL: Any = {
    "type": "function",
    "function": {
        "name": "find_dish",
        "description": "Find a dish on the menu.",
        "parameters": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
    },
}
_SCHEMA: Any = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "country": {"type": "string"}},
    "required": ["city", "country"],
    "additionalProperties": False,
}
_BROKEN = "\ufffd"
_MOST_WORDS = 8000
_EMBEDDED_WORDS = 700  # the embedded model reads about 70 tokens a second


def plain(gateway: Gateway, subject: Subject) -> str:
    """Check that an answer comes whole, from the provider that was meant, and leaves a row."""
    answer = gateway.chat(_HELLO, model=subject.model, max_tokens=64)
    expect(bool(answer.text.strip()), f"the answer has no text (finish reason {answer.finish_reason!r})")
    row = row_of(gateway, answer.request_id)
    expect(row["outcome"] == "ok", f"the ledger says {row['outcome']!r}")
    expect(subject.provider in ("", row["provider"]), f"{row['provider']} answered")
    cost = "price unknown" if answer.cost_usd is None else f"${answer.cost_usd:.6f}"
    return f"{len(answer.text)} characters, {cost}"


def stream(gateway: Gateway, subject: Subject) -> str:
    """Check that a stream comes in pieces and ends with a reason."""
    with gateway.stream(_HELLO, model=subject.model, max_tokens=64) as pieces:
        count = sum(1 for _ in pieces)
    result = pieces.result
    expect(count > 0, "no piece has text")
    expect(row_of(gateway, result.request_id)["outcome"] == "ok", "the ledger does not call it ok")
    return f"{count} pieces, the first after {result.first_token_ms or 0:.0f} ms"


def usage(gateway: Gateway, subject: Subject) -> str:
    """Check that tokens are told, plain and streamed, and the ledger holds the same."""
    answer = gateway.chat(_HELLO, model=subject.model, max_tokens=16)
    with gateway.stream(_HELLO, model=subject.model, max_tokens=16) as pieces:
        for _ in pieces:
            pass
    told = []
    for how, one in (("plain", answer), ("streamed", pieces.result)):
        row = row_of(gateway, one.request_id)
        expect(one.usage.input_tokens > 0 and one.usage.output_tokens > 0, f"the {how} answer tells no usage")
        held = (row["input_tokens"], row["output_tokens"])
        told.append((one.usage.input_tokens, one.usage.output_tokens))
        expect(held == told[-1], f"the {how} answer tells {told[-1]}, the ledger {held}")
        expect(row["cost_source"] != "estimated", f"the tokens of the {how} answer are an estimate")
    return f"plain {told[0][0]}+{told[0][1]}, streamed {told[1][0]}+{told[1][1]} tokens"


def tools(gateway: Gateway, subject: Subject) -> str:
    """Check that a tool that must be called is called, by its name, with arguments that are JSON."""
    if subject.lacks("tools") or subject.kind == "local":
        raise Skipped("the model is known to call no tools")
    try:
        answer = gateway.chat(
            "Find the dish called ramen.", model=subject.model, tools=[_TOOL], tool_choice="required", max_tokens=200
        )
    except InvalidInput as error:
        raise Skipped(f"refused: {error.message}") from error
    calls = answer.raw.choices[0].message.tool_calls or []
    if not calls and subject.capabilities.get("tools") is None:
        raise Skipped("the model answered without a call, and nothing says that it can")
    expect(bool(calls), "the model called no tool")
    called = calls[0].function
    expect(called.name == "find_dish", f"it called {called.name!r}")
    try:
        arguments = json.loads(called.arguments)
    except ValueError as error:
        raise Failed(f"its arguments are no JSON: {called.arguments[:80]!r}") from error
    expect(isinstance(arguments, dict), "its arguments are no object")
    return f"find_dish({called.arguments})"


def json_schema(gateway: Gateway, subject: Subject) -> str:
    """Check that an answer by JSON schema is JSON of that schema."""
    if subject.lacks("json_schema"):
        raise Skipped("the model is known not to answer by JSON schema")
    wanted: Any = {"type": "json_schema", "json_schema": {"name": "place", "strict": True, "schema": _SCHEMA}}
    try:
        answer = gateway.chat(
            "Where is the Eiffel tower?", model=subject.model, response_format=wanted, max_tokens=100, temperature=0
        )
    except InvalidInput as error:
        raise Skipped(f"refused: {error.message}") from error
    try:
        found = json.loads(answer.text)
    except ValueError as error:
        if subject.capabilities.get("json_schema") is None:
            raise Skipped("the answer is no JSON, and nothing says that the model can") from error
        raise Failed(f"the answer is no JSON: {answer.text[:80]!r}") from error
    fits = isinstance(found, dict) and set(found) == {"city", "country"}
    expect(fits and all(isinstance(value, str) for value in found.values()), f"not of the schema: {answer.text[:80]!r}")
    return answer.text[:60]


def foreign_letters(gateway: Gateway, subject: Subject) -> str:
    """Check that letters of all scripts pass, whole and in pieces, and none is broken."""
    answer = gateway.chat(_FOREIGN, model=subject.model, max_tokens=60)
    with gateway.stream(_FOREIGN, model=subject.model, max_tokens=60) as pieces:
        streamed = "".join(pieces)
    whole = answer.finish_reason == pieces.result.finish_reason == "stop"  # a cut answer may end within a letter
    expect(not whole or _BROKEN not in answer.text + streamed, "a letter of the answer is broken")
    return answer.text[:60]


def large_prompt(gateway: Gateway, subject: Subject) -> str:
    """Check that a prompt that fills much of the context passes, and its tokens are counted."""
    words = min((subject.context_tokens or 4000) // 3, _MOST_WORDS)
    words = min(words, _EMBEDDED_WORDS) if subject.kind == "local" else words
    answer = gateway.chat(_WORD * words + "\n\nSay only: yes.", model=subject.model, max_tokens=8)
    expect(answer.usage.input_tokens >= words // 2, f"{words} words were counted as {answer.usage.input_tokens} tokens")
    return f"{answer.usage.input_tokens} tokens"


def cancel(gateway: Gateway, subject: Subject) -> str:
    """Check that a client that leaves in mid-stream is noticed, and what was produced is written down."""
    pieces = gateway.stream(_LONG, model=subject.model, max_tokens=1000)
    next(iter(pieces), None)
    pieces.close()
    row = row_of(gateway, pieces.request_id)
    if row["outcome"] == "ok":
        raise Skipped("the answer was over before the client left")
    expect(row["outcome"] == "client_left", f"the ledger says {row['outcome']!r}")
    expect(row["output_tokens"] > 0, "no token was written down")
    return f"{row['output_tokens']} tokens written down"


def wrong_type(gateway: Gateway, subject: Subject) -> str:
    """Check that a parameter of a wrong type is a 400 that says so."""
    try:
        gateway.chat(_HELLO, model=subject.model, max_tokens="many")
    except InvalidInput as error:
        expect("max_tokens" in str(error) or error.param == "max_tokens", f"the error does not name it: {error}")
        return str(error)[:80]
    raise Failed("max_tokens='many' was answered as if it were right")


CHAT = (
    Case("plain", "chat", plain),
    Case("stream", "chat", stream),
    Case("usage", "chat", usage, calls=2),
    Case("tools", "chat", tools),
    Case("json schema", "chat", json_schema),
    Case("letters", "chat", foreign_letters, calls=2),
    Case("large prompt", "chat", large_prompt),
    Case("cancel", "chat", cancel),
    Case("wrong type", "chat", wrong_type),
)
