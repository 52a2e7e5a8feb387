"""OpenAI's protocol: bearer keys, the error envelope, server-sent events that end with `[DONE]`."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from workbench.errors import WorkbenchError
from workbench.gateway.access.credentials import presented
from workbench.gateway.dialects.dialect import Dialect, Framing, come_back
from workbench.gateway.dialects.reader import Reader, Sign
from workbench.gateway.providers.provider import CallerRefused
from workbench.wire.envelope import error_body
from workbench.wire.sse import Event, Splitter, frame

_DONE = b"[DONE]"
_OURS = frozenset({"request_id", "actor"})
"""Fields of an error that only the gateway tells."""
_EMPTY_CONTENT = re.compile(rb'"content": ?(?:""|null)')


class _Whole(msgspec.Struct):
    usage: dict[str, Any] | None = None
    service_tier: Any = None


class _Frame(msgspec.Struct):
    usage: dict[str, Any] | None = None
    choices: list[msgspec.Raw] | None = None
    service_tier: Any = None


_whole = msgspec.json.Decoder(_Whole)
_frame = msgspec.json.Decoder(_Frame)


class UsageReader(Reader):
    """Reads JSON answers, and streams of chunks, that tell their usage in OpenAI's `usage` object."""

    __slots__ = ()

    def whole(self, body: bytes) -> None:
        """Read a plain answer."""
        self.produced = self.started = True
        whole = _whole.decode(body)
        self.take_openai(whole.usage)
        self.take_grade(whole.service_tier)

    def event(self, event: Event) -> Sign:
        """Read a chunk."""
        data = event.data
        if not data:
            return Sign.PASS  # a comment, such as a heartbeat: nothing was produced
        if data == _DONE:
            return Sign.LAST
        return Sign.FAILED if data.startswith(b'{"error"') else self._chunk(data)

    def _chunk(self, data: bytes) -> Sign:
        self.produced = True
        self.frames += 1
        if not self.started:
            self.started = not _is_head(data)
        if b'"usage"' not in data:
            return Sign.PASS
        try:
            chunk = _frame.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return Sign.PASS
        if chunk.usage is None:
            return Sign.PASS
        self.take_openai(chunk.usage)
        self.take_grade(chunk.service_tier)
        return Sign.PASS if chunk.choices else Sign.USAGE_ONLY

    def take_grade(self, tier: object) -> None:
        """Keep the service tier that an answer tells."""
        if isinstance(tier, str):
            self.grade = tier

    def ends_well(self) -> bool:
        """Tell that only `[DONE]` ends a stream of chunks."""
        return False


def _is_head(data: bytes) -> bool:
    """Tell whether a first chunk says no more than that an assistant speaks, or that a prompt was looked at."""
    if b'"choices":[]' in data or b'"choices": []' in data:
        return True
    if b'"role"' not in data or b'"tool_calls"' in data or b'"finish_reason":"' in data:
        return False
    return b'"content"' not in data or _EMPTY_CONTENT.search(data) is not None


def body_of(error: WorkbenchError, request_id: str) -> bytes:
    """Return the envelope of an error; fields of a provider's own error object stay beside ours."""
    body = error_body(error, request_id=request_id)
    if isinstance(error, CallerRefused):
        told = {name: value for name, value in error.fields.items() if value is not None and name not in _OURS}
        body["error"] |= told
    return msgspec.json.encode(body)


def framing(content_type: str) -> Framing | None:
    """Return the framing of server-sent events, or None for any other content."""
    return Splitter() if content_type == "text/event-stream" else None


OPENAI = Dialect(
    name="openai",
    presented=lambda headers, _query: presented(headers),
    error_body=body_of,
    error_event=frame,
    error_headers=come_back,
    framing=framing,
)
