"""What simulated models say: always the same for the same question, and counted the same way in every protocol.

A model echoes the last turn. Where it was given tools it calls them first, where it was given a schema its answer fits.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from workbench.simulator.reply import Refused
from workbench.simulator.schema import fit

_ECHO = "echo: "
IMAGE_TOKENS = 85
"""Tokens that a picture, a sound or a document in a question counts."""

Ending = Literal["stop", "length", "stop_sequence", "tools"]


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call."""

    name: str
    """Its name."""
    schema: dict[str, Any]
    """JSON schema of its arguments."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a conversation, in no provider's words."""

    role: str
    """system, user, assistant or tool."""
    text: str
    """Its texts; a picture, sound or document stands in it as a note of its type, size and hash."""
    media: int = 0
    """How many pictures, sounds and documents it has."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a request asks of a model."""

    turns: list[Turn]
    """The conversation."""
    tools: list[Tool] = field(default_factory=list)
    """What it may call; the tools that a choice rules out are left out."""
    schema: dict[str, Any] | None = None
    """What its answer must fit."""
    limit: int | None = None
    """Most tokens of the answer."""
    stops: tuple[str, ...] = ()
    """Texts at which the answer ends."""
    reasoning: int = 0
    """Tokens that it thinks before it answers."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call that the model makes."""

    name: str
    """The tool."""
    arguments: dict[str, Any]
    """They fit the tool's schema."""

    @property
    def written(self) -> str:
        """Return the arguments as JSON."""
        return msgspec.json.encode(self.arguments).decode()


@dataclass(frozen=True, slots=True)
class Answer:
    """A text, or calls of tools, and what they used."""

    pieces: tuple[str, ...]
    """The text as a stream gives it out, a token each; empty where tools are called."""
    calls: tuple[ToolCall, ...]
    """The tools that are called."""
    input_tokens: int
    """Words of the question, and 85 for each picture, sound or document."""
    output_tokens: int
    """Pieces of the answer, thinking included."""
    reasoning_tokens: int
    """Those that it thought."""
    ending: Ending
    """Why it ended."""
    thought: str = "The last turn is to be echoed."
    """What it thought, where it was asked to think."""

    @property
    def text(self) -> str:
        """Return the whole text."""
        return "".join(self.pieces)

    @property
    def total_tokens(self) -> int:
        """Return input and output together."""
        return self.input_tokens + self.output_tokens


def answer_to(wish: Wish) -> Answer:
    """Return what a model says: calls of all its tools, an object that fits, or the echo of the last turn."""
    last = wish.turns[-1] if wish.turns else Turn("user", "")
    text = f"{_ECHO}{last.text}"
    asked = sum(len(turn.text.split()) for turn in wish.turns) + IMAGE_TOKENS * sum(t.media for t in wish.turns)
    if wish.tools and last.role != "tool":
        calls = tuple(ToolCall(tool.name, arguments_for(tool, text)) for tool in wish.tools)
        used = len(_pieces(text)[: wish.limit])
        return Answer((), calls, asked or 1, used + wish.reasoning, wish.reasoning, "tools")
    ending: Ending = "stop"
    if wish.schema is not None:
        text = msgspec.json.encode(fit(wish.schema, text)).decode()
    for stop in wish.stops:
        if stop and stop in text:
            text, ending = text.partition(stop)[0], "stop_sequence"
    pieces = _pieces(text)
    if wish.limit and len(pieces) > wish.limit:
        pieces, ending = pieces[: wish.limit], "length"
    return Answer(pieces, (), asked or 1, len(pieces) + wish.reasoning, wish.reasoning, ending)


def arguments_for(tool: Tool, text: str) -> dict[str, Any]:
    """Return arguments that fit a tool; a tool without a schema gets the text."""
    fitting = fit(tool.schema, text) if tool.schema.get("properties") else None
    return fitting if isinstance(fitting, dict) else {"text": text}


def vector_of(text: str, dimensions: int = 8) -> list[float]:
    """Return a vector that depends on the text alone."""
    raw = hashlib.sha256(text.encode()).digest()
    return [(raw[i % len(raw)] - 127.5) / 127.5 for i in range(dimensions)]


def note_of(kind: str, data: str | bytes) -> str:
    """Return how a picture, sound or document is told in an echo; raises Refused where its base64 is broken."""
    try:
        raw = base64.b64decode(data, validate=True) if isinstance(data, str) else data
    except (binascii.Error, ValueError) as error:
        raise Refused(400, f"The {kind} data is no base64.") from error
    return f"[{kind} {len(raw)} bytes {hashlib.sha256(raw).hexdigest()[:8]}]"


def words_of(text: str) -> int:
    """Return the tokens of a text as simulated models count them."""
    return len(text.split())


def _pieces(text: str) -> tuple[str, ...]:
    return tuple(word if number == 0 else f" {word}" for number, word in enumerate(text.split(" ")))
