"""The JDK's own HTTP client, `Client.java`: this side says what to send and reads what came."""

from __future__ import annotations

import atexit
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from driver import HELLO, LARGE, LETTERS, PNG_BASE64, SLOW, TOOL_NAMES, TOOL_SCHEMA, Cases, Target, serve

TOOLS = [{"type": "function", "function": {"name": name, "parameters": TOOL_SCHEMA}} for name in TOOL_NAMES]


class Java:
    """`java Client.java`, running."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            ["java", "-Xshare:auto", str(Path(__file__).with_name("Client.java"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def order(self, verb: str, url: str, key: str, body: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\t".join((verb, url, key, json.dumps(body))) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        assert self._process.stdout is not None
        self._process.stdout.close()


_JAVA: list[Java] = []


def java() -> Java:
    """Return the one client, started at the first order."""
    if not _JAVA:
        _JAVA.append(Java())
        atexit.register(_JAVA[0].close)
    return _JAVA[0]


def chat(target: Target, messages: Any, *, verb: str = "send", **more: Any) -> Any:
    turns = messages if isinstance(messages, list) else [{"role": "user", "content": messages}]
    key, model = more.pop("key", target.key), more.pop("model", target.model)
    return java().order(verb, f"{target.base_url}/chat/completions", key, {"model": model, "messages": turns, **more})


def whole(answer: Any) -> Any:
    assert answer["status"] == 200, answer
    return json.loads("\n".join(answer["lines"]))


def text(target: Target, messages: Any) -> str:
    return str(whole(chat(target, messages))["choices"][0]["message"]["content"])


def plain(target: Target) -> Any:
    body = whole(chat(target, HELLO))
    choice, usage = body["choices"][0], body["usage"]
    return {
        "text": choice["message"]["content"],
        "finish": choice["finish_reason"],
        "tokens": [usage["prompt_tokens"], usage["completion_tokens"]],
    }


def streamed(target: Target) -> Any:
    answer = chat(target, HELLO, stream=True)
    assert answer["type"].startswith("text/event-stream"), answer
    data = [line.removeprefix("data: ") for line in answer["lines"] if line]
    assert data.pop() == "[DONE]"
    pieces = [c["delta"].get("content") or "" for event in data for c in json.loads(event)["choices"]]
    return {"text": "".join(pieces), "pieces": sum(bool(piece) for piece in pieces)}


def tools(target: Target) -> Any:
    choice = whole(chat(target, HELLO, tools=TOOLS))["choices"][0]
    functions = [call["function"] for call in choice["message"]["tool_calls"]]
    return {
        "calls": [[f["name"], json.loads(f["arguments"])] for f in functions],
        "finish": choice["finish_reason"],
    }


def large(target: Target) -> Any:
    body = whole(chat(target, [{"role": "system", "content": LARGE}, {"role": "user", "content": "short"}]))
    return {"text": body["choices"][0]["message"]["content"], "read": body["usage"]["prompt_tokens"]}


def image_in(target: Target) -> Any:
    url = {"url": f"data:image/png;base64,{PNG_BASE64}"}
    parts = [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": url}]
    return {"text": text(target, [{"role": "user", "content": parts}])}


def cancel(target: Target) -> Any:
    answer = chat(target, SLOW, verb="leave", stream=True)
    return {"pieces": sum(line.startswith("data: ") for line in answer["lines"])}


def embeddings(target: Target) -> Any:
    body = {"model": target.models["embedding"], "input": ["a", "b"]}
    answer = whole(java().order("send", f"{target.base_url}/embeddings", target.key, body))
    return {"vectors": [[round(n, 4) for n in row["embedding"]] for row in answer["data"]]}


def refused(**more: Any) -> Callable[[Target], Any]:
    def case(target: Target) -> Any:
        answer = chat(target, HELLO, **more)
        error = json.loads("\n".join(answer["lines"]))["error"]
        return {
            "raised": [name for name in ("message", "type") if name in error],
            "status": answer["status"],
        }  # no classes here: the envelope's fields

    return case


CASES: Cases = {
    "plain": plain,
    "streamed": streamed,
    "tools": tools,
    "letters": lambda target: {"text": text(target, LETTERS)},
    "large": large,
    "image_in": image_in,
    "cancel": cancel,
    "embeddings": embeddings,
    "bad_key": refused(key="wrong-key"),
    "unknown_model": refused(model="no-such-model"),
    "rate_limit": refused(),
    "provider_down": refused(),
    "too_long": refused(),
}

if __name__ == "__main__":
    serve(CASES)
