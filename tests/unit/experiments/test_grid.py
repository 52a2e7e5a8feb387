"""The candidates of a grid: every combination once, named by what tells it from the others."""

from __future__ import annotations

from typing import Any

import pytest

from workbench.errors import InvalidInput
from workbench.experiments import grid
from workbench.prompts import Prompt

SUMMARY = Prompt("summary", "sum up {{text}}", version=3, parameters={"model": "own"})


def test_every_combination_is_a_candidate() -> None:
    made = grid([SUMMARY, "short: {{text}}"], ["small", "big"], {"temperature": [0, 1], "max_tokens": 50})
    assert [each.name for each in made] == [
        f"{prompt}, {model}, temperature={temperature}"
        for prompt in ("summary v3", "prompt 2")
        for model in ("small", "big")
        for temperature in (0, 1)
    ]
    assert made[1].arguments == {"model": "small", "temperature": 1, "max_tokens": 50}
    assert len({each.prompt_hash for each in made}) == 4


def test_names_tell_only_what_differs_and_a_mapping_gives_its_own() -> None:
    assert [each.name for each in grid({"a": "{{x}}", "b": "{{x}}!"}, ["m"])] == ["a", "b"]
    (only,) = grid([SUMMARY])
    assert (only.name, only.model_name) == ("summary v3", "own")
    assert [each.name for each in grid("say {{x}}", ["m", "n"])] == ["m", "n"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"prompts": []}, "prompts has no value"),
        ({"prompts": ["{{x}}"], "models": "m"}, "models is a list of names"),
        ({"prompts": ["{{x}}"], "models": ["m"], "parameters": {"seed": []}}, "seed has no value"),
        ({"prompts": ["{{x}}"], "models": ["m", "m"]}, "Two candidates of the grid are named 'm'"),
        ({"prompts": ["{{x}}"]}, "names no model"),
    ],
)
def test_what_makes_no_grid_is_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        grid(**arguments)
