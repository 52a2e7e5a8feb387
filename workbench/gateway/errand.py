"""What a request is for: a unified operation, or a path of a provider's own. The life of a call is the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from workbench.gateway.dialects.dialect import Dialect, Headers
from workbench.gateway.dialects.reader import Reader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive

    from workbench.gateway.access.keys import Key
    from workbench.gateway.parts import Parts
    from workbench.gateway.providers.provider import Provider, Stream, Whole
    from workbench.gateway.routing.attempts import Attempt, Attempts


class Preparable(Protocol):
    """What may have to be fetched, started or loaded before it is of use."""

    @property
    def ready(self) -> bool:
        """Whether there is nothing to prepare."""

    async def prepare(self) -> None:
        """Make it ready."""


class Question(Protocol):
    """What is asked, as the life of a call sees it."""

    @property
    def model(self) -> str:
        """The name that scopes and the ledger know; empty where the request names no model."""

    @property
    def stream(self) -> bool:
        """Whether the answer is asked for in pieces."""

    @property
    def wants_usage(self) -> bool:
        """Whether events that tell the usage and nothing else are for the caller."""

    @property
    def size(self) -> int:
        """Bytes of the request body, as far as they are known."""

    @property
    def uses_tools(self) -> bool:
        """Whether the model may call tools."""

    @property
    def grade(self) -> str:
        """The service tier that is asked for, where it is dearer than the usual one."""

    @property
    def output_limit(self) -> int | None:
        """Most output tokens of an answer, as the caller asked; 0 where there are none, None if nothing was said."""

    def reader(self) -> Reader:
        """Return what reads one answer to it."""


Asked = TypeVar("Asked", bound=Question)


class Errand(Protocol[Asked]):
    """One kind of request; made once for each path, or for each request where the path holds names."""

    @property
    def path(self) -> str:
        """Path that scopes and the ledger know."""

    @property
    def dialect(self) -> Dialect:
        """The protocol that the caller speaks."""

    async def read(self, receive: Receive, headers: Mapping[bytes, bytes], *, limit: int) -> Asked:
        """Read the request, at least as far as its model; raises InvalidInput, PayloadTooLarge or ClientLeft."""

    def attempts(self, question: Asked, key: Key, gateway: Parts) -> Attempts:
        """Return who may answer; raises PermissionDenied or NotFound, in this order."""

    def needed(self, provider: Provider) -> Preparable:
        """Return what of a provider must be ready before it is asked."""

    async def ask(self, provider: Provider, question: Asked, attempt: Attempt) -> Whole | Stream:
        """Ask one provider; raises what its refusal means."""

    def headers(self, answer: Whole | Stream, attempt: Attempt) -> Headers:
        """Return the headers of an answer, but for `x-request-id` and its length."""
