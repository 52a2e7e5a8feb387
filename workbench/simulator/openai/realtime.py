"""The Realtime API over a WebSocket: text or audio in, the echo of it out, usage with each response.

Source: OpenAI's API reference, Realtime client and server events.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import msgspec

from workbench.simulator.answer import Answer, Turn, Wish, answer_to, note_of
from workbench.simulator.billing.used import Used
from workbench.simulator.exchange import Exchange
from workbench.simulator.openai.content import tools_of, turn_of
from workbench.simulator.reply import Refused
from workbench.simulator.sound import spoken

_SOUND = "audio/pcm"


class Realtime:
    """One session."""

    def __init__(self, exchange: Exchange) -> None:
        if not exchange.model:
            raise Refused(400, "You must provide a model parameter.", code="missing_model")
        self._session: dict[str, Any] = {
            "type": "realtime",
            "object": "realtime.session",
            "id": "sess_simulated",
            "model": exchange.model,
            "output_modalities": ["text"],
            "instructions": "",
            "tools": [],
        }
        self.model = exchange.model
        self.used: list[Used] = []
        self._turns: list[Turn] = []
        self._sound = b""
        self._made = 0

    def opening(self) -> Iterator[str]:
        """Yield `session.created`."""
        yield self._event("session.created", session=self._session)

    def answer(self, message: dict[str, Any]) -> Iterator[str]:
        """Yield what an event of the client brings about."""
        match message.get("type"):
            case "session.update":
                self._session |= message.get("session") or {}
                yield self._event("session.updated", session=self._session)
            case "conversation.item.create":
                yield from self._taken(message.get("item") or {})
            case "input_audio_buffer.append":
                self._sound += base64.b64decode(message.get("audio") or "")
            case "input_audio_buffer.clear":
                self._sound = b""
                yield self._event("input_audio_buffer.cleared")
            case "input_audio_buffer.commit":
                yield self._event("input_audio_buffer.committed", item_id=self._name("item"), previous_item_id=None)
                self._turns.append(Turn("user", note_of(_SOUND, self._sound), 1))
                self._sound = b""
            case "response.create":
                yield from self._response(message.get("response") or {})
            case "response.cancel":
                yield self._error("Cancellation failed: no active response found", "response_cancel_not_active")
            case other:
                yield self._error(f"Invalid value: {other!r}.", "invalid_value")

    def _taken(self, item: dict[str, Any]) -> Iterator[str]:
        told = {"id": self._name("item"), "object": "realtime.item", "status": "completed", **item}
        if item.get("type") == "function_call_output":
            self._turns.append(Turn("tool", str(item.get("output", ""))))
        else:
            try:
                self._turns.append(turn_of({"role": "user", **item}))
            except Refused as refused:
                yield self._error(refused.message, "invalid_value")
                return
        yield self._event("conversation.item.added", item=told, previous_item_id=None)
        yield self._event("conversation.item.done", item=told, previous_item_id=None)

    def _response(self, wanted: dict[str, Any]) -> Iterator[str]:
        limit = wanted.get("max_output_tokens", self._session.get("max_output_tokens"))
        answer = answer_to(
            Wish(
                turns=self._turns,
                tools=tools_of({"tools": wanted.get("tools") or self._session.get("tools")}),
                limit=limit if isinstance(limit, int) else None,
            )
        )
        aloud = "audio" in (wanted.get("output_modalities") or self._session["output_modalities"])
        response = {
            "object": "realtime.response",
            "id": self._name("resp"),
            "status": "in_progress",
            "status_details": None,
            "output": [],
            "output_modalities": ["audio" if aloud else "text"],
            "usage": None,
            "metadata": wanted.get("metadata"),
        }
        yield self._event("response.created", response=response)
        items = list(self._items(answer, aloud=aloud))
        for index, item in enumerate(items):
            at = {"response_id": response["id"], "output_index": index}
            yield self._event("response.output_item.added", item={**item, "status": "in_progress"}, **at)
            yield from self._deltas(answer, item, at, aloud=aloud)
            yield self._event("response.output_item.done", item=item, **at)
        status = "incomplete" if answer.ending == "length" else "completed"
        done = {**response, "status": status, "output": items, "usage": _usage(answer, aloud=aloud)}
        audio = answer.output_tokens if aloud else 0
        self.used.append(Used(input=answer.input_tokens, output=answer.output_tokens - audio, audio_output=audio))
        yield self._event("response.done", response=done)
        self._turns.append(Turn("assistant", answer.text))

    def _items(self, answer: Answer, *, aloud: bool) -> Iterator[dict[str, Any]]:
        told = {"object": "realtime.item", "status": "completed"}
        for call in answer.calls:
            named = {"name": call.name, "call_id": self._name("call"), "arguments": call.written}
            yield {"id": self._name("item"), "type": "function_call", **told, **named}
        if not answer.calls:
            text = {"type": "output_text", "text": answer.text}
            part = {"type": "output_audio", "transcript": answer.text} if aloud else text
            yield {"id": self._name("item"), "type": "message", "role": "assistant", **told, "content": [part]}

    def _deltas(self, answer: Answer, item: dict[str, Any], at: dict[str, Any], *, aloud: bool) -> Iterator[str]:
        at = {**at, "item_id": item["id"]}
        if item["type"] == "function_call":
            called = {**at, "call_id": item["call_id"]}
            yield self._event("response.function_call_arguments.delta", delta=item["arguments"], **called)
            told = {"arguments": item["arguments"], "name": item["name"]}
            yield self._event("response.function_call_arguments.done", **told, **called)
            return
        at, kind = {**at, "content_index": 0}, "output_audio_transcript" if aloud else "output_text"
        yield self._event("response.content_part.added", part={"type": "audio" if aloud else "text"}, **at)
        for piece in answer.pieces:
            yield self._event(f"response.{kind}.delta", delta=piece, **at)
            if aloud:
                sound = base64.b64encode(spoken(piece, "pcm")).decode()
                yield self._event("response.output_audio.delta", delta=sound, **at)
        if aloud:
            yield self._event("response.output_audio.done", **at)
        yield self._event(f"response.{kind}.done", **{"transcript" if aloud else "text": answer.text}, **at)
        yield self._event("response.content_part.done", part={"type": "audio" if aloud else "text"}, **at)

    def _name(self, prefix: str) -> str:
        self._made += 1
        return f"{prefix}_simulated_{self._made}"

    def _error(self, message: str, code: str) -> str:
        told = {"type": "invalid_request_error", "code": code, "message": message, "param": None, "event_id": None}
        return self._event("error", error=told)

    def _event(self, kind: str, **fields: Any) -> str:
        return msgspec.json.encode({"type": kind, "event_id": self._name("event"), **fields}).decode()


def _usage(answer: Answer, *, aloud: bool) -> dict[str, Any]:
    audio = answer.output_tokens if aloud else 0
    return {
        "total_tokens": answer.total_tokens,
        "input_tokens": answer.input_tokens,
        "output_tokens": answer.output_tokens,
        "input_token_details": {"cached_tokens": 0, "text_tokens": answer.input_tokens, "audio_tokens": 0},
        "output_token_details": {"text_tokens": answer.output_tokens - audio, "audio_tokens": audio},
    }
