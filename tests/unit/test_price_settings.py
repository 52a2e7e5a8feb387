"""Prices of the configuration: two that nobody could choose between are told."""

from pathlib import Path

import pytest

from workbench.errors import SettingsError
from workbench.settings import load_settings

PRICE = """
[[prices]]
provider = "acme"
model = "m"
from = 2026-01-01
input = {usd}
output = 1.0
"""


def test_two_prices_of_one_day_are_told(tmp_path: Path) -> None:
    path = tmp_path / "workbench.toml"
    path.write_text(PRICE.format(usd=100.0) + PRICE.format(usd=1000.0))
    with pytest.raises(SettingsError, match=r"prices\[1\]: the same provider, model and day as prices\[0\]"):
        load_settings(path, home=tmp_path)
    path.write_text(PRICE.format(usd=100.0) + PRICE.format(usd=1000.0).replace("2026-01-01", "2026-02-01"))
    assert len(load_settings(path, home=tmp_path).prices) == 2
