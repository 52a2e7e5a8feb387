"""The Live API over a WebSocket: a set-up first, then turns, each answered by its echo; messages are binary.

Source: Gemini API reference, Live API (BidiGenerateContent).
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import msgspec

from workbench.simulator.answer import Answer, answer_to, note_of
from workbench.simulator.billing.used import Used, used_by
from workbench.simulator.exchange import Exchange
from workbench.simulator.gemini.content import pick, wish_of
from workbench.simulator.reply import Refused
from workbench.simulator.sound import spoken


class Live:
    """One session."""

    def __init__(self, _exchange: Exchange) -> None:
        self._setup: dict[str, Any] | None = None
        self._contents: list[dict[str, Any]] = []
        self._called = 0
        self.model = ""
        self.used: list[Used] = []

    def opening(self) -> Iterator[bytes]:
        """Yield nothing: the client speaks first."""
        return iter(())

    def answer(self, message: dict[str, Any]) -> Iterator[bytes]:
        """Yield what a message of the client brings about; raises Refused where it comes before the set-up."""
        if "setup" in message:
            self._setup = message["setup"]
            self.model = str(self._setup.get("model", "")).rpartition("/")[2]
            yield _written({"setupComplete": {}})
            return
        if self._setup is None:
            raise Refused(400, "setup must be the first message and only the first.")
        turns, complete = self._taken(message)
        self._contents += turns
        if complete:
            yield from self._answered()

    def _taken(self, message: dict[str, Any]) -> tuple[list[dict[str, Any]], bool]:
        """Return the contents of a message, and whether the model is to answer."""
        content, sound = pick(message, "clientContent"), pick(message, "realtimeInput")
        results = pick(message, "toolResponse")
        if content is not None:
            return list(content.get("turns") or ()), bool(pick(content, "turnComplete", default=True))
        if results is not None:
            answers = pick(results, "functionResponses") or ()
            return [{"role": "user", "parts": [{"functionResponse": answer} for answer in answers]}], True
        if sound is not None and sound.get("text"):
            return [{"role": "user", "parts": [{"text": sound["text"]}]}], True
        if sound is not None and sound.get("audio"):
            told = note_of(str(pick(sound["audio"], "mimeType")), str(sound["audio"].get("data", "")))
            return [{"role": "user", "parts": [{"text": told}]}], False
        return [], bool(sound and pick(sound, "audioStreamEnd"))

    def _answered(self) -> Iterator[bytes]:
        assert self._setup is not None
        config = pick(self._setup, "generationConfig") or {}
        asked = {**self._setup, "contents": self._contents or [{"parts": [{"text": ""}]}]}
        answer = answer_to(wish_of(asked))
        self.used += used_by(answer)
        if answer.calls:
            calls = []
            for call in answer.calls:
                self._called += 1
                calls.append({"id": f"call_{self._called}", "name": call.name, "args": call.arguments})
            yield _written({"toolCall": {"functionCalls": calls}, "usageMetadata": _usage(answer)})
            return
        aloud = "AUDIO" in (pick(config, "responseModalities") or ())
        for piece in answer.pieces:
            yield _written({"serverContent": {"modelTurn": {"role": "model", "parts": [_part(piece, aloud=aloud)]}}})
        yield _written({"serverContent": {"generationComplete": True}})
        yield _written({"serverContent": {"turnComplete": True}, "usageMetadata": _usage(answer)})
        self._contents.append({"role": "model", "parts": [{"text": answer.text}]})


def _part(piece: str, *, aloud: bool) -> dict[str, Any]:
    if not aloud:
        return {"text": piece}
    data = base64.b64encode(spoken(piece, "pcm")).decode()
    return {"inlineData": {"mimeType": "audio/pcm;rate=8000", "data": data}}


def _usage(answer: Answer) -> dict[str, Any]:
    return {
        "promptTokenCount": answer.input_tokens,
        "responseTokenCount": answer.output_tokens,
        "totalTokenCount": answer.total_tokens,
    }


def _written(message: dict[str, Any]) -> bytes:
    return msgspec.json.encode(message)
