"""Where the texts of a stream stand, in each protocol: which fields, which of them go together, and where they end."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from workbench.wire.json_strings import Path


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of a text."""

    path: Path
    """Where it stands in the event."""
    text: str
    """The piece."""
    channel: Hashable
    """Which text it is a piece of."""
    within_json: bool = False
    """Whether that text is JSON itself."""


class Deltas(Protocol):
    """One protocol."""

    def found(self, event: dict[str, Any], name: str) -> Iterator[Delta]:
        """Yield the pieces of text in an event."""

    def ends(self, event: dict[str, Any] | None, name: str, channel: Hashable) -> bool:
        """Tell whether a text has ended with an event; None stands for an event that is no JSON object."""

    def more(self, event: dict[str, Any] | None, channel: Hashable, text: str) -> tuple[str, dict[str, Any]]:
        """Return name and content of an event that brings one more piece of a text."""


class ChatDeltas:
    """OpenAI's chat completions and completions."""

    def found(self, event: dict[str, Any], _name: str) -> Iterator[Delta]:
        """Yield the texts, refusals and arguments of the choices."""
        for place, choice in _objects(event.get("choices")):
            at: Path = ("choices", place)
            index = choice.get("index", place)
            if isinstance(text := choice.get("text"), str):
                yield Delta((*at, "text"), text, (index, "text"))
            delta = choice.get("delta")
            if not isinstance(delta, dict):
                continue
            for name in ("content", "refusal", "reasoning_content"):
                if isinstance(text := delta.get(name), str):
                    yield Delta((*at, "delta", name), text, (index, name))
            for number, tool in _objects(delta.get("tool_calls")):
                function = tool.get("function")
                if isinstance(function, dict) and isinstance(text := function.get("arguments"), str):
                    path = (*at, "delta", "tool_calls", number, "function", "arguments")
                    yield Delta(path, text, (index, "tool", tool.get("index", number)), within_json=True)

    def ends(self, event: dict[str, Any] | None, _name: str, channel: Any) -> bool:
        """Tell whether a choice has a reason to be finished; `[DONE]` ends all."""
        if event is None:
            return True
        return any(
            choice.get("index", place) == channel[0] and choice.get("finish_reason")
            for place, choice in _objects(event.get("choices"))
        )

    def more(self, event: dict[str, Any] | None, channel: Any, text: str) -> tuple[str, dict[str, Any]]:
        """Return a chunk like the one that is at hand, with one more piece."""
        head = {name: value for name, value in (event or {}).items() if name not in ("choices", "usage")}
        index, name, *which = channel
        if name == "text":
            return "", {**head, "choices": [{"index": index, "text": text, "finish_reason": None}]}
        piece: dict[str, Any] = {name: text}
        if name == "tool":
            piece = {"tool_calls": [{"index": which[0], "function": {"arguments": text}}]}
        return "", {**head, "choices": [{"index": index, "delta": piece, "finish_reason": None}]}


class ResponseDeltas:
    """OpenAI's responses: pieces, and then the same texts whole."""

    _texts = frozenset({"text", "arguments", "refusal", "input"})

    def found(self, event: dict[str, Any], _name: str) -> Iterator[Delta]:
        """Yield the piece of a `.delta`, else every text."""
        kind = str(event.get("type"))
        if kind.endswith(".delta"):
            if isinstance(text := event.get("delta"), str):
                channel = (kind.removesuffix(".delta"), event.get("item_id"), event.get("content_index"))
                yield Delta(("delta",), text, channel, within_json="arguments" in kind)
            return
        yield from self._whole(event, ())

    def _whole(self, value: Any, path: Path) -> Iterator[Delta]:
        inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for name, one in inner:
            if isinstance(one, str) and name in self._texts:
                yield Delta((*path, name), one, ("whole", path, name), within_json=name == "arguments")
            else:
                yield from self._whole(one, (*path, name))

    def ends(self, event: dict[str, Any] | None, _name: str, channel: Any) -> bool:
        """Tell whether a text is done; whole ones end where they begin."""
        if event is None or channel[0] == "whole":
            return True
        where = (event.get("item_id"), event.get("content_index"))
        return event.get("type") == f"{channel[0]}.done" and where == channel[1:]

    def more(self, event: dict[str, Any] | None, channel: Any, text: str) -> tuple[str, dict[str, Any]]:
        """Return one more delta, at the place of the event that is at hand."""
        kind = f"{channel[0]}.delta"
        places = ("item_id", "output_index", "content_index", "sequence_number")
        told = {name: (event or {})[name] for name in places if name in (event or {})}
        return kind, {"type": kind, **told, "delta": text}


class OpenAIDeltas:
    """OpenAI's streams of chunks, and of typed events."""

    _chunks, _events = ChatDeltas(), ResponseDeltas()

    def found(self, event: dict[str, Any], name: str) -> Iterator[Delta]:
        """Yield the pieces of text in an event."""
        return (self._events if "type" in event else self._chunks).found(event, name)

    def ends(self, event: dict[str, Any] | None, name: str, channel: Any) -> bool:
        """Tell whether a text has ended with an event."""
        typed = event is not None and "type" in event
        return (self._events if typed else self._chunks).ends(event, name, channel)

    def more(self, event: dict[str, Any] | None, channel: Any, text: str) -> tuple[str, dict[str, Any]]:
        """Return one more piece."""
        typed = event is not None and "type" in event
        return (self._events if typed else self._chunks).more(event, channel, text)


class MessageDeltas:
    """Anthropic's messages. Thoughts are signed, so they stay as they are."""

    def found(self, event: dict[str, Any], _name: str) -> Iterator[Delta]:
        """Yield the text or the partial JSON of a block."""
        delta = event.get("delta")
        if event.get("type") != "content_block_delta" or not isinstance(delta, dict):
            return
        for name, within_json in (("text", False), ("partial_json", True)):
            if isinstance(text := delta.get(name), str):
                yield Delta(("delta", name), text, (event.get("index"), name), within_json)

    def ends(self, event: dict[str, Any] | None, _name: str, channel: Any) -> bool:
        """Tell whether a block has stopped, or the message."""
        if event is None or event.get("type") == "message_stop":
            return True
        return event.get("type") == "content_block_stop" and event.get("index") == channel[0]

    def more(self, _event: dict[str, Any] | None, channel: Any, text: str) -> tuple[str, dict[str, Any]]:
        """Return one more delta of a block."""
        index, name = channel
        kind = "text_delta" if name == "text" else "input_json_delta"
        told = {"type": "content_block_delta", "index": index, "delta": {"type": kind, name: text}}
        return "content_block_delta", told


class GenerateDeltas:
    """Google's generateContent; the arguments of a function come whole."""

    def found(self, event: dict[str, Any], _name: str) -> Iterator[Delta]:
        """Yield the texts of the candidates."""
        for place, candidate in _objects(event.get("candidates")):
            content = candidate.get("content")
            for number, part in _objects(content.get("parts") if isinstance(content, dict) else None):
                if isinstance(text := part.get("text"), str):
                    channel = (candidate.get("index", place), bool(part.get("thought")))
                    yield Delta(("candidates", place, "content", "parts", number, "text"), text, channel)

    def ends(self, event: dict[str, Any] | None, _name: str, channel: Any) -> bool:
        """Tell whether a candidate has a reason to be finished."""
        return event is not None and any(
            candidate.get("index", place) == channel[0] and candidate.get("finishReason")
            for place, candidate in _objects(event.get("candidates"))
        )

    def more(self, _event: dict[str, Any] | None, channel: Any, text: str) -> tuple[str, dict[str, Any]]:
        """Return one more piece of a candidate."""
        index, thought = channel
        part = {"text": text, "thought": True} if thought else {"text": text}
        return "", {"candidates": [{"content": {"role": "model", "parts": [part]}, "index": index}]}


class ConverseDeltas:
    """Bedrock's Converse."""

    def found(self, event: dict[str, Any], name: str) -> Iterator[Delta]:
        """Yield the text or the tool's input of a block."""
        delta = event.get("delta")
        if name != "contentBlockDelta" or not isinstance(delta, dict):
            return
        index = event.get("contentBlockIndex", 0)
        if isinstance(text := delta.get("text"), str):
            yield Delta(("delta", "text"), text, (index, "text"))
        tool = delta.get("toolUse")
        if isinstance(tool, dict) and isinstance(text := tool.get("input"), str):
            yield Delta(("delta", "toolUse", "input"), text, (index, "toolUse"), within_json=True)

    def ends(self, event: dict[str, Any] | None, name: str, channel: Any) -> bool:
        """Tell whether a block has stopped, or the message."""
        if name == "messageStop":
            return True
        return name == "contentBlockStop" and (event or {}).get("contentBlockIndex", 0) == channel[0]

    def more(self, _event: dict[str, Any] | None, channel: Any, text: str) -> tuple[str, dict[str, Any]]:
        """Return one more delta of a block."""
        index, name = channel
        delta = {"text": text} if name == "text" else {"toolUse": {"input": text}}
        return "contentBlockDelta", {"contentBlockIndex": index, "delta": delta}


def _objects(value: object) -> Iterator[tuple[int, dict[str, Any]]]:
    if isinstance(value, list):
        yield from ((place, one) for place, one in enumerate(value) if isinstance(one, dict))
