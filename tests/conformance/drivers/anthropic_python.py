"""anthropic, as it documents itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import anthropic
from driver import HELLO, LARGE, LETTERS, PNG_BASE64, SLOW, TOOL_NAMES, TOOL_SCHEMA, Cases, Target, raised, serve

TOOLS: Any = [{"name": name, "input_schema": TOOL_SCHEMA} for name in TOOL_NAMES]
_OPTIONS: Any = {"max_retries": 0, "timeout": 30.0}


def client(target: Target, *, key: str | None = None) -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=target.base_url, api_key=key or target.key, **_OPTIONS)


def asked(target: Target, content: Any = HELLO, **more: Any) -> Any:
    return {"model": target.model, "max_tokens": 1000, "messages": [{"role": "user", "content": content}], **more}


def seen(message: Any) -> Any:
    return {
        "text": "".join(block.text for block in message.content if block.type == "text"),
        "finish": message.stop_reason,
        "tokens": [message.usage.input_tokens, message.usage.output_tokens],
    }


def calls(message: Any) -> Any:
    found = [[block.name, block.input] for block in message.content if block.type == "tool_use"]
    return {"calls": found, "finish": message.stop_reason}


def plain(target: Target) -> Any:
    with client(target) as sdk:
        return seen(sdk.messages.create(**asked(target)))


def streamed(target: Target) -> Any:
    with client(target) as sdk, sdk.messages.stream(**asked(target)) as stream:
        events = [event.type for event in stream]
        return {**seen(stream.get_final_message()), "order": events, "pieces": events.count("text")}


def streamed_async(target: Target) -> Any:
    async def ask() -> Any:
        sdk = anthropic.AsyncAnthropic(base_url=target.base_url, api_key=target.key, **_OPTIONS)
        async with sdk, sdk.messages.stream(**asked(target)) as stream:
            events = [event.type async for event in stream]
            return {**seen(await stream.get_final_message()), "order": events, "pieces": events.count("text")}

    return asyncio.run(ask())


def tools(target: Target) -> Any:
    with client(target) as sdk:
        return calls(sdk.messages.create(**asked(target, tools=TOOLS)))


def tools_streamed(target: Target) -> Any:
    with client(target) as sdk, sdk.messages.stream(**asked(target, tools=TOOLS)) as stream:
        return calls(stream.get_final_message())


def tool_result(target: Target) -> Any:
    turns = [
        {"role": "user", "content": HELLO},
        {"role": "assistant", "content": [
            {"type": "tool_use", "id": "toolu_1", "name": "find_dish", "input": {"name": "ramen"}}]},
        {"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": "ramen is 9 EUR"}]},
    ]  # fmt: skip
    with client(target) as sdk:
        return {"text": seen(sdk.messages.create(**{**asked(target, tools=TOOLS), "messages": turns}))["text"]}


def letters(target: Target) -> Any:
    with client(target) as sdk:
        return {"text": seen(sdk.messages.create(**asked(target, LETTERS)))["text"]}


def large(target: Target) -> Any:
    with client(target) as sdk:
        message = sdk.messages.create(**asked(target, "short", system=LARGE))
    return {"text": seen(message)["text"], "read": message.usage.input_tokens}


def image_in(target: Target) -> Any:
    source = {"type": "base64", "media_type": "image/png", "data": PNG_BASE64}
    parts = [{"type": "text", "text": "look"}, {"type": "image", "source": source}]
    with client(target) as sdk:
        return {"text": seen(sdk.messages.create(**asked(target, parts)))["text"]}


def cancel(target: Target) -> Any:
    with client(target) as sdk, sdk.messages.stream(**asked(target, SLOW)) as stream:
        return {"pieces": sum(1 for _ in zip(stream.text_stream, range(3), strict=False))}


def _refused(key: str | None = None, **more: Any) -> Callable[[Target], Any]:
    def case(target: Target) -> Any:
        with client(target, key=key) as sdk:
            try:
                sdk.messages.create(**asked(target, **more))
            except anthropic.APIStatusError as error:
                return raised(error, error.status_code)
        return "no error"

    return case


def error_in_stream(target: Target) -> Any:
    got = 0
    with client(target) as sdk:
        try:
            with sdk.messages.stream(**asked(target)) as stream:
                for _ in stream.text_stream:
                    got += 1
        except anthropic.APIError as error:
            return {**raised(error, None), "after": got}
    return "no error"


def counted(target: Target) -> Any:
    with client(target) as sdk:
        found = sdk.messages.count_tokens(model=target.model, messages=[{"role": "user", "content": HELLO}])
    return {"read": found.input_tokens}


def thinking(target: Target) -> Any:
    with client(target) as sdk:
        message = sdk.messages.create(**{**asked(target), "max_tokens": 3000},
                                      thinking={"type": "enabled", "budget_tokens": 1024})  # fmt: skip
    return {"kinds": [block.type for block in message.content], "text": seen(message)["text"]}


CASES: Cases = {
    "plain": plain,
    "streamed": streamed,
    "streamed_async": streamed_async,
    "tools": tools,
    "tools_streamed": tools_streamed,
    "tool_result": tool_result,
    "letters": letters,
    "large": large,
    "image_in": image_in,
    "cancel": cancel,
    "bad_key": _refused(key="wrong-key"),
    "unknown_model": _refused(model="no-such-model"),
    "rate_limit": _refused(),
    "provider_down": _refused(),
    "too_long": _refused(),
    "error_in_stream": error_in_stream,
    "counted": counted,
    "thinking": thinking,
}

if __name__ == "__main__":
    serve(CASES)
