"""Which deployments are tried, in which order."""

import pytest

from workbench.errors import NotFound
from workbench.gateway.access.scopes import Scopes
from workbench.gateway.routing.attempts import Attempts
from workbench.gateway.routing.models import Models
from workbench.settings.tables import DeploymentSettings, ModelSettings, ProviderSettings, Settings

PROVIDER = ProviderSettings(kind="openai_compatible", base_url="http://127.0.0.1:1/v1")


def models(**deployments: list[str] | tuple[list[str], list[str]]) -> Models:
    """`name=[provider, ...]` or `name=([provider, ...], [fallback, ...])`; each provider serves a model `m`."""
    tables, providers = [], set()
    for name, told in deployments.items():
        where, fallbacks = told if isinstance(told, tuple) else (told, [])
        providers |= set(where)
        task = "embedding" if name.startswith("emb") else "chat"
        tables.append(
            ModelSettings(
                name=name,
                task=task,
                fallbacks=fallbacks,
                deployments=[DeploymentSettings(provider=p, model="m") for p in where],
            )
        )
    return Models.from_settings(Settings.model_construct(providers=dict.fromkeys(providers, PROVIDER), models=tables))


def tried(known: Models, name: str, scopes: Scopes | None = None) -> list[str]:
    return [f"{a.model.name}:{a.deployment.provider}" for a in Attempts(known.get(name), known, scopes or Scopes())]


def test_deployments_come_in_order_then_fallbacks() -> None:
    assert tried(models(a=(["p", "q"], ["b"]), b=["r"]), "a") == ["a:p", "a:q", "b:r"]


def test_there_are_at_most_three_attempts() -> None:
    assert tried(models(a=(["p", "q"], ["b"]), b=["r", "s"]), "a") == ["a:p", "a:q", "b:r"]
    assert len(tried(models(a=["p", "q", "r", "s"]), "a")) == 3


def test_a_fallback_for_another_task_is_passed_over() -> None:
    assert tried(models(a=(["p"], ["emb", "b"]), emb=["q"], b=["r"]), "a") == ["a:p", "b:r"]


def test_a_key_falls_back_only_to_what_it_may_use() -> None:
    known = models(a=(["p", "q"], ["b"]), b=["r"])
    assert tried(known, "a", Scopes(models=("a",))) == ["a:p", "a:q"]
    assert tried(known, "a", Scopes(providers=("q",))) == ["a:q"]


def test_a_stale_connection_is_tried_again_once_at_the_same_place() -> None:
    known = models(a=["p", "q"])
    attempts = Attempts(known.get("a"), known, Scopes())
    seen = []
    for attempt in attempts:
        seen.append(attempt.deployment.provider)
        if attempt.deployment.provider == "p":
            attempts.repeat(attempt)
    assert seen == ["p", "p", "q"]


def test_an_unknown_model_is_told_with_the_nearest_names() -> None:
    with pytest.raises(NotFound) as caught:
        models(fast=["p"], smart=["p"]).get("fsat")
    assert caught.value.error_code == "model_not_found"
    assert "Did you mean 'fast'" in str(caught.value)
    with pytest.raises(NotFound, match="Known: 'fast'"):
        models(fast=["p"]).get("x" * 10_000)
