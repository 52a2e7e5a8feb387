"""What a native request asks, as far as the gateway must know: which model, whether in pieces."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import msgspec

from workbench.errors import InvalidInput
from workbench.gateway.dialects.openai_events import look_of
from workbench.gateway.native.body import Passing
from workbench.gateway.native.bounds import choices_of, limited, most_of, output_limit_of
from workbench.gateway.native.reading import Measure, NativeReader
from workbench.gateway.native.rule import Rule
from workbench.gateway.unified.body import decode
from workbench.wire.usage import Usage

_KEY_MODEL = re.compile(rb'"model"', re.IGNORECASE)
_ESCAPED_KEY = re.compile(rb'"(?:\w|\\u00[0-9a-fA-F]{2}){1,24}"\s*:')
_raw_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TOOLS = frozenset({"tools", "functions", "toolConfig", "tool_config"})
_PRIORITY = re.compile(rb'"service_tier"\s*:\s*"priority"')
_MOST_PICTURES = 1000
_ASKS_USAGE = b'"stream_options":{"include_usage":true},'

OF_OTHERS: Mapping[str, str] = {
    "previous_response_id": "responses",
    "conversation": "conversations",
    "cachedContent": "cachedContents",
}
"""Fields by which a body reads what is the whole account's, and the collection that a key's scopes must spell out."""


class _Peek(msgspec.Struct):
    model: str | None = None
    stream: bool | None = None
    stream_options: dict[str, Any] | None = None
    previous_response_id: Any = None
    conversation: Any = None
    cachedContent: Any = None  # noqa: N815 - the protocol's name
    n: Any = None


class _Sizes(msgspec.Struct):
    input: Any = None
    documents: Any = None
    quality: Any = None
    size: Any = None


_peek = msgspec.json.Decoder(_Peek)
_sizes = msgspec.json.Decoder(_Sizes)


@dataclass(kw_only=True)
class NativeQuestion:
    """One request as it goes to its provider."""

    rule: Rule
    """The row of its path."""
    model: str = ""
    """`{provider}/{model}`; empty where it names none."""
    stream: bool = False
    """Whether the answer is asked for in pieces."""
    wants_usage: bool = True
    """Whether events that tell the usage and nothing else are for the caller."""
    size: int = 0
    """Bytes of the body, as far as they are known."""
    body: bytes | Passing | None = None
    """The body as it came, but for `stream_options` where usage must be asked for."""
    reads_of_others: tuple[str, ...] = ()
    """Collections of the whole account that the body reads from."""
    measure: Measure = field(default_factory=Measure)
    """What it tells of the size of its answer."""
    reading: NativeReader = field(init=False)
    """What reads the answer that is under way."""
    only_looks: bool = False
    """Whether its method changes nothing but at most takes something away."""

    @property
    def uses_nothing(self) -> bool:
        """Whether nothing is used: a look, or a path of no model that nothing of the account's is made on."""
        return self.rule.reads == "nothing" and (self.only_looks or self.rule.shared is None)

    @property
    def grade(self) -> str:
        """The service tier that is asked for, where it is dearer than the usual one."""
        return "priority" if isinstance(self.body, bytes) and _PRIORITY.search(self.body) else ""

    @property
    def most(self) -> Usage:
        """The most that it can use, output tokens aside."""
        return most_of(self.rule.reads, self.measure, size=self.size, body=self.body)

    @property
    def uses_tools(self) -> bool:
        """Whether the body names tools; it is looked at only for keys that may not use all features."""
        try:
            return isinstance(self.body, bytes) and not _TOOLS.isdisjoint(_raw_object.decode(self.body))
        except (msgspec.DecodeError, UnicodeDecodeError):  # no object: it names none
            return False

    @property
    def choices(self) -> int:
        """How many answers are asked for."""
        return choices_of(self.rule.reads, self.body)

    @property
    def output_limit(self) -> int | None:
        """Most output tokens of an answer, as the caller asked."""
        return output_limit_of(self.rule.reads, self.body)

    def with_output_limit(self, tokens: int) -> Self | None:
        """Set that limit for each answer; None where its protocol can't say it."""
        body = limited(self.rule.reads, self.rule.pattern, self.body, tokens)
        if body is None:
            return None
        self.body, self.size = body, len(body)
        return self

    def reader(self) -> NativeReader:
        """Return what reads one answer."""
        self.measure.model, self.measure.size = self.model, self.size
        self.reading = NativeReader(self.rule.reads, self.measure)
        return self.reading


def peek_json(question: NativeQuestion, body: bytes) -> str | None:
    """Look into a JSON body; fill in what it asks, and return the model that it names.

    Raises InvalidInput where it is no JSON object, or names its model in two ways.
    """
    told = decode(body, _peek)
    if question.rule.model == "body":
        _check_one_model(body)
    question.stream = question.stream or told.stream is True
    question.body, question.size = body, len(body)
    question.reads_of_others = tuple(what for name, what in OF_OTHERS.items() if getattr(told, name) is not None)
    if isinstance(told.n, int) and 0 < told.n < _MOST_PICTURES:
        question.measure.pictures = told.n
    if question.rule.reads in ("speech", "ranking", "pictures"):
        sizes = _sizes.decode(body)
        question.measure.characters = len(sizes.input) if isinstance(sizes.input, str) else 0
        question.measure.look = look_of(sizes.quality, sizes.size)
        question.measure.documents = len(sizes.documents) if isinstance(sizes.documents, list) else 0
    if question.rule.reads == "chat" and told.stream is True:
        _ask_usage(question, body, told.stream_options)
    return told.model


def _check_one_model(body: bytes) -> None:
    """Refuse a second `model`, in whatever spelling: the provider might believe another one than the gateway."""
    plain = len(_KEY_MODEL.findall(body)) == 1
    if plain and not (b"\\u00" in body and any(b"\\u" in found for found in _ESCAPED_KEY.findall(body))):
        return
    names: list[str] = []

    def note(pairs: list[tuple[str, Any]]) -> None:
        names[:] = [name for name, _ in pairs]  # the outermost object comes last

    json.loads(body, object_pairs_hook=note)
    if sum(name.lower() == "model" for name in names) > 1:
        raise InvalidInput("The request body names its model twice.", hint="Send `model` once.", param="model")


def _ask_usage(question: NativeQuestion, body: bytes, options: dict[str, Any] | None) -> None:
    """Have the provider tell the usage of a stream; the extra frame is for callers who asked themselves."""
    if options is not None and options.get("include_usage") is True:
        return
    question.wants_usage = False
    if options is None and b'"stream_options"' not in body:
        start = body.index(b"{") + 1
        question.body = body[:start] + _ASKS_USAGE + body[start:]
    else:
        fields = _raw_object.decode(body)
        fields["stream_options"] = msgspec.Raw(msgspec.json.encode({**(options or {}), "include_usage": True}))
        question.body = msgspec.json.encode(fields)
