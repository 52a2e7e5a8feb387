"""What this machine has is told by names of variables and profiles; no key is returned."""

from pathlib import Path

import pytest

from workbench.settings.machine import AwsProfile, aws_profile, ollama_url, provider_keys


def test_variables_with_a_providers_key_are_named() -> None:
    environ = {"OPENAI_API_KEY": "sk-1", "GOOGLE_API_KEY": "AIza", "ANTHROPIC_API_KEY": ""}
    assert provider_keys(environ) == {"openai": "OPENAI_API_KEY", "gemini": "GOOGLE_API_KEY"}


@pytest.mark.parametrize("ours", ["wbx-abc", "wbp-abc", "wbr-abc"])
def test_a_gateways_own_key_is_no_providers(ours: str) -> None:
    assert provider_keys({"OPENAI_API_KEY": ours}) == {}


def test_ollama_is_looked_for_on_this_machine_alone() -> None:
    assert ollama_url({}) == "http://127.0.0.1:11434"
    assert ollama_url({"OLLAMA_HOST": "0.0.0.0:1234"}) == "http://127.0.0.1:1234"
    assert ollama_url({"OLLAMA_HOST": "http://localhost:1234"}) == "http://127.0.0.1:1234"
    assert ollama_url({"OLLAMA_HOST": "ollama.example.com"}) is None
    assert ollama_url({"OLLAMA_HOST": "127.0.0.1:none"}) is None


@pytest.fixture
def aws(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "config").write_text("[default]\nregion = eu-central-1\n[profile work]\nrole_arn = arn:x\n", "utf-8")
    (tmp_path / "credentials").write_text("[default]\naws_access_key_id = A\naws_secret_access_key = S\n", "utf-8")
    return {
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
    }


def test_the_aws_profile_in_use_has_its_region(aws: dict[str, str]) -> None:
    assert aws_profile(aws) == AwsProfile("default", "eu-central-1")
    assert aws_profile({**aws, "AWS_REGION": "eu-west-1"}) == AwsProfile("default", "eu-west-1")
    assert aws_profile({**aws, "AWS_PROFILE": "work"}) == AwsProfile("work", None)


def test_a_profile_that_signs_nobody_in_is_none(aws: dict[str, str], tmp_path: Path) -> None:
    assert aws_profile({**aws, "AWS_PROFILE": "other"}) is None
    nowhere = {name: str(tmp_path / "none") for name in aws}
    assert aws_profile(nowhere) is None
    assert aws_profile({**nowhere, "AWS_ACCESS_KEY_ID": "A"}) == AwsProfile("default", None)


def test_a_file_that_is_broken_is_as_none(aws: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "credentials").write_bytes(b"\xff\xfe no ini")
    assert aws_profile(aws) is None
