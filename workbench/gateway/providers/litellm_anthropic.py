"""Anthropic's Messages: litellm's translation of it, and what reads its streams.

Source: Anthropic, Messages and streaming Messages. The event `message_stop` ends a good stream.
"""

from __future__ import annotations

from typing import Any

import msgspec

from workbench.gateway.providers.litellm_chat import Chat, Target, chat_lane, transformed, without_credentials
from workbench.gateway.providers.litellm_library import PLACEHOLDER
from workbench.gateway.providers.translation import Lanes, Request, Step
from workbench.wire.sse import Event

OWN = frozenset({"top_k", "thinking"})
"""Fields that are not OpenAI's and that Claude knows."""


class MessagesReader:
    """Reads a stream of Messages, Anthropic's own or another cloud's."""

    def __init__(self, chat: Chat) -> None:
        from litellm.llms.anthropic.chat.handler import ModelResponseIterator  # noqa: PLC0415
        from litellm.llms.anthropic.chat.transformation import (  # noqa: PLC0415
            ANTHROPIC_TOOL_NAME_REVERSE_MAP_KEY,
        )

        self._parser: Any = ModelResponseIterator(
            streaming_response=iter(()),
            sync_stream=True,
            json_mode=chat.json_mode,
            tool_name_reverse_map=chat.context.get(ANTHROPIC_TOOL_NAME_REVERSE_MAP_KEY),
        )
        self._asked = chat.asking.model
        self.whole = False

    @property
    def id(self) -> str:
        """The message's id."""
        return str(self._parser.response_id or "")

    @property
    def model(self) -> str:
        """The model that answers."""
        return str(self._parser.served_model or self._asked)

    def read(self, event: Event) -> Step | None:
        """Read one event."""
        fields = msgspec.json.decode(event.data) if event.data else {}
        kind = fields.get("type", "")
        if kind == "error":
            said = fields.get("error") or {}
            return Step(error={"message": str(said.get("message")), "type": said.get("type")})
        if kind == "message_stop":
            self.whole = True
            return Step(last=True)
        if kind == "ping" or not kind:
            return None
        return Step(chunk=self._parser.chunk_parser(fields).model_dump(exclude_none=True))


def _request(chat: Chat) -> Request:
    asking = chat.asking
    url = asking.url("messages" if asking.root.path.endswith("/v1") else "v1/messages")
    told: dict[str, Any] = chat.config.validate_environment(
        headers={}, model=chat.model, messages=chat.messages, optional_params=chat.optional,
        litellm_params=chat.context, api_key=PLACEHOLDER, api_base=str(url),
    )  # fmt: skip
    chat.headers.update(without_credentials(told))
    body = transformed(chat)
    return Request(url, {**body, "stream": True} if asking.stream else body, without_credentials(chat.headers))


LANES: Lanes = {
    "chat/completions": chat_lane(
        Target(family=lambda _: "anthropic", request=_request, events=MessagesReader, own=OWN, takes_blank=False)
    )
}
