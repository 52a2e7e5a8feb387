"""What an RFC still lacks before it can be submitted, told at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from workbench.errors import InvalidInput, NotFound
from workbench.gateway.access.scopes import Scopes
from workbench.gateway.review.policy import Policy
from workbench.gateway.review.rfc import Rfc
from workbench.gateway.routing.models import Models


@dataclass(frozen=True, slots=True)
class _Asker:
    """The use case as whoever asks for models."""

    owner: str
    use_case: str | None


def check_shape(rfc: Rfc, policy: Policy) -> None:
    """Raise InvalidInput for what is wrong in an RFC however unfinished it is."""
    if unknown := policy.unknown_data_classes(rfc.data_classes):
        known = ", ".join(policy.review.data_classes)
        raise InvalidInput(f"No data class {unknown[0]!r}.", hint=f"Known: {known}.", param="data_classes")
    for name in rfc.providers:
        if name not in policy.settings.providers:
            known = ", ".join(policy.settings.providers) or "none"
            raise InvalidInput(f"No provider {name!r}.", hint=f"Known: {known}.", param="providers")
    policy.check_answers(rfc.answers)


def check_complete(rfc: Rfc, policy: Policy, models: Models, *, owner: str) -> None:
    """Raise InvalidInput with everything that keeps an RFC from being submitted."""
    check_shape(rfc, policy)
    missing = list(_missing(rfc, policy))
    if rfc.data_classes:
        missing += _out_of_reach(rfc, policy, models, owner)
    if missing:
        raise InvalidInput(
            f"The RFC is not complete: {'; '.join(missing)}.",
            hint=f"`workbench usecase edit {rfc.name}` changes it.",
            code="incomplete",
        )


def _missing(rfc: Rfc, policy: Policy) -> Iterator[str]:
    if not rfc.purpose.strip():
        yield "purpose is empty"
    if not rfc.data_classes:
        yield f"data_classes names none of {', '.join(policy.review.data_classes)}"
    if not rfc.models:
        yield "models is empty"
    if rfc.volume.calls_per_day is None:
        yield "volume.calls_per_day is not told"
    for question in policy.unanswered(rfc.data_classes, rfc.answers):
        yield f"answers.{question.id} is missing: {question.text}"


def _out_of_reach(rfc: Rfc, policy: Policy, models: Models, owner: str) -> Iterator[str]:
    trusted = policy.providers(rfc.data_classes)
    data = policy.most_sensitive(rfc.data_classes)
    for name in rfc.providers:
        if name not in trusted:
            trust = policy.settings.providers[name].trust
            yield f"provider {name} is {trust} and may not see {data} data"
    allowed = [name for name in rfc.providers or trusted if name in trusted]
    if not allowed:
        yield f"no provider may see {data} data"
        return
    asker = _Asker(owner, rfc.name)
    for pattern in rfc.models:
        served = _providers_of(pattern, models, asker, policy)
        if served is None:
            yield f"no model {pattern!r} is known here"
        elif served.isdisjoint(allowed):
            yield f"model {pattern} is served by {', '.join(sorted(served))}, which may not see {data} data"


def _providers_of(pattern: str, models: Models, asker: _Asker, policy: Policy) -> set[str] | None:
    """Return who serves the models that a pattern means; None: it means none."""
    if pattern == "*":
        return set(policy.settings.providers)
    provider, slash, _ = pattern.partition("/")
    if slash and provider in policy.settings.providers:
        return {provider}
    scope = Scopes(models=(pattern,))
    fitting = [model for model in models.visible(asker) if scope.allow_model(model.name)]
    if not fitting:
        try:
            fitting = [models.get(pattern, asker)]
        except NotFound:
            return None
    return {deployment.provider for model in fitting for deployment in model.deployments}
