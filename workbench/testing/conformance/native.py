"""Cases of the providers' own paths: an SDK that is pointed at `/{provider}` gets what its protocol promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from workbench.client import Gateway
from workbench.testing.conformance.case import Case
from workbench.testing.conformance.subject import Subject
from workbench.testing.conformance.verdict import Failed, Skipped, expect

_HELLO = "Say hello in one short sentence."


@dataclass(frozen=True)
class _Protocol:
    """How a provider is asked on its own path."""

    path: str
    """After `/{provider}`; `{model}` is the provider's own name."""
    body: Callable[[str], dict[str, Any]]
    """The question, by the model's name."""
    read: Callable[[Any], str]
    """Finds the text of an answer."""


def _openai(model: str) -> dict[str, Any]:
    return {"model": model, "max_tokens": 32, "messages": [{"role": "user", "content": _HELLO}]}


def _of_openai(answer: Any) -> str:
    return str(answer["choices"][0]["message"]["content"] or "")


_OPENAI = _Protocol("/v1/chat/completions", _openai, _of_openai)
_PROTOCOLS = {
    "openai": _OPENAI,
    "openai_compatible": _OPENAI,
    "local": _OPENAI,
    "azure": _Protocol("/openai/deployments/{model}/chat/completions?api-version=2024-10-21", _openai, _of_openai),
    "anthropic": _Protocol(
        "/v1/messages",
        _openai,
        lambda answer: "".join(block.get("text", "") for block in answer["content"]),
    ),
    "gemini": _Protocol(
        "/v1beta/models/{model}:generateContent",
        lambda _: {"contents": [{"role": "user", "parts": [{"text": _HELLO}]}]},
        lambda answer: "".join(part.get("text", "") for part in answer["candidates"][0]["content"]["parts"]),
    ),
    "bedrock": _Protocol(
        "/model/{model}/converse",
        lambda _: {"messages": [{"role": "user", "content": [{"text": _HELLO}]}], "inferenceConfig": {"maxTokens": 32}},
        lambda answer: "".join(block.get("text", "") for block in answer["output"]["message"]["content"]),
    ),
}
_HEADERS = {"anthropic-version": "2023-06-01"}


def plain(gateway: Gateway, subject: Subject) -> str:
    """Check that the provider answers in its own protocol on its own path."""
    protocol = _PROTOCOLS.get(subject.kind or "")
    if protocol is None or not subject.provider or not subject.upstream:
        raise Skipped(f"nothing is shipped for the own path of kind {subject.kind!r}")
    path = protocol.path.format(model=quote(subject.upstream, safe=""))
    answer: Any = gateway.openai.post(
        f"{gateway.url}/{subject.provider}{path}",
        cast_to=object,
        body=protocol.body(subject.upstream),
        options={"headers": _HEADERS},
    )
    try:
        text = protocol.read(answer)
    except (KeyError, IndexError, TypeError) as error:
        raise Failed(f"the answer is not of the protocol: {str(answer)[:80]}") from error
    expect(bool(text.strip()), "the answer has no text")
    return f"{len(text)} characters"


NATIVE = (Case("own path", "chat", plain),)
