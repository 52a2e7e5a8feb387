"""Reads streams of OpenAI's chunks, or of what is near enough that a parser makes chunks of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from workbench.gateway.providers.endings import Endings
from workbench.gateway.providers.translation import Step
from workbench.wire.sse import Event


class ChunkReader:
    """Reads server-sent events; `[DONE]`, or every choice finished, ends them."""

    def __init__(
        self, model: str, *, parse: Callable[[dict[str, Any]], dict[str, Any]] = lambda fields: fields
    ) -> None:
        self.id = ""
        self.model = model
        self._parse = parse
        self._endings = Endings()

    @property
    def whole(self) -> bool:
        """Whether every choice has finished."""
        return self._endings.whole

    def read(self, event: Event) -> Step | None:
        """Read one event."""
        if not event.data:
            return None
        if event.data == b"[DONE]":
            self._endings.end_all()
            return Step(last=True)
        fields = msgspec.json.decode(event.data)
        if said := fields.get("error"):
            said = said if isinstance(said, dict) else {"message": said}
            return Step(error={"message": str(said.get("message")), "type": said.get("type")})
        chunk = self._parse(fields)
        self.id, self.model = self.id or chunk.get("id") or "", chunk.get("model") or self.model
        for choice in chunk.get("choices", ()):
            self._endings.note(choice.get("index", 0), ended=bool(choice.get("finish_reason")))
        return Step(chunk=chunk)
