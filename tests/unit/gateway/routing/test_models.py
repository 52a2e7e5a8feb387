"""Which model a name means: of the configuration, registered, or let pass by a pattern."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from workbench.errors import NotFound
from workbench.gateway.routing.models import Audience, Models
from workbench.gateway.routing.patterns import matched


@dataclass
class Somebody:
    owner: str = "ana"
    use_case: str | None = None


def test_an_unknown_model_is_told_with_the_nearest_names(model):
    with pytest.raises(NotFound) as caught:
        Models([model("fast", "p"), model("smart", "p")]).get("fsat")
    assert caught.value.error_code == "model_not_found"
    assert "Did you mean 'fast'" in str(caught.value)
    with pytest.raises(NotFound, match="Known: 'fast'"):
        Models([model("fast", "p")]).get("x" * 10_000)


def test_a_name_counts_before_a_pattern_and_the_closest_pattern_before_a_wider_one(model):
    models = Models([model("acme/*", "wide"), model("acme/big-*", "near"), model("acme/big-one", "exact")])
    assert [models.get(f"acme/{name}").deployments[0].provider for name in ("big-one", "big-two", "x")] == [
        "exact", "near", "wide",
    ]  # fmt: skip
    assert [model.name for model in models] == ["acme/big-one"]


def test_the_same_passing_name_is_the_same_model(model):
    models = Models([model("acme/*", "p")])
    assert models.get("acme/x") is models.get("acme/x")


def test_passing_names_are_forgotten_in_the_end(model):
    models = Models([model("acme/*", "p")])
    first = models.get("acme/first")
    for number in range(600):
        models.get(f"acme/{number}")
    assert models.get("acme/first") is not first


@pytest.mark.parametrize(("pattern", "name", "star"), [
    ("openai/*", "openai/gpt-4o-mini", "gpt-4o-mini"),
    ("openai/*", "openai/ft:gpt-4o:acme::abc", "ft:gpt-4o:acme::abc"),
    ("*", "anthropic.claude-v2:1", "anthropic.claude-v2:1"),
    ("a-*-b", "a-x-b", "x"),
    ("openai/*", "openai/", None),
    ("openai/*", "Openai/x", None),
    ("openai/*", "openai/../../etc", None),
    ("openai/*", "openai//x", None),
    ("openai/*", "openai/x?y=1", None),
    ("openai/*", "openai/x y", None),
    ("openai/*", "openai/x\n", None),
    ("openai/*", "openai/%2e%2e", None),
    ("openai/*", "openai/" + "x" * 200, None),
])  # fmt: skip
def test_a_pattern_lets_only_plain_names_pass(pattern, name, star):
    assert matched(pattern, name) == star


def test_a_registered_model_is_found_until_it_is_forgotten(model):
    models = Models([model("listed", "p"), model("acme/*", "p")])
    models.get("acme/new")
    models.register(model("acme/new", "q"))
    assert models.get("acme/new").deployments[0].provider == "q"
    models.register(model("listed", "q"))
    assert models.get("listed").deployments[0].provider == "p"
    assert [model.name for model in models] == ["listed", "acme/new"]
    models.forget("acme/new")
    assert models.get("acme/new").deployments[0].provider == "p"


@pytest.mark.parametrize(("audience", "seen_by"), [
    (Audience(owner="ana"), ["ana"]),
    (Audience(use_case="menus"), ["menus"]),
    (Audience(owner="ana", use_case="menus"), ["menus"]),
])  # fmt: skip
def test_a_model_is_there_only_for_those_it_is_for(model, audience, seen_by):
    models = Models([model("other", "p")])
    models.register(model("tuned", "p"), visible_to=audience)
    people = {"ana": Somebody(), "bob": Somebody("bob"), "menus": Somebody("bob", "menus")}
    for name, somebody in people.items():
        if name in seen_by:
            assert models.get("tuned", somebody).name == "tuned"
            assert "tuned" in [model.name for model in models.visible(somebody)]
        else:
            with pytest.raises(NotFound) as caught:
                models.get("tuned", somebody)
            assert caught.value.hint == "Known: 'other'."
    assert models.get("tuned").name == "tuned"
