"""LlamaIndex: OpenAILike, its class for servers that speak OpenAI's protocol."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
from driver import HELLO, LARGE, LETTERS, PNG, SLOW, TOOL_NAMES, Cases, Target, raised, serve
from llama_index.core.llms import ChatMessage, ImageBlock, TextBlock
from llama_index.core.tools import FunctionTool
from llama_index.llms.openai_like import OpenAILike


def llm(target: Target, *, key: str | None = None, model: str | None = None, **more: Any) -> OpenAILike:
    return OpenAILike(
        model=model or target.model,
        api_base=target.base_url,
        api_key=key or target.key,
        is_chat_model=True,
        is_function_calling_model=True,
        context_window=300_000,
        max_retries=0,
        timeout=30,
        **more,
    )


def user(text: str) -> list[ChatMessage]:
    return [ChatMessage(role="user", content=text)]


def plain(target: Target) -> Any:
    answer = llm(target).chat(user(HELLO))
    usage = answer.raw.usage  # type: ignore[union-attr]
    return {"text": answer.message.content, "tokens": [usage.prompt_tokens, usage.completion_tokens]}


def streamed(target: Target) -> Any:
    pieces = [chunk.delta or "" for chunk in llm(target).stream_chat(user(HELLO))]
    return {"text": "".join(pieces), "pieces": sum(bool(piece) for piece in pieces)}


def _tools() -> list[Any]:
    def call(name: str) -> str:
        """Do something with a dish."""
        return name

    return [FunctionTool.from_defaults(call, name=name) for name in TOOL_NAMES]


def tools(target: Target) -> Any:
    sdk = llm(target)
    answer = sdk.chat_with_tools(_tools(), user_msg=HELLO, allow_parallel_tool_calls=True)
    found = sdk.get_tool_calls_from_response(answer)
    return {"calls": [[call.tool_name, call.tool_kwargs] for call in found]}


def letters(target: Target) -> Any:
    return {"text": llm(target).chat(user(LETTERS)).message.content}


def large(target: Target) -> Any:
    answer = llm(target).chat([ChatMessage(role="system", content=LARGE), *user("short")])
    return {"text": answer.message.content, "read": answer.raw.usage.prompt_tokens}  # type: ignore[union-attr]


def image_in(target: Target) -> Any:
    blocks = [TextBlock(text="look"), ImageBlock(image=PNG, image_mimetype="image/png")]
    return {"text": llm(target).chat([ChatMessage(role="user", blocks=blocks)]).message.content}


def cancel(target: Target) -> Any:
    with httpx.Client(timeout=30) as http:  # closing its generator closes no connection, closing the client does
        stream = llm(target, http_client=http).stream_chat(user(SLOW))
        return {"pieces": sum(1 for _ in zip(stream, range(3), strict=False))}


def _refused(key: str | None = None, model: str | None = None) -> Callable[[Target], Any]:
    def case(target: Target) -> Any:
        try:
            llm(target, key=key, model=model).chat(user(HELLO))
        except Exception as error:  # noqa: BLE001 - openai's own, with a status
            return raised(error, getattr(error, "status_code", None))
        return "no error"

    return case


CASES: Cases = {
    "plain": plain,
    "streamed": streamed,
    "tools": tools,
    "letters": letters,
    "large": large,
    "image_in": image_in,
    "cancel": cancel,
    "bad_key": _refused(key="wrong-key"),
    "unknown_model": _refused(model="no-such-model"),
    "rate_limit": _refused(),
    "provider_down": _refused(),
}

if __name__ == "__main__":
    serve(CASES)
