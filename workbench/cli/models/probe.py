"""What a server of OpenAI's protocol, and a model on it, can do: found out by asking, before anything is registered."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from http.client import HTTPException, HTTPResponse
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

from workbench.client.desk import is_loopback
from workbench.errors import InvalidInput, NotFound, ProviderUnavailable

_TIMEOUT = 180.0
_LARGEST = 8 << 20
_TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Tell the weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
_SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
_CONTEXT_FIELDS = ("max_model_len", "context_length", "context_window", "max_context_length")
_CONTEXT_SAID = re.compile(r"(?:maximum context length|context (?:length|size|window))\D{0,40}(\d{3,8})", re.IGNORECASE)


@dataclass(frozen=True)
class Facts:
    """What was found out about a model."""

    task: str
    """`chat` or `embedding`."""
    context_tokens: int | None = None
    """How much it reads; None if nothing told."""
    tools: bool | None = None
    """Whether it called a tool when it was to."""
    json_schema: bool | None = None
    """Whether an answer by JSON schema fitted."""
    tokens_per_second: float | None = None
    """Its pace while it writes."""
    first_token_ms: float | None = None
    """From the question to the first piece of the answer."""
    dimensions: int | None = None
    """Length of its vectors."""

    def known(self) -> dict[str, Any]:
        """Return what is known, but for the task."""
        return {name: value for name, value in asdict(self).items() if value is not None and name != "task"}


class Server:
    """A server of OpenAI's protocol."""

    def __init__(self, url: str, key: str | None = None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InvalidInput(f"{url!r} is no URL of a server.", hint="Write http://host:port/v1.")
        self._key = key
        self._opener = build_opener(ProxyHandler({})) if is_loopback(url) else build_opener()
        self.base_url, self._rows = self._find(url.rstrip("/"))

    def models(self) -> list[str]:
        """Return the names of its models."""
        return list(self._rows)

    def probe(self, model: str) -> Facts:
        """Try a model; raises InvalidInput where it neither chats nor embeds."""
        refusal = self._post("chat/completions", _chat(model, "Say hi.", max_tokens=4))
        if refusal[0] == 200:
            return self._timed(Facts("chat", self._context(model), self._tools(model), self._json(model)), model)
        status, body = self._post("embeddings", {"model": model, "input": ["a"]})
        if status == 200:
            return Facts("embedding", self._context(model), dimensions=len(body["data"][0]["embedding"]))
        said = _message(refusal[1])
        raise InvalidInput(
            f"Model {model!r} at {self.base_url} neither chats ({refusal[0]}: {said}) nor embeds ({status}).",
            hint="Other tasks are added by hand under [[models]].",
        )

    def _find(self, url: str) -> tuple[str, dict[str, dict[str, Any]]]:
        tried = []
        for base in (url, f"{url}/v1"):
            status, body = self._get(f"{base}/models")
            if status == 200 and isinstance(body, dict) and isinstance(body.get("data"), list):
                return base, {str(row["id"]): row for row in body["data"]}
            tried.append(f"{base}/models: {status}")
        hint = (
            "It wants a key: --credential-env." if " 401" in " ".join(tried) else "Is it an OpenAI-compatible server?"
        )
        raise NotFound(f"No list of models at {', nor at '.join(tried)}.", hint=hint)

    def _context(self, model: str) -> int | None:
        row = self._rows.get(model, {})
        meta = row.get("meta") if isinstance(row.get("meta"), dict) else {}
        told = [row.get(name) for name in _CONTEXT_FIELDS] + [(meta or {}).get("n_ctx_train"), self._shown(model)]
        for value in told:
            if isinstance(value, int) and value > 0:
                return value
        status, body = self._post("chat/completions", _chat(model, "Say hi.", max_tokens=100_000_000))
        found = _CONTEXT_SAID.search(_message(body)) if status == 400 else None
        return int(found[1]) if found else None

    def _shown(self, model: str) -> int | None:
        """Ask Ollama's own path, which tells what its list does not."""
        status, body = self._send(self.base_url.removesuffix("/v1") + "/api/show", {"model": model})
        facts = body.get("model_info") if status == 200 and isinstance(body, dict) else None
        lengths = [value for name, value in (facts or {}).items() if name.endswith(".context_length")]
        return int(lengths[0]) if lengths else None

    def _tools(self, model: str) -> bool:
        question = _chat(model, "What is the weather in Paris? Use the tool.", max_tokens=200, tools=[_TOOL])
        status, body = self._post("chat/completions", question)
        if status != 200:
            return False
        calls = body["choices"][0]["message"].get("tool_calls") or []
        return any(call.get("function", {}).get("name") == "get_weather" for call in calls)

    def _json(self, model: str) -> bool:
        wanted = {"type": "json_schema", "json_schema": {"name": "place", "strict": True, "schema": _SCHEMA}}
        question = _chat(model, "In which city is the Louvre?", max_tokens=80, response_format=wanted)
        status, body = self._post("chat/completions", question)
        if status != 200:
            return False
        try:
            found = json.loads(body["choices"][0]["message"]["content"])
        except (TypeError, ValueError):
            return False
        return isinstance(found, dict) and set(found) == {"city"}

    def _timed(self, facts: Facts, model: str) -> Facts:
        """Add how soon the first piece of a stream comes, and how fast the others; a piece is nearly always a token."""
        began = time.perf_counter()
        first = last = 0.0
        pieces = 0
        asked = _chat(model, "Count from 1 to 40 in words.", max_tokens=96, stream=True)
        for event in self._stream("chat/completions", asked):
            for choice in event.get("choices") or []:
                if choice.get("delta", {}).get("content"):
                    last = time.perf_counter()
                    first = first or last
                    pieces += 1
        return replace(
            facts,
            first_token_ms=round((first - began) * 1000, 1) if pieces else None,
            tokens_per_second=round((pieces - 1) / (last - first), 1) if last > first else None,
        )

    # -- HTTP ----------------------------------------------------------------------------------------------------------

    def _get(self, url: str) -> tuple[int, Any]:
        return self._send(url, None)

    def _post(self, path: str, body: Any) -> tuple[int, Any]:
        return self._send(f"{self.base_url}/{path}", body)

    def _stream(self, path: str, body: Any) -> Iterator[dict[str, Any]]:
        try:
            with self._open(f"{self.base_url}/{path}", body) as answer:
                for line in answer:
                    data = line.strip().removeprefix(b"data: ")
                    if line.startswith(b"data: ") and data != b"[DONE]":
                        yield json.loads(data)
        except (OSError, HTTPException, ValueError):
            return  # what it can't stream has no speed

    def _send(self, url: str, body: Any) -> tuple[int, Any]:
        try:
            with self._open(url, body) as answer:
                return answer.status, _json(answer.read(_LARGEST))
        except HTTPError as error:
            with error:
                return error.code, _json(error.read(_LARGEST))
        except (OSError, HTTPException) as error:
            why = error.reason if isinstance(error, URLError) else error
            raise ProviderUnavailable(f"{url} does not answer: {why}.", hint="Is the server running?") from error

    def _open(self, url: str, body: Any) -> HTTPResponse:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self._key}"} if self._key else {})
        data = None if body is None else json.dumps(body).encode()
        request = Request(url, data=data, headers=headers)  # noqa: S310 - the scheme was checked
        answer: HTTPResponse = self._opener.open(request, timeout=_TIMEOUT)
        return answer


def _chat(model: str, text: str, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def _json(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        return raw[:200].decode("utf-8", "replace")


def _message(body: Any) -> str:
    error = body.get("error", body) if isinstance(body, dict) else body
    return str(error.get("message", error) if isinstance(error, dict) else error)[:300]
