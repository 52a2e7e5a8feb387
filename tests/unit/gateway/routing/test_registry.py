"""Models that are registered while a gateway runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.errors import Conflict, InvalidInput, NotFound
from workbench.gateway.routing.registry import Registration, Registry
from workbench.gateway.state import State
from workbench.gateway.upstream import Upstream
from workbench.settings import parse_settings

CONFIG = """
[providers.a]
kind = "openai_compatible"
base_url = "http://127.0.0.1:1/v1"
[[models]]
name = "listed"
deployments = [{ provider = "a", model = "m" }]
"""


def upstream(text: str = CONFIG) -> Upstream:
    return Upstream(parse_settings(text, file=Path("/c/workbench.toml"), environ={"WORKBENCH_HOME": "/home"}))


def tuned(**fields) -> Registration:
    return Registration(**{"name": "tuned", "provider": "a", "model": "ft", **fields})


@pytest.fixture
def registry(state: State) -> Registry:
    return Registry(state)


@pytest.mark.anyio
async def test_what_was_registered_is_there_at_the_next_start(registry: Registry, state: State):
    there = upstream()
    kept = await registry.add(tuned(facts={"tools": True}, owner="ana"), lambda: there, by="admin")
    assert there.models.get("tuned").deployments[0].label == "a/ft"
    again, later = Registry(state), upstream()
    again.open()
    again.enter(later)
    assert again.get("tuned") == kept
    assert later.models.get("tuned").facts == {"tools": True}
    await again.remove("tuned", lambda: later)
    with pytest.raises(NotFound):
        later.models.get("tuned")
    with pytest.raises(NotFound):
        again.get("tuned")


@pytest.mark.anyio
async def test_a_name_is_given_once_unless_it_is_to_be_replaced(registry: Registry):
    there = upstream()
    await registry.add(tuned(), lambda: there, by="admin")
    with pytest.raises(Conflict, match="registered already"):
        await registry.add(tuned(model="ft2"), lambda: there, by="admin")
    await registry.add(tuned(model="ft2"), lambda: there, by="admin", again=True)
    assert there.models.get("tuned").deployments[0].model == "ft2"
    with pytest.raises(Conflict, match="configuration names"):
        await registry.add(tuned(name="listed"), lambda: there, by="admin")


@pytest.mark.anyio
async def test_what_a_configuration_can_not_serve_waits_and_stops_nothing(registry: Registry):
    there = upstream()
    await registry.add(tuned(name="first"), lambda: there, by="admin")
    await registry.add(tuned(name="second", fallbacks=["listed"]), lambda: there, by="admin")
    without_fallback = upstream(CONFIG.replace('"listed"', '"renamed"'))
    registry.enter(without_fallback)
    assert [model.name for model in without_fallback.models] == ["renamed", "first"]
    without_provider = upstream(CONFIG.replace("providers.a", "providers.b").replace('"a"', '"b"'))
    registry.enter(without_provider)
    assert [model.name for model in without_provider.models] == ["listed"]
    registry.enter(there)
    assert [model.name for model in there.models] == ["listed", "first", "second"]


@pytest.mark.anyio
async def test_a_configuration_that_names_it_later_wins(registry: Registry):
    there = upstream()
    await registry.add(tuned(), lambda: there, by="admin")
    later = upstream(CONFIG.replace('"listed"', '"tuned"'))
    registry.enter(later)
    assert later.models.get("tuned").deployments[0].model == "m"
    assert [model.name for model in later.models] == ["tuned"]


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["", "a/*", " a", "a\nb", "x" * 201])
async def test_a_name_that_is_none_is_refused(registry: Registry, name: str):
    there = upstream()
    with pytest.raises(InvalidInput) as told:
        await registry.add(tuned(name=name), lambda: there, by="admin")
    assert told.value.param == "name"
    assert registry.list() == []
