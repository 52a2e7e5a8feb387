"""What the configuration may tell of a model, and of who goes first where a deployment is short."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from workbench.errors import SettingsError
from workbench.settings import Settings, load_settings

MODEL = """
[providers.local]
kind = "local"
[[models]]
name = "new"
deployments = [{ provider = "local", model = "x", concurrent = 4 }]
[[models]]
name = "old"
deployments = [{ provider = "local", model = "y" }]
"""


def read(folder: Path, more: str, *, before: str = "") -> Settings:
    file = folder / "workbench.toml"
    file.write_text(before + MODEL + more)
    return load_settings(file, home=folder, environ={}, credentials=False)


def test_a_model_is_described(tmp_path: Path) -> None:
    told = 'deprecated_on = 2027-01-31\nsuccessor = "new"\nmodalities = ["text", "image"]\ncontext_tokens = 9\n'
    new, old = read(tmp_path, told).models
    assert (old.deprecated_on, old.successor, old.modalities) == (date(2027, 1, 31), "new", ["text", "image"])
    assert (new.deprecated_on, new.deployments[0].concurrent) == (None, 4)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ('successor = "newer"', "no model named 'newer'"),
        ('deprecated_on = "soon"', "deprecated_on"),
        ('modalities = ["smell"]', "modalities"),
        ('reference = "ftp://example.com"', "reference"),
        ("context_tokens = 0", "context_tokens"),
    ],
)
def test_what_can_not_be_told_of_a_model_is_refused(tmp_path: Path, wrong: str, told: str) -> None:
    with pytest.raises(SettingsError) as error:
        read(tmp_path, wrong + "\n")
    assert told in str(error.value)


def test_fairness_has_defaults_and_bounds(tmp_path: Path) -> None:
    assert read(tmp_path, "").fairness.headroom == 0.1
    assert read(tmp_path, "", before="[fairness]\nbatch_wait = 5\nlongest_queue = 7\n").fairness.longest_queue == 7
    for wrong in ("headroom = 1", "exploration_weight = 0", "gateways = 0", "patience = 3"):
        with pytest.raises(SettingsError, match=f"fairness.{wrong.partition(' ')[0]}"):
            read(tmp_path, "", before=f"[fairness]\n{wrong}\n")
