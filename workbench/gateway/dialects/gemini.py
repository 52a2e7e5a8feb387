"""Google's protocol, of the Gemini API and of Vertex: `x-goog-api-key`, RPC errors, server-sent events or a JSON array.

Source: Gemini API and Vertex AI REST references (generateContent, embedContent, predict); google.rpc.Status.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from workbench.errors import WorkbenchError
from workbench.gateway.access.credentials import presented
from workbench.gateway.dialects.dialect import Dialect, come_back
from workbench.gateway.dialects.openai import framing
from workbench.gateway.dialects.reader import Reader, Sign
from workbench.wire import json_array
from workbench.wire.sse import Event, frame
from workbench.wire.usage import Usage

_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    415: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class _Candidate(msgspec.Struct):
    finishReason: str | None = None  # noqa: N815 - the protocol's name


class _Answer(msgspec.Struct):
    usageMetadata: dict[str, Any] | None = None  # noqa: N815
    candidates: list[_Candidate] | None = None
    promptFeedback: dict[str, Any] | None = None  # noqa: N815
    error: Any = None


class _Predictions(msgspec.Struct):
    predictions: list[Any] | None = None


_answer = msgspec.json.Decoder(_Answer)
_predictions = msgspec.json.Decoder(_Predictions)


class GenerateReader(Reader):
    """Reads generateContent and its like: each piece tells the usage so far, and one tells why the answer ends."""

    __slots__ = ("_failed", "_finished")

    def __init__(self) -> None:
        super().__init__()
        self._failed = self._finished = False

    @property
    def estimated(self) -> bool:
        """Whether the provider has not told all of it."""
        return self.stated is None or not self._finished

    def whole(self, body: bytes) -> None:
        """Read a plain answer."""
        self.produced = self.started = self._finished = True
        self.take(usage_of(_answer.decode(body).usageMetadata))

    def event(self, event: Event) -> Sign:
        """Read one piece."""
        if not event.data:
            return Sign.FAILED if self._failed and event.name == json_array.END else Sign.PASS
        try:
            answer = _answer.decode(event.data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            self.produced = True
            return Sign.PASS
        if answer.error is not None:
            self._failed = True  # an array is closed behind it; what closes it is the event that ends the stream
            return Sign.PASS if event.raw.lstrip()[:1] in b"[,{" else Sign.FAILED
        self.produced = self.started = True
        self.frames += 1
        self.take(usage_of(answer.usageMetadata))
        ends = [candidate.finishReason for candidate in answer.candidates or ()]
        if any(ends) or (answer.promptFeedback or {}).get("blockReason"):
            self._finished = True
        return Sign.PASS

    def ends_well(self) -> bool:
        """Tell whether some piece has told why the answer ends."""
        return self._finished and not self._failed

    def usage(self, *, question_bytes: int) -> Usage:
        """Return what was stated; of an answer that broke off, at least a token for each piece."""
        usage = super().usage(question_bytes=question_bytes)
        if self._finished or usage.output_tokens >= self.frames:
            return usage
        return msgspec.structs.replace(usage, output_tokens=self.frames)


class PredictReader(Reader):
    """Reads Vertex's predictions: pictures, or vectors with their token counts."""

    __slots__ = ()

    def whole(self, body: bytes) -> None:
        """Read a plain answer."""
        self.produced = self.started = True
        told = [one for one in _predictions.decode(body).predictions or () if isinstance(one, dict)]
        pictures = sum("bytesBase64Encoded" in one or "gcsUri" in one for one in told)
        tokens = [_tokens(one) for one in told]
        if pictures:
            self.take(Usage(images=pictures))
        elif told and None not in tokens:
            self.take(Usage(input_tokens=sum(count or 0 for count in tokens)))


def _tokens(prediction: dict[str, Any]) -> int | None:
    embeddings = prediction.get("embeddings")
    statistics = embeddings.get("statistics") if isinstance(embeddings, dict) else None
    count = statistics.get("token_count") if isinstance(statistics, dict) else None
    return int(count) if isinstance(count, int | float) else None


def usage_of(usage: object) -> Usage | None:
    """Read `usageMetadata`, in which thoughts stand beside the answer's tokens and not within; None if it is none."""
    if not isinstance(usage, dict):
        return None
    try:
        thoughts = int(usage.get("thoughtsTokenCount") or 0)
        return Usage(
            input_tokens=int(usage.get("promptTokenCount") or 0) + int(usage.get("toolUsePromptTokenCount") or 0),
            output_tokens=int(usage.get("candidatesTokenCount") or usage.get("responseTokenCount") or 0) + thoughts,
            cached_input_tokens=int(usage.get("cachedContentTokenCount") or 0),
            reasoning_tokens=thoughts,
            audio_input_tokens=_of_kind(usage.get("promptTokensDetails"), "AUDIO"),
            audio_output_tokens=_of_kind(usage.get("candidatesTokensDetails"), "AUDIO")
            + _of_kind(usage.get("responseTokensDetails"), "AUDIO"),
            image_output_tokens=_of_kind(usage.get("candidatesTokensDetails"), "IMAGE"),
        )
    except (TypeError, ValueError, OverflowError, AttributeError):
        return None


def _of_kind(details: object, modality: str) -> int:
    if not isinstance(details, list):
        return 0
    return sum(int(one.get("tokenCount") or 0) for one in details if one.get("modality") == modality)


def body_of(error: WorkbenchError, request_id: str) -> bytes:
    """Return an error as Google tells it."""
    status = getattr(error, "answered", error.status)
    information = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": error.error_code,
        "domain": "workbench",
        "metadata": {"actor": error.actor, "request_id": request_id},
    }
    told = {"code": status, "message": str(error), "status": _STATUSES.get(status, "INTERNAL"),
            "details": [information]}  # fmt: skip
    return msgspec.json.encode({"error": told})


GEMINI = Dialect(
    name="gemini",
    presented=lambda headers, _query: presented(headers),
    error_body=body_of,
    error_event=frame,
    error_headers=come_back,
    framing=framing,
)

GEMINI_ARRAY = replace(
    GEMINI,
    error_event=lambda body: b",\r\n" + body + b"]",
    framing=lambda content_type: json_array.Splitter() if content_type == "application/json" else framing(content_type),
)
"""The same where a stream is a JSON array, which it is unless the caller asks for `alt=sse`."""
