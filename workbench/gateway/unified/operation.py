"""One unified path: how its body is read, which models it takes, and how its answers go back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.errors import InvalidInput, NotFound, PermissionDenied
from workbench.gateway.dialects.dialect import Dialect, Headers
from workbench.gateway.dialects.openai import OPENAI
from workbench.gateway.routing.attempts import Attempt, Attempts
from workbench.gateway.unified import header_table
from workbench.gateway.unified.body import read_body
from workbench.gateway.unified.form import Form, read_form
from workbench.gateway.unified.objects.references import label_at, open_references
from workbench.gateway.unified.question import Question
from workbench.gateway.unified.tuned import may_use

if TYPE_CHECKING:
    from starlette.types import Receive

    from workbench.gateway.access.keys import Key
    from workbench.gateway.parts import Parts
    from workbench.gateway.providers.provider import Provider, Stream, Whole
    from workbench.gateway.routing.models import Model


@dataclass(frozen=True, slots=True)
class Operation:
    """An errand whose body is JSON and names a model."""

    path: str
    """Path at the gateway."""
    task: str
    """The task of the models that it takes."""
    parse: Callable[[bytes, Mapping[str, str]], Question]
    """Check a body; raises InvalidInput."""
    names_objects: bool = False
    """Whether its prompt may name files that are kept at a provider."""

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
        model = asked_model(question.model, key, gateway, path=self.path, task=self.task)
        only = None
        if self.names_objects:
            opening = gateway.objects.opening(key)
            open_references(question, opening)
            only = None if opening.provider is None else label_at(model, opening.provider)
        return Attempts(
            model, gateway.models, key.scopes, gateway.health, size=question.size, only=only,
            again=question.form is None,  # what was uploaded may have been taken
        )  # fmt: skip

    def needed(self, provider: Provider) -> Provider:
        """Return the provider itself, with all that its translation needs."""
        return provider

    async def ask(self, provider: Provider, question: Question, attempt: Attempt) -> Whole | Stream:
        """Ask one provider."""
        return await ask(provider, question, attempt)

    def headers(self, answer: Whole | Stream, attempt: Attempt) -> Headers:
        """Return what an answer tells of where it came from."""
        return header_table.to_caller(attempt, upstream_id=answer.request_id)


@dataclass(frozen=True, slots=True)
class FormOperation(Operation):
    """An errand whose body is a multipart form."""

    parse: Callable[[Form, Mapping[str, str]], Question]  # type: ignore[assignment]  # a form in the place of bytes
    """Check a form; raises InvalidInput."""

    async def read(self, receive: Receive, headers: Mapping[bytes, bytes], *, limit: int) -> Question:
        """Read the request; whoever lets the call live closes its form."""
        form = await read_form(receive, headers, limit=limit)
        try:
            return self.parse(form, header_table.to_provider(headers))
        except BaseException:
            form.close()
            raise


def asked_model(name: str, key: Key, gateway: Parts, *, path: str, task: str) -> Model:
    """Return the model of that name; raises PermissionDenied, NotFound, or InvalidInput for one of another task."""
    if not (key.scopes.allow_model(name) or _made_from_allowed(name, key, gateway)):
        raise PermissionDenied(
            f"Key {key.id} may not use model {name[:200]!r} at {path}.", hint="`/me` tells what it may use."
        )
    model = gateway.models.get(name, key)
    if model.task != task:
        raise InvalidInput(
            f"Model {model.name!r} is for {model.task}, not for {task}.",
            hint="`/v1/models` tells the task of each model.",
            code="wrong_task",
            param="model",
        )
    return model


def _made_from_allowed(name: str, key: Key, gateway: Parts) -> bool:
    """Tell whether a name is of a model that the key's own people have tuned, from one that the key may use."""
    try:
        return may_use(gateway.models.get(name, key), key, gateway.models)
    except NotFound:
        return False


async def ask(provider: Provider, question: Question, attempt: Attempt) -> Whole | Stream:
    """Ask one provider, for a stream where the caller wants one."""
    deployment = attempt.deployment
    question = question.known_to(deployment.kind)
    if question.stream:
        return await provider.stream(question, deployment.model)
    return await provider.answer(question, deployment.model)
