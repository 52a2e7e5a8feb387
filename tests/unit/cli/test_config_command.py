from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from workbench.cli import main
from workbench.cli.config import settings_table

SECRET = "sk-proj-4bCdEfGhIjKlMnOpQrStUvWx"


@pytest.fixture
def run(home: Path):
    """Run `workbench config ...` in a folder of its own."""

    def call(*words: str, **environ: str) -> Result:
        result = CliRunner().invoke(main, ["config", *words], env=environ)
        assert SECRET not in result.output
        return result

    return call


ADD = ("add", "provider", "mine", "--kind", "openai")


def test_init_writes_a_file_that_is_right_and_never_over_another(run):
    assert run("init").exit_code == 0
    assert run("check").exit_code == 0
    Path("workbench.toml").write_text("[gateway]\nport = 1\n")
    refused = run("init")
    assert refused.exit_code == 1
    assert "--force" in refused.output
    assert Path("workbench.toml").read_text() == "[gateway]\nport = 1\n"
    assert run("init", "--force").exit_code == 0
    assert "[providers.local]" in Path("workbench.toml").read_text()


def test_check_without_a_file_tells_what_holds(run):
    told = run("check")
    assert told.exit_code == 0
    assert "embedded default" in told.output


def test_check_tells_every_problem_and_exits_with_2(run):
    Path("workbench.toml").write_text("colour = 1\n[gateway]\nport = 'x'\n")
    told = run("check")
    assert told.exit_code == 2
    assert "2 problems" in told.output
    assert "workbench.toml: gateway.port: found 'x'; expected a whole number" in told.output
    assert "workbench.toml: colour: unknown key" in told.output


def test_check_tells_problems_to_a_machine(run):
    Path("mine.toml").write_text("[providers.a]\nkind = 'openai'\ncredential = { env = 'UNSET' }\n")
    told = run("check", "--config", "mine.toml", "--json")
    assert told.exit_code == 2
    body = json.loads(told.stdout)
    assert (body["ok"], body["file"]) == (False, str(Path("mine.toml").resolve()))
    assert body["problems"] == [
        {
            "where": "mine.toml: providers.a.credential",
            "found": "environment variable UNSET is missing or empty",
            "expected": "set environment variable UNSET",
        }
    ]


def test_show_tells_what_is_in_force_and_from_where(run):
    Path("workbench.toml").write_text("[gateway]\nport = 0\n[providers.a]\nkind='openai'\ncredential={env='K'}\n")
    body = json.loads(run("show", "--json", K=SECRET).stdout)
    found = {line["key"]: (line["value"], line["source"]) for line in body["settings"]}
    assert found["gateway.port"] == (0, "workbench.toml")
    assert found["gateway.stage"] == ("staging", "default")
    assert found["providers.a.credential.env"] == ("K", "workbench.toml")
    lines = [line.split() for line in run("show").stdout.splitlines()]
    assert ["gateway.port", "0", "workbench.toml"] in lines


def test_the_documentation_of_settings_is_made_from_them(run):
    assert run("show", "--docs").stdout == settings_table()


def test_ones_own_provider_is_added_beside_the_embedded_models(run):
    told = run(*ADD, "--credential-env", "MINE", "--model", "gpt-x", "--model", "fast=gpt-y", MINE=SECRET)
    assert told.exit_code == 0, told.output
    body = json.loads(run("show", "--json").stdout)
    found = {line["key"]: line["value"] for line in body["settings"]}
    assert found["models[0].name"] == "smollm2-135m"
    assert (found["models[3].name"], found["models[3].deployments[0].model"]) == ("gpt-x", "gpt-x")
    assert (found["models[4].name"], found["models[4].deployments[0].model"]) == ("fast", "gpt-y")
    assert run("check", MINE=SECRET).exit_code == 0
    assert run("check").exit_code == 2


def test_a_key_in_a_file_is_found_from_where_the_configuration_is(run):
    Path("keys").mkdir()
    Path("keys/mine").write_text(SECRET)
    told = run(*ADD, "--credential-file", "keys/mine", "--config", "conf/workbench.toml")
    assert told.exit_code == 0, told.output
    assert run("check", "--config", "conf/workbench.toml").exit_code == 0


def test_without_a_model_it_says_that_nobody_can_call_it(run):
    assert "[[models]]" in run(*ADD, "--credential-env", "MINE", MINE="x").output


@pytest.mark.parametrize(
    "wrong",
    [
        ("--credential-env", SECRET),
        ("--credential-file", SECRET),
        ("--api-key", SECRET),
        ("--credential", SECRET),
        ("--credential-env", "UNSET"),
        ("--credential-env", "MINE", "--credential-file", "x"),
        (),
        ("--credential-env", "MINE", "--trust", "blind"),
        ("--credential-env", "MINE", "--base-url", "host"),
    ],
)
def test_what_is_wrong_is_refused_and_nothing_is_written(wrong, run):
    told = run(*ADD, *wrong, MINE="x")
    assert told.exit_code in (1, 2)
    assert told.output.startswith("error: ")
    assert not Path("workbench.toml").exists()


def test_a_literal_secret_is_answered_with_the_right_form(run):
    assert "--credential-env NAME" in run(*ADD, "--api-key", SECRET).output
    assert "name of an environment variable" in run(*ADD, "--credential-env", SECRET).output


def test_a_cloud_is_added_without_a_key(run):
    told = run("add", "provider", "aws", "--kind", "bedrock", "--region", "eu-central-1", "--sign-in", "aws")
    assert told.exit_code == 0, told.output
    found = {line["key"]: line["value"] for line in json.loads(run("show", "--json").stdout)["settings"]}
    assert found["providers.aws.credential.aws"] == "default"
    assert found["providers.aws.region"] == "eu-central-1"
    twice = run("add", "provider", "b", "--kind", "bedrock", "--sign-in", "aws", "--credential-env", "A", A="a:b")
    assert "two places" in twice.output
