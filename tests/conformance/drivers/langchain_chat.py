"""LangChain: ChatOpenAI, OpenAIEmbeddings, and ChatAnthropic as the flavour `anthropic`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from driver import HELLO, LARGE, LETTERS, PNG_BASE64, SLOW, TOOL_NAMES, TOOL_SCHEMA, Cases, Target, raised, serve
from langchain_anthropic import ChatAnthropic
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_openai import ChatOpenAI, OpenAIEmbeddings

TOOLS = [{"type": "function", "function": {"name": name, "parameters": TOOL_SCHEMA}} for name in TOOL_NAMES]


def chat(target: Target, *, key: str | None = None, model: str | None = None) -> Any:
    common: Any = {
        "model": model or target.model,
        "base_url": target.base_url,
        "api_key": key or target.key,
        "max_retries": 0,
        "timeout": 30,
    }
    if target.flavour == "anthropic":
        return ChatAnthropic(**common, max_tokens=1000)
    return ChatOpenAI(**common, stream_usage=True)


def seen(message: Any) -> Any:
    usage = message.usage_metadata
    return {"text": message.text, "tokens": [usage["input_tokens"], usage["output_tokens"]]}


def plain(target: Target) -> Any:
    return seen(chat(target).invoke(HELLO))


def streamed(target: Target) -> Any:
    chunks = list(chat(target).stream(HELLO))
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    # Of Anthropic's streams it tells no input tokens.
    return {
        "text": whole.text,
        "written": whole.usage_metadata["output_tokens"],
        "pieces": sum(bool(chunk.text) for chunk in chunks),
    }


def tools(target: Target) -> Any:
    message = chat(target).bind_tools(TOOLS).invoke(HELLO)
    return {"calls": [[call["name"], call["args"]] for call in message.tool_calls]}


def tools_streamed(target: Target) -> Any:
    chunks = list(chat(target).bind_tools(TOOLS).stream(HELLO))
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    return {"calls": [[call["name"], call["args"]] for call in whole.tool_calls]}


def tool_result(target: Target) -> Any:
    called = {"name": "find_dish", "args": {"name": "ramen"}, "id": "call_1"}
    turns = [
        HumanMessage(HELLO),
        AIMessage("", tool_calls=[called]),
        ToolMessage("ramen is 9 EUR", tool_call_id="call_1"),
    ]
    return {"text": chat(target).bind_tools(TOOLS).invoke(turns).text}


def letters(target: Target) -> Any:
    return {"text": chat(target).invoke(LETTERS).text}


def large(target: Target) -> Any:
    message = chat(target).invoke([SystemMessage(LARGE), HumanMessage("short")])
    return {"text": message.text, "read": message.usage_metadata["input_tokens"]}


def image_in(target: Target) -> Any:
    picture = {"type": "image", "base64": PNG_BASE64, "mime_type": "image/png"}
    return {"text": chat(target).invoke([HumanMessage([{"type": "text", "text": "look"}, picture])]).text}


def cancel(target: Target) -> Any:
    stream = chat(target).stream(SLOW)
    got = sum(1 for _ in zip(stream, range(3), strict=False))
    stream.close()
    return {"pieces": got}


def embeddings(target: Target) -> Any:
    sdk = OpenAIEmbeddings(
        model=target.models["embedding"],
        base_url=target.base_url,
        api_key=target.key,  # type: ignore[arg-type]
        check_embedding_ctx_length=False,
        max_retries=0,
    )
    return {"vectors": [[round(n, 4) for n in row] for row in sdk.embed_documents(["a", "b"])]}


def _refused(key: str | None = None, model: str | None = None) -> Callable[[Target], Any]:
    def case(target: Target) -> Any:
        try:
            chat(target, key=key, model=model).invoke(HELLO)
        except Exception as error:  # noqa: BLE001 - the vendor's own, with a status
            cause: Any = error if hasattr(error, "status_code") else error.__cause__
            return raised(cause, cause.status_code)
        return "no error"

    return case


CASES: Cases = {
    "plain": plain,
    "streamed": streamed,
    "tools": tools,
    "tools_streamed": tools_streamed,
    "tool_result": tool_result,
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
