"""What is told of deployments and providers."""

from __future__ import annotations

import pytest

from workbench.errors import ProviderCredential, ProviderError, ProviderLimit
from workbench.gateway.routing import status


@pytest.fixture
def there(world, model):
    return world(model("a", "p", "q"), model("b", "q"), failures=1)


def of(there, name: str = "p"):
    told = {one["provider"]: one for one in status.providers(there.health, ["p", "q", "idle"], since=0)}
    return told[name]["state"], told[name]["message"]


def fail(there, error, *, model: str = "a") -> None:
    health = there.of(model)
    hold = health.begin(0, there.now)
    health.failed(hold, error, there.now)
    health.end(hold, 0, there.now)


def test_a_provider_that_was_never_called_is_ok(there):
    assert of(there) == ("ok", "Nothing is known against p.")
    assert of(there, "idle") == ("ok", "Nothing is known against idle.")


def test_a_provider_all_of_whose_deployments_fail_is_down(there):
    fail(there, ProviderError("x"))
    state, message = of(there)
    assert (state, "provider_error" in message) == ("down", True)
    there.call("a")
    there.now += 100
    there.call("a")
    assert of(there) == ("ok", "p answers.")


def test_a_provider_some_of_whose_deployments_fail_is_degraded(world, model):
    kind = "openai_compatible"
    from workbench.gateway.routing.models import Deployment

    there = world(model("a", Deployment("p", kind, "one"), Deployment("p", kind, "two")), failures=1)
    fail(there, ProviderError("x"))
    assert of(there) == ("degraded", "p/one fails; other models of p answer.")


def test_a_provider_that_limits_is_degraded_and_one_that_refuses_is_down(there):
    fail(there, ProviderLimit("no", retry_after=9))
    assert of(there) == ("degraded", "p limits the gateway's calls to p/m.")
    fail(there, ProviderCredential("no"))
    assert of(there) == ("down", "p refuses the gateway's credential; the admin must mend it.")


def test_a_model_that_a_provider_does_not_know_is_nothing_against_it(there):
    fail(there, ProviderError("x", code="provider_not_found"))
    assert of(there)[0] == "ok"
    (told, _) = status.deployments(there.health, there.models)
    assert (told["state"], told["last_error"]) == ("open", "provider_not_found")


def test_all_of_a_deployment_is_told_to_admins(there):
    there.call("a", size=400, tokens=77)
    attempts = there.attempts("b", size=400)
    next(iter(attempts))
    first, second = status.deployments(there.health, there.models)
    assert (first["deployment"], first["models"], first["tokens_used"]) == ("p/m", ["a"], 77)
    assert (second["models"], second["in_flight"], second["tokens_expected"]) == (["a", "b"], 1, 164)
    assert (first["state"], first["passed_over_until"], first["tokens_left"]) == ("closed", None, None)
