"""The headers that pass between callers and providers, all of them: what is not in a table ends at the gateway."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

from workbench.gateway.routing.attempts import Attempt
from workbench.wire import headers as names

TO_PROVIDER = {b"openai-beta": "OpenAI-Beta", b"traceparent": "traceparent", b"tracestate": "tracestate"}
"""Request headers that a provider may see."""

_MODEL, _DEPLOYMENT = names.MODEL.encode(), names.DEPLOYMENT.encode()
_SUBSTITUTED_FOR = names.SUBSTITUTED_FOR.encode()
_NOTICE = names.NOTICE.encode()
_QUEUE_MS = names.QUEUE_MS.encode()
_COST, _UPSTREAM_ID = names.COST_USD.encode(), names.UPSTREAM_REQUEST_ID.encode()


def to_provider(headers: Mapping[bytes, bytes]) -> dict[str, str]:
    """Return what of a request's headers goes on to the provider."""
    return {name: headers[key].decode("latin-1") for key, name in TO_PROVIDER.items() if key in headers}


def to_caller(attempt: Attempt, *, upstream_id: str | None) -> list[tuple[bytes, bytes]]:
    """Return what an answer tells of where it came from."""
    told = [*_place(attempt.model.name, attempt.deployment.label, attempt.instead_of)]
    if upstream_id:
        told.append((_UPSTREAM_ID, _printable(upstream_id)))
    return told


@lru_cache(maxsize=1024)
def _place(model: str, deployment: str, instead_of: str | None) -> tuple[tuple[bytes, bytes], ...]:
    place = ((_MODEL, _printable(model)), (_DEPLOYMENT, _printable(deployment)))
    return place if instead_of is None else (*place, (_SUBSTITUTED_FOR, _printable(instead_of)))


def cost(usd: float | None) -> Iterator[tuple[bytes, bytes]]:
    """Yield what a plain answer tells of its cost."""
    if usd is not None:
        yield _COST, (f"{usd:.10f}".rstrip("0").rstrip(".") or "0").encode()


def queued(seconds: float) -> Iterator[tuple[bytes, bytes]]:
    """Yield what an answer tells of the gateway's own queue, if it waited there."""
    if seconds:
        yield _QUEUE_MS, b"%d" % (seconds * 1000)


def notice(sentence: str | None) -> Iterator[tuple[bytes, bytes]]:
    """Yield what the caller should know of the model that was asked for."""
    if sentence is not None:
        yield _NOTICE, _printable(sentence)


def _printable(text: str) -> bytes:
    """Return a text as a header may hold it."""
    if not (text.isascii() and text.isprintable()):
        text = "".join(letter if letter.isascii() and letter.isprintable() else "?" for letter in text)
    return text.encode("ascii")
