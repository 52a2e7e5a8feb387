"""What a caller asks on a unified path: the few fields that the gateway reads, and all the others as they came."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Self

import msgspec

from workbench.errors import InvalidInput
from workbench.gateway.admission.later import Later
from workbench.gateway.admission.prompt import prompt_bound
from workbench.gateway.dialects.openai import UsageReader
from workbench.gateway.dialects.reader import MOST_SEARCHES, Reader
from workbench.gateway.unified.form import Form
from workbench.settings import Kind
from workbench.wire.references import named_only
from workbench.wire.usage import Usage

_raw_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_NOTHING = Usage()
_NEWER_LIMIT, _OLDER_LIMIT = "max_completion_tokens", "max_tokens"
_KNOW_NEWER = ("openai", "azure")
_READ = frozenset({
    "model", "stream", "stream_options", "n", "max_tokens", "max_completion_tokens", "max_output_tokens", "messages",
    "input", "tools", "previous_response_id", "conversation", "store", "background",
})  # fmt: skip
"""Fields by which the gateway decides what a caller may do."""
_TOOLS = frozenset({"tools", "functions", "web_search_options"})
_PRIORITY = msgspec.Raw(b'"priority"')


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """One request as it goes to a provider."""

    operation: str
    """Path below a provider's base URL."""
    model: str
    """The name that the caller used; empty where the request names none."""
    size: int
    """Bytes of the request body."""
    fields: dict[str, msgspec.Raw]
    """The body's fields, not understood; those of a form that are no files, as JSON strings."""
    forwarded: Mapping[str, str]
    """Request headers that the provider may see."""
    stream: bool = False
    """Whether the answer comes in events."""
    asks_usage: bool = False
    """Whether usage comes only to those who ask for it, in `stream_options`."""
    wants_usage: bool = False
    """Whether the caller asked for the frame that tells the usage."""
    reader: Callable[[], Reader] = UsageReader
    """What reads one answer to it."""
    pieces: Usage = _NOTHING
    """The most that it can use of what is no token: pictures, seconds, characters, searches."""
    choices: int = 1
    """How many answers are asked for."""
    output_limit: int | None = 0
    """Most output tokens of an answer, as the caller asked; 0 where there are none, None if nothing was said."""
    limit_field: str | None = None
    """Where an output limit stands."""
    limited: bool = False
    """Whether the gateway set that limit."""
    binary: bool = False
    """Whether a plain answer is bytes, passed on as they come."""
    method: str = "POST"
    """HTTP method."""
    query: Mapping[str, str] = {}
    """What stands behind the path."""
    form: Form | None = None
    """The multipart body, where it is one."""
    free: bool = False
    """Whether no model is asked, so that nothing is used."""
    later: Later | None = None
    """The work that it begins, where that is billed when it has ended."""

    @property
    def grade(self) -> str:
        """The service tier that is asked for, where it is dearer than the usual one."""
        return "priority" if self.fields.get("service_tier") == _PRIORITY else ""

    @property
    def uses_tools(self) -> bool:
        """Whether the model may call tools."""
        return not _TOOLS.isdisjoint(self.fields)

    @property
    def most(self) -> Usage:
        """The most that it can use, output tokens aside: for the prompt, a token a byte."""
        if self.free:
            return self.pieces
        size = self.size if self.form is None else sum(len(bytes(value)) for value in self.fields.values())
        return self._beside_pieces(size + self._named_only())

    @property
    def counted(self) -> Usage:
        """As `most`, but a token for each byte of the prompt's texts alone; it takes longer to tell."""
        if self.form is not None:
            return self.most
        return self._beside_pieces(prompt_bound(self.fields) + self._named_only())

    def _beside_pieces(self, tokens: int) -> Usage:
        pieces, searches = self.pieces, self._searches()
        if pieces is _NOTHING:  # nearly all questions, and it takes a fraction of the time
            return Usage(input_tokens=tokens, queries=searches)
        return msgspec.structs.replace(
            pieces, input_tokens=pieces.input_tokens + tokens, queries=pieces.queries + searches
        )

    def _searches(self) -> int:
        """Return how many searches a model may make that is given the tool for it."""
        fields = self.fields
        given = "web_search_options" in fields or ("tools" in fields and b"web_search" in bytes(fields["tools"]))
        return MOST_SEARCHES if given else 0

    def _named_only(self) -> int:
        """Return what pictures and files may add that are not in the body itself."""
        fields, more = self.fields, 0
        for name in ("messages", "input"):
            if name in fields:
                more += named_only(bytes(fields[name]))
        return more

    def with_output_limit(self, tokens: int) -> Self | None:
        """Return the same question with that limit for each answer; None where its protocol can't say it."""
        if self.limit_field is None:
            return None
        fields = {**self.fields, self.limit_field: _raw(tokens)}
        return msgspec.structs.replace(self, fields=fields, output_limit=tokens, limited=True)

    def known_to(self, kind: Kind) -> Self:
        """Return the question with a limit of the gateway under the name that a kind of provider knows."""
        if not self.limited or self.limit_field != _NEWER_LIMIT or kind in _KNOW_NEWER:
            return self
        fields = {name: value for name, value in self.fields.items() if name != _NEWER_LIMIT}
        return msgspec.structs.replace(self, fields={**fields, _OLDER_LIMIT: self.fields[_NEWER_LIMIT]})

    def body_for(self, model: str) -> bytes:
        """Return the body for a provider: every field as it came but the model's name, and usage always asked for."""
        fields = dict(self.fields)
        if self.model:
            fields["model"] = _raw(model)
        if self.stream and self.asks_usage and not self.wants_usage:
            asked = fields.get("stream_options")
            options = (msgspec.json.decode(asked) if asked is not None else None) or {}
            fields["stream_options"] = _raw({**options, "include_usage": True})
        return msgspec.json.encode(fields)


def raw_fields(body: bytes) -> dict[str, msgspec.Raw]:
    """Return the fields of a JSON object, each as it came; raises InvalidInput for one that is spelled oddly.

    Servers in Go read `Model` as `model`: what the gateway has not looked at would win over what it has.
    """
    fields = _raw_object.decode(body)
    for name in fields:
        folded = name.casefold()
        if folded != name and folded in _READ:
            raise InvalidInput(
                f"The request body is wrong: {name!r} is not spelled {folded!r}.",
                hint="Compare with OpenAI's API reference.",
                param=name,
            )
    return fields


def _raw(value: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))
