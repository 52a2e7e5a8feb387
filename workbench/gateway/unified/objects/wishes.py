"""What must hold for the body of a new batch or job: its fields, and the models that it names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from workbench.errors import InvalidInput
from workbench.gateway.unified.objects.batch_lines import OPERATIONS, Naming
from workbench.gateway.unified.objects.references import label_at
from workbench.gateway.unified.operation import asked_model

if TYPE_CHECKING:
    from workbench.gateway.access.keys import Key
    from workbench.gateway.parts import Parts
    from workbench.gateway.routing.models import Deployment

_Check = Callable[[dict[str, Any], str, "Key", "Parts"], dict[str, Any]]


def provider_name(gateway: Parts) -> str:
    """Return the provider that keeps files; raises InvalidInput where there is none."""
    settings = gateway.settings
    named = settings.gateway.files_provider
    found = named or next((name for name, provider in settings.providers.items() if provider.kind == "openai"), None)
    if found is None:
        raise InvalidInput(
            "This gateway has no provider that keeps files.",
            hint="The admin names one: [gateway] files_provider.",
            code="unsupported_operation",
        )
    return found


def naming_at(provider: str, key: Key, gateway: Parts, *, path: str) -> Naming:
    """Return what finds models where a provider serves them, if the key may use them there."""

    def named(name: str, task: str) -> Deployment:
        model = asked_model(name, key, gateway, path=path, task=task)
        label = label_at(model, provider)
        return next(one for one in model.deployments if one.label == label)

    return named


def _batch(fields: dict[str, Any], _provider: str, _key: Key, _gateway: Parts) -> dict[str, Any]:
    _texts(fields, "input_file_id", "endpoint", "completion_window")
    if fields["endpoint"] not in OPERATIONS:
        raise InvalidInput(
            f"endpoint is {fields['endpoint'][:80]!r}.", hint=f"Known: {', '.join(OPERATIONS)}.", param="endpoint"
        )
    return fields


def _job(fields: dict[str, Any], provider: str, key: Key, gateway: Parts) -> dict[str, Any]:
    _texts(fields, "model", "training_file")
    named = naming_at(provider, key, gateway, path="/v1/fine_tuning/jobs")
    return {**fields, "model": named(fields["model"], "chat").model}


def _search(fields: dict[str, Any], _provider: str, _key: Key, _gateway: Parts) -> dict[str, Any]:
    if not fields.get("query") and "file_id" not in fields:
        raise InvalidInput("query is empty.", hint="Send a text.", param="query")
    return fields


def _texts(fields: Mapping[str, Any], *names: str) -> None:
    for name in names:
        if not isinstance(fields.get(name), str) or not fields[name]:
            raise InvalidInput(
                f"{name} is {'missing' if name not in fields else 'no text'}.",
                hint="Compare with OpenAI's API reference.",
                param=name,
            )


WISHES: Mapping[tuple[str, str], _Check] = {
    ("batch", "create"): _batch,
    ("fine_tuning.job", "create"): _job,
    ("vector_store", "pass"): _search,
}
"""Kind and what is done -> the check of its body, ids opened already; returns the body for the provider."""
