"""Bedrock's protocol: AWS's errors by header, event streams with checksums; Converse, and InvokeModel of any family.

Source: Amazon Bedrock API reference (Converse, ConverseStream, InvokeModel, InvokeModelWithResponseStream).
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec

from workbench.errors import WorkbenchError
from workbench.gateway.access.credentials import presented
from workbench.gateway.dialects import anthropic
from workbench.gateway.dialects.dialect import Dialect, Framing, Headers, come_back
from workbench.gateway.dialects.openai import framing as sse_framing
from workbench.gateway.dialects.reader import Reader, Sign
from workbench.wire import event_stream
from workbench.wire.sse import Event
from workbench.wire.usage import Usage

_TYPES = {
    401: "UnrecognizedClientException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
    504: "ModelTimeoutException",
}
_METRICS = "amazon-bedrock-invocationMetrics"


class _Converse(msgspec.Struct):
    usage: dict[str, Any] | None = None


class _Chunk(msgspec.Struct):
    bytes: str = ""


_converse = msgspec.json.Decoder(_Converse)
_chunk = msgspec.json.Decoder(_Chunk)
_object = msgspec.json.Decoder(dict[str, Any])


class ConverseReader(Reader):
    """Reads Converse: `metadata`, after `messageStop`, tells the usage."""

    __slots__ = ("_stopped",)

    def __init__(self) -> None:
        super().__init__()
        self._stopped = False

    def whole(self, body: bytes) -> None:
        """Read a plain answer."""
        self.produced = self.started = True
        self.take(usage_of(_converse.decode(body).usage))

    def event(self, event: Event) -> Sign:
        """Read one message of the stream."""
        if event.name == "contentBlockDelta":
            self.produced = self.started = True
            self.frames += 1
        elif event.name == "messageStop":
            self._stopped = True
        elif event.name == "metadata":
            try:
                self.take(usage_of(_converse.decode(event.data).usage))
            except (msgspec.DecodeError, UnicodeDecodeError):
                return Sign.PASS
            return Sign.LAST if self._stopped else Sign.PASS
        elif event.name == "messageStart":
            self.produced = True
        elif event_stream.read(event.raw).failed:
            return Sign.FAILED
        return Sign.PASS

    def ends_well(self) -> bool:
        """Tell whether `messageStop` has come; `metadata` may be missing."""
        return self._stopped


class InvokeReader(Reader):
    """Reads InvokeModel: each family answers in a shape of its own, and the service tells its counts beside them."""

    __slots__ = ("_metrics",)

    def __init__(self) -> None:
        super().__init__()
        self._metrics = False

    def whole(self, body: bytes) -> None:
        """Read a plain answer."""
        self.produced = self.started = True
        self.take(_of_family(_object.decode(body)))

    def event(self, event: Event) -> Sign:
        """Read one chunk, in which the family's own event is wrapped."""
        if event.name != "chunk":
            return Sign.FAILED if event_stream.read(event.raw).failed else Sign.PASS
        self.produced = self.started = True
        self.frames += 1
        try:
            inner = _object.decode(base64.b64decode(_chunk.decode(event.data).bytes))
        except (msgspec.DecodeError, UnicodeDecodeError, binascii.Error):
            return Sign.PASS
        metrics = inner.get(_METRICS)
        if isinstance(metrics, dict):
            self._metrics = True
            self.take(_of_metrics(metrics))
            return Sign.LAST
        return Sign.PASS

    def ends_well(self) -> bool:
        """Tell whether the service has told its counts, which it does with the last chunk."""
        return self._metrics


def usage_of(usage: object) -> Usage | None:
    """Read Converse's `usage`, in which cached tokens stand beside the input and not within; None if it is none."""
    if not isinstance(usage, dict):
        return None
    return _usage(
        usage.get("inputTokens"), usage.get("outputTokens"),
        usage.get("cacheReadInputTokens") or usage.get("cacheReadInputTokenCount"),
        usage.get("cacheWriteInputTokens") or usage.get("cacheWriteInputTokenCount"),
    )  # fmt: skip


def _of_metrics(metrics: dict[str, Any]) -> Usage | None:
    return _usage(
        metrics.get("inputTokenCount"), metrics.get("outputTokenCount"),
        metrics.get("cacheReadInputTokenCount"), metrics.get("cacheWriteInputTokenCount"),
    )  # fmt: skip


def _of_family(answer: dict[str, Any]) -> Usage | None:
    usage = answer.get("usage")
    if isinstance(usage, dict) and "inputTokens" in usage:  # Amazon Nova
        return usage_of(usage)
    if isinstance(usage, dict):
        return anthropic.usage_of(usage) if "input_tokens" in usage else _from_openai(usage)
    if isinstance(answer.get("images"), list):  # Titan, Nova Canvas, Stability
        return Usage(images=len(answer["images"]))
    if "prompt_token_count" in answer:  # Llama
        return _usage(answer["prompt_token_count"], answer.get("generation_token_count"), 0, 0)
    if "inputTextTokenCount" in answer:  # Titan's texts and vectors
        results = answer.get("results")
        told = [one.get("tokenCount") for one in results if isinstance(one, dict)] if isinstance(results, list) else []
        return _usage(answer["inputTextTokenCount"], sum(count or 0 for count in told), 0, 0)
    return None


def _from_openai(usage: dict[str, Any]) -> Usage | None:
    return _usage(usage.get("prompt_tokens"), usage.get("completion_tokens"), 0, 0)


def of_headers(read: str | None, written: str | None) -> Usage | None:
    """Read the counts that InvokeModel tells in headers, beside the body."""
    return None if read is None else _usage(read, written, 0, 0)


def _usage(read: object, written: object, cached: object, stored: object) -> Usage | None:
    try:
        counts = [int(count or 0) for count in (read, written, cached, stored)]  # type: ignore[call-overload]
    except (TypeError, ValueError, OverflowError):
        return None
    return Usage(
        input_tokens=counts[0] + counts[2] + counts[3],
        output_tokens=counts[1],
        cached_input_tokens=counts[2],
        cache_write_tokens=counts[3],
    )


def _type_of(error: WorkbenchError) -> str:
    return _TYPES.get(error.status, "ValidationException" if error.status < 500 else "InternalServerException")


def body_of(error: WorkbenchError, request_id: str) -> bytes:
    """Return an error as AWS tells it."""
    told = {"message": str(error), "__type": _type_of(error), "code": error.error_code, "actor": error.actor,
            "request_id": request_id}  # fmt: skip
    return msgspec.json.encode(told)


def headers_of(error: WorkbenchError) -> Headers:
    """Return the header by which AWS's SDKs name an error."""
    return [*come_back(error), (b"x-amzn-errortype", _type_of(error).encode())]


_IN_STREAM = {
    "ThrottlingException": "throttlingException",
    "ServiceUnavailableException": "serviceUnavailableException",
    "ModelTimeoutException": "modelStreamErrorException",
    "InternalServerException": "internalServerException",
}


def event_of(body: bytes) -> bytes:
    """Return the message by which a stream tells of an error."""
    name = msgspec.json.decode(body).get("__type", "")
    return event_stream.exception(_IN_STREAM.get(name, "modelStreamErrorException"), body)


def framing(content_type: str) -> Framing | None:
    """Return the framing of event streams, and of server-sent events on the paths that have OpenAI's protocol."""
    return event_stream.Splitter() if content_type == event_stream.CONTENT_TYPE else sse_framing(content_type)


BEDROCK = Dialect(
    name="bedrock",
    presented=lambda headers, _query: presented(headers),
    error_body=body_of,
    error_event=event_of,
    error_headers=headers_of,
    framing=framing,
)
