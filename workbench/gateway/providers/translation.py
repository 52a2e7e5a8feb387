"""What a question becomes in another protocol: the requests to send, and how their answers are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote

from yarl import URL

from workbench.errors import InvalidInput
from workbench.settings import ProviderSettings
from workbench.wire.sse import Event

if TYPE_CHECKING:
    from workbench.gateway.unified.form import Form


@dataclass(frozen=True, slots=True)
class Asking:
    """One question to a provider of another protocol."""

    provider: str
    """The provider's name in the configuration."""
    root: URL
    """Root of its API."""
    settings: ProviderSettings
    """What the configuration says of it."""
    model: str
    """The provider's own name of the model."""
    fields: dict[str, Any]
    """The request body in OpenAI's shape."""
    stream: bool
    """Whether the answer is asked for in pieces."""
    form: Form | None = None
    """The multipart body, where it is one."""

    def url(self, path: str, **parts: str) -> URL:
        """Return a URL below the root; `{parts}` of the path are encoded, slashes and colons included."""
        encoded = {name: quote(value, safe="") for name, value in parts.items()}
        return URL(f"{str(self.root).rstrip('/')}/{path.format(**encoded)}", encoded=True)


@dataclass(frozen=True, slots=True)
class Request:
    """One request in the provider's protocol, not yet signed."""

    url: URL
    """Where it goes."""
    body: Any
    """Its JSON body."""
    headers: dict[str, str] = field(default_factory=dict)
    """Its headers, but for the content type and the sign-in."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one event of a provider's stream comes to."""

    chunk: dict[str, Any] | None = None
    """A chunk as litellm dumps it."""
    error: dict[str, Any] | None = None
    """The provider's own words for a failure: `message` and `type`."""
    last: bool = False
    """Whether it ends the answer."""


class EventReader(Protocol):
    """Understands one provider's stream."""

    @property
    def id(self) -> str:
        """The answer's id."""

    @property
    def model(self) -> str:
        """The model that answers."""

    @property
    def whole(self) -> bool:
        """Whether the answer is whole should the stream end here."""

    def read(self, event: Event) -> Step | None:
        """Read one event; raises what litellm's parser raises."""


@dataclass(frozen=True, slots=True)
class Translated:
    """A question in the provider's protocol."""

    requests: list[Request]
    """What is sent; several where the protocol takes one text at a time. A stream has one."""
    whole: Callable[[list[bytes]], bytes]
    """Bodies of the plain answers -> the body in OpenAI's shape."""
    events: Callable[[], EventReader] | None = None
    """What reads a stream."""
    stream_type: str = "text/event-stream"
    """Content type of a stream."""


Lane = Callable[[Asking], Translated]
"""The translation of one operation; raises InvalidInput, or what litellm raises."""
Lanes = Mapping[str, Lane]
"""Operation -> its translation."""


def refuse_unknown(asking: Asking, known: set[str] | frozenset[str], *, harmless: Mapping[str, object]) -> None:
    """Raise InvalidInput for the first field that the target can't honour."""
    for name, value in asking.fields.items():
        if name in known or value is None or is_harmless(name, value, harmless):
            continue
        raise cant_be_honoured(asking, name)


def is_harmless(name: str, value: object, harmless: Mapping[str, object]) -> bool:
    """Tell whether a field, with this value, can be left out: it changes nothing in the answer."""
    return name in harmless and harmless[name] in (ANY, value)


def cant_be_honoured(asking: Asking, name: str) -> InvalidInput:
    """Return the error that names a field."""
    return InvalidInput(
        f"The field {name!r} can't be honoured: {asking.model!r} is answered by {asking.provider!r} "
        f"({asking.settings.kind}), which has no such thing.",
        hint="Leave it out, or name another model.",
        code="unsupported_parameter",
        param=name,
    )


class _Any:
    """Stands for every value."""

    def __repr__(self) -> str:
        return "ANY"


ANY = _Any()
"""In a table of harmless fields: whatever the value."""
