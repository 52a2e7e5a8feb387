"""README's parts that must not drift: the two commands, the settings table, links to files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from workbench.cli.config import settings_table
from workbench.settings import load_settings

REPO = Path(__file__).resolve().parents[2]
README = (REPO / "README.md").read_text("utf-8")


def blocks(language: str) -> list[str]:
    """Return the fenced blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def test_the_first_two_shell_blocks_are_one_line_each() -> None:
    main_job, tests = blocks("sh")[:2]
    assert main_job.count("\n") == 1
    assert main_job.rstrip().endswith("workbench demo")
    assert tests.count("\n") == 1
    assert tests.rstrip().endswith("pytest")


def test_the_settings_table_is_the_one_of_the_program() -> None:
    told = README.split("<!-- settings -->")[1].split("<!-- /settings -->")[0]
    assert told.strip() == settings_table().strip(), "put the output of `workbench config show --docs` there"


def test_every_linked_file_is_there() -> None:
    linked = re.findall(r"\]\((?!https?:)([^)#]+)\)", README)
    assert linked
    assert [path for path in linked if not (REPO / path).exists()] == []


def test_every_configuration_shown_is_a_good_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-of-the-readme-test")
    shown = blocks("toml")
    assert shown
    for number, text in enumerate(shown):
        file = tmp_path / f"{number}.toml"
        file.write_text(text, "utf-8")
        assert load_settings(file).models
