"""litellm as a client: OpenAI's protocol, and Anthropic's as the flavour `anthropic`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

from driver import HELLO, LARGE, LETTERS, PNG_BASE64, SLOW, TOOL_NAMES, TOOL_SCHEMA, Cases, Target, raised, serve

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else it fetches a table of prices when it is imported

import litellm

TOOLS = [{"type": "function", "function": {"name": name, "parameters": TOOL_SCHEMA}} for name in TOOL_NAMES]


def ask(target: Target, content: Any = HELLO, *, key: str | None = None, model: str | None = None, **more: Any) -> Any:
    protocol = target.flavour or "openai"
    return litellm.completion(
        model=f"{protocol}/{model or target.model}",
        messages=content if isinstance(content, list) else [{"role": "user", "content": content}],
        api_base=target.base_url,
        api_key=key or target.key,
        num_retries=0,
        max_retries=0,
        timeout=30,
        **more,
    )


def plain(target: Target) -> Any:
    answer = ask(target)
    usage = answer.usage
    return {"text": answer.choices[0].message.content, "tokens": [usage.prompt_tokens, usage.completion_tokens]}


def streamed(target: Target) -> Any:
    chunks = list(ask(target, stream=True, stream_options={"include_usage": True}))
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    return {"text": "".join(pieces), "pieces": sum(bool(piece) for piece in pieces)}


def tools(target: Target) -> Any:
    # Without this it wants its proxy's packages as soon as it sees a tool.
    message = ask(target, tools=TOOLS, _skip_mcp_handler=True).choices[0].message
    return {"calls": [[call.function.name, json.loads(call.function.arguments)] for call in message.tool_calls]}


def letters(target: Target) -> Any:
    return {"text": ask(target, LETTERS).choices[0].message.content}


def large(target: Target) -> Any:
    answer = ask(target, [{"role": "system", "content": LARGE}, {"role": "user", "content": "short"}])
    return {"text": answer.choices[0].message.content, "read": answer.usage.prompt_tokens}


def image_in(target: Target) -> Any:
    url = {"url": f"data:image/png;base64,{PNG_BASE64}"}
    turn = {"role": "user", "content": [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": url}]}
    return {"text": ask(target, [turn]).choices[0].message.content}


def cancel(target: Target) -> Any:
    stream = ask(target, SLOW, stream=True)
    got = sum(1 for _ in zip(stream, range(3), strict=False))
    inner = stream.completion_stream
    getattr(inner, "close", getattr(getattr(inner, "response", None), "close", lambda: None))()
    return {"pieces": got}


def embeddings(target: Target) -> Any:
    answer = litellm.embedding(
        model=f"openai/{target.models['embedding']}",
        input=["a", "b"],
        api_base=target.base_url,
        api_key=target.key,
        encoding_format="float",
    )
    return {"vectors": [[round(n, 4) for n in row["embedding"]] for row in answer.data]}


def _refused(key: str | None = None, model: str | None = None) -> Callable[[Target], Any]:
    def case(target: Target) -> Any:
        try:
            ask(target, key=key, model=model)
        except Exception as error:  # noqa: BLE001 - litellm's own, with a status
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
    "embeddings": embeddings,
    "bad_key": _refused(key="wrong-key"),
    "unknown_model": _refused(model="no-such-model"),
    "rate_limit": _refused(),
    "provider_down": _refused(),
}

if __name__ == "__main__":
    serve(CASES)
