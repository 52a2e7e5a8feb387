"""What the configuration says of metrics, traces and alerts is checked before anything starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.errors import SettingsError
from workbench.settings import parse_settings


def problems(text: str, tmp_path: Path) -> str:
    with pytest.raises(SettingsError) as caught:
        parse_settings(text, file=tmp_path / "workbench.toml", environ={})
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[gateway]\nmetrics_token = { env = "NOT_SET" }', "gateway.metrics_token: environment variable NOT_SET"),
        ('[telemetry.traces]\ncredential = { aws = "default" }', "traces.credential: names a cloud's sign-in"),
        ('[alerts.destinations.ops]\nkind = "webhook"', "a webhook needs its url"),
        ('[alerts.destinations.ops]\nkind = "slack"\nurl = "https://hooks.example.com"', "give it as credential"),
        ('[alerts.destinations.ops]\nkind = "slack"\ncredential = { file = "no" }', "ops.credential: file"),
        ("[[alerts.cost]]\nusd = -1", "alerts.cost[0].usd"),
        ("[[alerts.error_rate]]\nshare = 2", "alerts.error_rate[0].share"),
        ("[reports.use_cases.search]\nattainment = 95", "reports.use_cases.search.attainment"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(text: str, told: str, tmp_path: Path) -> None:
    assert told in problems(text, tmp_path)


def test_what_is_right_is_taken(tmp_path: Path) -> None:
    text = """
[alerts.destinations.ops]
url = "https://alerts.example.com"
credential = { env = "ALERTS" }
[[alerts.cost]]
usd = 100.0
subject = "use_case"
name = "search"
period = "month"
[telemetry.traces]
endpoint = "http://127.0.0.1:4318/v1/traces"
"""
    settings = parse_settings(text, file=tmp_path / "workbench.toml", environ={"ALERTS": "x"})
    assert settings.alerts.cost[0].period == "month"
    assert settings.alerts.destinations["ops"].kind == "webhook"
