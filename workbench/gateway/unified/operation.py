"""One unified path: how its body is read, which models it takes, and how its answers go back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.errors import InvalidInput, PermissionDenied
from workbench.gateway.dialects.dialect import Dialect, Headers
from workbench.gateway.dialects.openai import OPENAI
from workbench.gateway.routing.attempts import Attempt, Attempts
from workbench.gateway.unified import header_table
from workbench.gateway.unified.body import read_body
from workbench.gateway.unified.question import Question, read_chat, read_embeddings

if TYPE_CHECKING:
    from starlette.types import Receive

    from workbench.gateway.access.keys import Key
    from workbench.gateway.parts import Parts
    from workbench.gateway.providers.provider import Provider, Stream, Whole


@dataclass(frozen=True, slots=True)
class Operation:
    """An errand whose body is JSON and names a model."""

    path: str
    """Path at the gateway."""
    task: str
    """The task of the models that it takes."""
    parse: Callable[[bytes, Mapping[str, str]], Question]
    """Check a body; raises InvalidInput."""

    @property
    def dialect(self) -> Dialect:
        """Return OpenAI's protocol: all unified paths speak it."""
        return OPENAI

    async def read(self, receive: Receive, headers: Mapping[bytes, bytes], *, limit: int) -> Question:
        """Read the request."""
        body = await read_body(receive, headers, limit=limit)
        return self.parse(body, header_table.to_provider(headers))

    def attempts(self, question: Question, key: Key, gateway: Parts) -> Attempts:
        """Return the deployments of the model, then those of its fallbacks."""
        if not key.scopes.allow_model(question.model):
            raise PermissionDenied(
                f"Key {key.id} may not use model {question.model[:200]!r} at {self.path}.",
                hint="`/me` tells what it may use.",
            )
        model = gateway.models.get(question.model, key)
        if model.task != self.task:
            raise InvalidInput(
                f"Model {model.name!r} is for {model.task}, not for {self.task}.",
                hint="`/v1/models` tells the task of each model.",
                code="wrong_task",
                param="model",
            )
        return Attempts(model, gateway.models, key.scopes, gateway.health, size=question.size)

    async def ask(self, provider: Provider, question: Question, attempt: Attempt) -> Whole | Stream:
        """Ask one provider."""
        if question.stream:
            return await provider.stream(question, attempt.deployment.model)
        return await provider.answer(question, attempt.deployment.model)

    def headers(self, answer: Whole | Stream, attempt: Attempt) -> Headers:
        """Return what an answer tells of where it came from."""
        return list(header_table.to_caller(attempt, upstream_id=answer.request_id))


CHAT = Operation("/v1/chat/completions", "chat", read_chat)
EMBEDDINGS = Operation("/v1/embeddings", "embedding", read_embeddings)
