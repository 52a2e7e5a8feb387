"""What a provider is to the gateway: something that answers a question, whole or as a stream of events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from yarl import URL

from workbench.errors import InvalidInput, ProviderError, ProviderUnavailable
from workbench.gateway.providers.signin.sign_in import SignIn
from workbench.settings import Kind, Timeouts
from workbench.wire.sse import Event

if TYPE_CHECKING:
    from workbench.gateway.unified.form import Form


class Question(Protocol):
    """What a caller asks, as a provider sees it."""

    @property
    def operation(self) -> str:
        """Path below the provider's base URL, such as `chat/completions`."""

    @property
    def forwarded(self) -> Mapping[str, str]:
        """Request headers that the provider may see."""

    @property
    def method(self) -> str:
        """HTTP method; one that is not POST has no body."""

    @property
    def query(self) -> Mapping[str, str]:
        """What stands behind the path."""

    @property
    def form(self) -> Form | None:
        """The multipart body, where it is one; its plain fields stand in `body_for` too."""

    @property
    def binary(self) -> bool:
        """Whether a plain answer is bytes, passed on as they come."""

    def body_for(self, model: str) -> bytes:
        """Return the request body with the provider's own name of the model; the rest as it came."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A plain answer."""

    body: bytes
    """The whole body."""
    request_id: str | None
    """The provider's own."""
    status: int = 200
    """HTTP status; on a unified path always a success."""
    content_type: bytes = b"application/json"
    """What the body is."""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    """Headers that go on to the caller."""
    limits: Mapping[str, str] | None = None
    """Headers among which the provider tells what is left of its limits."""
    asked: bool = True
    """Whether the provider was asked; else the gateway knew the answer, which tells nothing of how that is doing."""


class Stream(Protocol):
    """A streamed answer whose first events are there."""

    @property
    def request_id(self) -> str | None:
        """The provider's own."""

    @property
    def status(self) -> int:
        """HTTP status; on a unified path always a success."""

    @property
    def content_type(self) -> bytes:
        """What the stream is."""

    @property
    def headers(self) -> tuple[tuple[bytes, bytes], ...]:
        """Headers that go on to the caller."""

    @property
    def limits(self) -> Mapping[str, str] | None:
        """Headers among which the provider tells what is left of its limits."""

    @property
    def cut(self) -> bool:
        """Whether the connection ended before the body did."""

    async def next(self) -> list[Event]:
        """Return the events that have come since, in order; an empty list at the end."""

    async def finish(self) -> None:
        """Let go of the connection after the terminal event, for the next call if it is good."""

    def abort(self) -> None:
        """Stop the provider at once; harmless after the end."""


class Provider(Protocol):
    """One entry of `[providers]`. The verbs raise ProviderError, ProviderLimit or CallerRefused."""

    name: str
    kind: Kind
    timeouts: Timeouts

    @property
    def base_url(self) -> URL:
        """Root of its API, as configured or as its SDK documents; known once it is `ready`."""

    @property
    def signin(self) -> SignIn:
        """What shows it who the gateway is; known once it is `ready`."""

    @property
    def ready(self) -> bool:
        """Whether there is nothing to prepare."""

    async def prepare(self) -> None:
        """Start or load what the first call needs; no time-out but the whole call's counts meanwhile."""

    async def answer(self, question: Question, model: str) -> Whole | Stream:
        """Ask for a plain answer; bytes may come as they are made."""

    async def stream(self, question: Question, model: str) -> Stream:
        """Ask for a stream and wait for its first event."""

    async def close(self) -> None:
        """Let go of what the provider holds."""


class ConnectionDropped(ProviderError):
    """The connection ended before a byte of the answer; one that had gone stale is worth a second try."""


class ProviderFailed(ProviderError):
    """It answered an error of its own (5xx) in the place of an answer."""


NOTHING_MADE = (ConnectionDropped, ProviderFailed, ProviderUnavailable)
"""Failures with which nothing was made that could be charged for: the same place may be asked again. All others (what
broke off, can't be read, is too large or came too late) may be an answer that was made."""


class AnswerBroken(ProviderError):
    """The connection ended in the middle of a plain answer."""


class CallerRefused(InvalidInput):
    """A provider refused what the caller sent, with a status and an error object of its own, both kept."""

    def __init__(self, message: str, *, answered: int, fields: Mapping[str, object]) -> None:
        code = fields.get("code")
        super().__init__(message, code=str(code) if code else "refused_by_provider")
        self.answered = answered
        self.fields = fields
