"""Send one call from this process, and read what comes back. Other backends do the same elsewhere."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple, Protocol

from workbench.client import AsyncGateway, Gateway
from workbench.client.limits import RateLimits
from workbench.errors import InvalidInput
from workbench.evidence import Output
from workbench.experiments.calls.call import Call
from workbench.experiments.calls.threads import Threads
from workbench.experiments.cells.cell import Answer
from workbench.wire.usage import Usage


class ChatClient(Protocol):
    """What an experiment needs of the gateway's client."""

    def chat(self, prompt: Any, *, model: str, tags: Any = None, **parameters: Any) -> Any:
        """Return a result with `.text`, `.images`, `.usage`, `.cost_usd`, `.latency_ms`, `.request_id`, `.model`."""

    def embed(self, texts: Any, *, model: str) -> Any:
        """Return one row of numbers a text."""


class Sent(NamedTuple):
    """What came back of a call."""

    answer: Answer
    limits: RateLimits | None
    """What was left of the limits that it was held to."""


class Sender(Protocol):
    """Where calls are made: here, or on other machines."""

    async def send(self, call: Call) -> Sent:
        """Make a call; raises what the gateway, or the callable, raised."""

    async def close(self) -> None:
        """Let go of what it holds."""


class LocalSender:
    """Make calls from this process: awaited where the client is the gateway's own, else in threads."""

    def __init__(self, gateway: ChatClient | None, *, threads: int) -> None:
        self._gateway = gateway
        self._awaited = awaited(gateway)
        self._threads = Threads(threads)

    async def send(self, call: Call) -> Sent:
        """Make a call, once."""
        started_at, clock = datetime.now(UTC), time.perf_counter()
        result = await self._result(call)
        return read(result, call.model, started_at=started_at, elapsed_ms=(time.perf_counter() - clock) * 1000)

    async def close(self) -> None:
        """Close connections, and let the threads end."""
        self._threads.close()
        if self._awaited is not None:
            await self._awaited.close()

    async def _result(self, call: Call) -> Any:
        if call.function is not None:
            return await self._threads.run(partial(call.function, dict(call.inputs)))
        assert call.model is not None
        assert self._gateway is not None
        messages, tags = list(call.messages), dict(call.tags)
        if self._awaited is not None:
            return await self._awaited.chat(messages, model=call.model, tags=tags, **call.arguments)
        chat = partial(self._gateway.chat, messages, model=call.model, tags=tags, **call.arguments)
        return await self._threads.run(chat)


def awaited(gateway: ChatClient | None) -> AsyncGateway | None:
    """Return a client to be awaited, with the same gateway and keys; None for what is none of the gateway's own."""
    own = isinstance(gateway, Gateway) and type(gateway).chat is Gateway.chat
    return AsyncGateway.beside(gateway, max_retries=0) if own and isinstance(gateway, Gateway) else None


def retries(gateway: ChatClient | None) -> int:
    """Return how often a client was told to send again what a provider failed."""
    return int(gateway.openai.max_retries) if isinstance(gateway, Gateway) else 0


def never_left(error: BaseException | None) -> bool:
    """Tell whether a call did not even reach the gateway: the connection was refused."""
    while error is not None:
        if type(error).__name__ in ("ConnectError", "ConnectTimeout", "ConnectionRefusedError"):
            return True
        error = error.__cause__
    return False


def read(result: Any, model: str | None, *, started_at: datetime, elapsed_ms: float) -> Sent:
    """Read what a client or a callable returned; raises InvalidInput for what the journal could not keep."""
    output, latency, usage = Output.of(result), getattr(result, "latency_ms", None), getattr(result, "usage", None)
    if not isinstance(output.text, str | None) or not all(isinstance(image, bytes) for image in output.images):
        odd = output.text if not isinstance(output.text, str | None) else next(iter(output.images))
        raise InvalidInput(
            f"The output is a {type(odd).__name__}, which can't be kept.", hint="Return a str or the bytes of an image."
        )
    request_id, answered_by = getattr(result, "request_id", None), getattr(result, "model", None)
    answer = Answer(
        output=output,
        started_at=started_at,
        ended_at=datetime.now(UTC),
        latency_ms=elapsed_ms if latency is None else float(latency),
        request_id=None if request_id is None else str(request_id),
        model=str(answered_by) if answered_by else model,
        cost_usd=_number(getattr(result, "cost_usd", None)),
        usage=usage if isinstance(usage, Usage) else None,
    )
    limits = getattr(result, "limits", None)
    return Sent(answer, limits if isinstance(limits, RateLimits) else None)


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
