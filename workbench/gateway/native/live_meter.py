"""What a live conversation used: OpenAI's Realtime tells it with each response, Gemini's Live beside its answers."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from workbench.gateway.dialects.gemini import usage_of
from workbench.gateway.dialects.reader import can_be
from workbench.wire.usage import Usage

_object = msgspec.json.Decoder(dict[str, Any])


class LiveMeter:
    """Sums what the provider's messages state; pieces of an answer that was not finished count a token each."""

    def __init__(self) -> None:
        self._stated = Usage()
        self._pieces = 0
        self.told = False
        """Whether anything was stated."""

    @property
    def produced(self) -> bool:
        """Whether the provider has begun to answer, and so to charge."""
        return self.told or self._pieces > 0

    @property
    def estimated(self) -> bool:
        """Whether some of it was not stated."""
        return self._pieces > 0

    @property
    def usage(self) -> Usage:
        """What was used so far."""
        return replace(self._stated, output_tokens=self._stated.output_tokens + self._pieces)

    def read(self, message: str | bytes) -> None:
        """Read a message of the provider."""
        data = message.encode() if isinstance(message, str) else message
        if b'"usage' not in data:
            self._pieces += b".delta" in data or b'"serverContent"' in data
            return
        try:
            told = _object.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return
        response = told.get("response")
        stated = response.get("usage") if isinstance(response, dict) else told.get("usageMetadata")
        usage = _of_response(stated) if isinstance(response, dict) else usage_of(stated)
        if usage is not None and can_be(usage):
            self._stated = self._stated + usage
            self.told, self._pieces = True, 0


def _of_response(usage: object) -> Usage | None:
    """Read the usage of `response.done`, whose details are called a little otherwise than elsewhere."""
    if not isinstance(usage, dict):
        return None
    try:
        return Usage.from_openai(
            {**usage, "input_tokens_details": usage.get("input_token_details"),
             "output_tokens_details": usage.get("output_token_details")}
        )  # fmt: skip
    except (TypeError, ValueError, AttributeError, OverflowError):
        return None
