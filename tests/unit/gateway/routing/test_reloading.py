"""What a reload may change, and what it says of the change."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.gateway.reloading import difference, needs_restart
from workbench.settings import Settings, parse_settings

BASE = """
[providers.a]
kind = "openai_compatible"
base_url = "http://127.0.0.1:1/v1"
[[models]]
name = "m"
deployments = [{ provider = "a", model = "m" }]
"""


def read(text: str, *, home: str = "/home") -> Settings:
    return parse_settings(text, file=Path("/c/workbench.toml"), environ={"WORKBENCH_HOME": home})


@pytest.mark.parametrize(("more", "needed"), [
    ("", []),
    ("[gateway]\nmax_body_bytes = 5\ntimeouts = { idle = 3 }\n", []),
    ("[routing]\nfailures = 9\n", []),
    ("[tracking]\nuri = 'http://mlflow.example.com'\n[jupyter]\nmount = 'always'\n", []),
    ("[gateway]\nhost = '127.0.0.2'\nstage = 'production'\n", ["gateway.host", "gateway.stage"]),
    ("[state]\ndatabase = 'sqlite:///x.db'\n", ["state.database"]),
    ("[policy.exploration]\nexpires_in = 99\n", ["policy.exploration"]),
])  # fmt: skip
def test_what_a_running_gateway_can_not_change_needs_a_restart(more, needed):
    assert needs_restart(read(BASE), read(more + BASE)) == needed


def test_another_home_needs_a_restart():
    assert needs_restart(read(BASE), read(BASE, home="/other")) == ["WORKBENCH_HOME"]


def test_a_reload_tells_what_came_what_went_and_what_changed():
    new = BASE.replace('model = "m" }', 'model = "n" }') + '[providers.b]\nkind = "local"\n'
    assert difference(read(BASE), read(new)) == {
        "models": {"added": [], "removed": [], "changed": ["m"]},
        "providers": {"added": ["b"], "removed": [], "changed": []},
    }
