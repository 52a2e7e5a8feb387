"""Anthropic's protocol: `x-api-key` or a bearer key, typed errors, server-sent events that end with `message_stop`.

Source: Anthropic's API reference, messages, streaming and errors.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from workbench.errors import WorkbenchError
from workbench.gateway.access.credentials import presented
from workbench.gateway.dialects.dialect import Dialect, come_back
from workbench.gateway.dialects.openai import framing
from workbench.gateway.dialects.reader import Reader, Sign
from workbench.wire.sse import Event, frame
from workbench.wire.usage import Usage

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    413: "request_too_large",
    415: "invalid_request_error",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class _Whole(msgspec.Struct):
    usage: dict[str, Any] | None = None
    message: dict[str, Any] | None = None
    type: str = ""


_decoder = msgspec.json.Decoder(_Whole)


class MessagesReader(Reader):
    """Reads messages: usage in parts, the prompt's at the start and the answer's, so far, at each `message_delta`."""

    __slots__ = ("_final", "_usage")

    def __init__(self) -> None:
        super().__init__()
        self._usage: dict[str, Any] = {}
        self._final = False

    @property
    def estimated(self) -> bool:
        """Whether the provider has not told all of it."""
        return self.stated is None or not self._final

    def whole(self, body: bytes) -> None:
        """Read a plain message."""
        self.produced = self.started = self._final = True
        self._told(_decoder.decode(body).usage)

    def event(self, event: Event) -> Sign:
        """Read one event of a stream."""
        data = event.data
        if not data:
            return Sign.PASS
        kind = event.name or _kind(data)
        if kind == "content_block_delta":
            self.produced = self.started = True
            self.frames += 1
        elif kind == "message_stop":
            return Sign.LAST
        elif kind == "error":
            return Sign.FAILED
        elif kind in ("message_start", "message_delta"):
            self.produced = True
            self._final = kind == "message_delta"
            self._read(data)
        return Sign.PASS

    def ends_well(self) -> bool:
        """Tell that only `message_stop` ends a stream."""
        return False

    def usage(self, *, question_bytes: int) -> Usage:
        """Return what was stated; of an answer that broke off, the prompt as stated and a token for each delta."""
        usage = super().usage(question_bytes=question_bytes)
        if self._final or usage.output_tokens >= self.frames:
            return usage
        return replace(usage, output_tokens=self.frames)

    def _read(self, data: bytes) -> None:
        try:
            told = _decoder.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return
        self._told((told.message or {}).get("usage") if told.message is not None else told.usage)

    def _told(self, usage: object) -> None:
        if isinstance(usage, dict):
            self._usage |= {name: value for name, value in usage.items() if value is not None}
            self.take(usage_of(self._usage))


def usage_of(usage: dict[str, Any]) -> Usage | None:
    """Read Anthropic's `usage` object, in which cached tokens stand beside the input and not within; None if none."""
    try:
        cached = int(usage.get("cache_read_input_tokens") or 0)
        written = int(usage.get("cache_creation_input_tokens") or 0)
        times, tools = usage.get("cache_creation"), usage.get("server_tool_use")
        hour = int(times.get("ephemeral_1h_input_tokens") or 0) if isinstance(times, dict) else 0
        return Usage(
            input_tokens=int(usage.get("input_tokens") or 0) + cached + written,
            output_tokens=int(usage.get("output_tokens") or 0),
            cached_input_tokens=cached,
            cache_write_tokens=written,
            cache_write_1h_tokens=min(hour, written),
            queries=int(tools.get("web_search_requests") or 0) if isinstance(tools, dict) else 0,
        )
    except (TypeError, ValueError, OverflowError):
        return None


def _kind(data: bytes) -> str:
    try:
        return _decoder.decode(data).type
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""


def body_of(error: WorkbenchError, request_id: str) -> bytes:
    """Return an error as Anthropic tells it."""
    told = {"type": _TYPES.get(error.status, "api_error"), "message": str(error), "code": error.error_code,
            "actor": error.actor}  # fmt: skip
    return msgspec.json.encode({"type": "error", "error": told, "request_id": request_id})


ANTHROPIC = Dialect(
    name="anthropic",
    presented=lambda headers, _query: presented(headers),
    error_body=body_of,
    error_event=lambda body: frame(body, name="error"),
    error_headers=come_back,
    framing=framing,
)
