"""A running gateway signs in to clouds as they document it, and stays signed in; what goes wrong is the admin's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import openai
import psutil
import pytest
from openai import OpenAI

from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.simulator import SimulatedProviders, simulated_providers, wait_until

CONFIG = """
[gateway]
port = 0
[providers.{kind}]
kind = "{kind}"
base_url = "{url}"
credential = {credential}
{more}
[[models]]
name = "model"
fallbacks = {fallbacks}
[[models.deployments]]
provider = "{kind}"
model = "{model}"
"""
VERTEX = {"kind": "vertex", "model": "gemini-2.5-flash", "more": 'project = "p"\nlocation = "eu"'}
BEDROCK = {"kind": "bedrock", "model": "amazon.nova-pro-v1:0", "more": 'region = "eu-central-1"'}
AZURE = {"kind": "azure", "model": "gpt-4o", "more": 'api_version = "2024-10-21"'}
ROLE = "arn:aws:iam::123456789012:role/simulated"
SAY: Any = [{"role": "user", "content": "hello there"}]
Start = Callable[..., RunningGateway]


@pytest.fixture
def providers() -> Iterator[SimulatedProviders]:
    with simulated_providers() as simulated:
        yield simulated


@pytest.fixture
def start(providers: SimulatedProviders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start a gateway of one provider; what the machine knows of clouds is hidden from it."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
    hidden = {
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    account = providers.service_account()
    (tmp_path / "account.json").write_text(account)
    with ExitStack() as stack:

        def begin(
            what: dict[str, str],
            credential: str,
            *,
            fallbacks: list[str] | None = None,
            fresh: bool = False,
            **environ: str,
        ) -> RunningGateway:
            config = CONFIG.format(url=providers.url, credential=credential, fallbacks=fallbacks or [], **what)
            (tmp_path / "home").mkdir(exist_ok=True)
            (tmp_path / "home" / "account.json").write_text(account)
            environ = {**hidden, **environ}
            return stack.enter_context(running_gateway(tmp_path / "home", config=config, environ=environ, fresh=fresh))

        yield begin


def client_of(gateway: RunningGateway) -> OpenAI:
    return OpenAI(base_url=f"{gateway.url}/v1", api_key=gateway.issue_key(), max_retries=0, timeout=60)


def say(client: OpenAI) -> str | None:
    return client.chat.completions.create(model="model", messages=SAY, max_tokens=20).choices[0].message.content


def asked_for_tokens(providers: SimulatedProviders) -> list[str]:
    return [seen.path for seen in providers.requests if seen.provider == "tokens"]


def aws_web_identity(providers: SimulatedProviders, folder: Path) -> dict[str, str]:
    (folder / "jwt").write_text("a.b.c")
    return {
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(folder / "jwt"), "AWS_ROLE_ARN": ROLE, "AWS_REGION": "eu-central-1",
        "AWS_ENDPOINT_URL_STS": f"{providers.url}/aws/sts/",
    }  # fmt: skip


def aws_container(providers: SimulatedProviders, _folder: Path) -> dict[str, str]:
    return {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{providers.url}/aws/container-credentials",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": providers.credential,
    }


def aws_instance(providers: SimulatedProviders, _folder: Path) -> dict[str, str]:
    return {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"{providers.url}/"}


def google_adc(_providers: SimulatedProviders, folder: Path) -> dict[str, str]:
    return {"GOOGLE_APPLICATION_CREDENTIALS": str(folder / "account.json")}


def google_machine(providers: SimulatedProviders, folder: Path) -> dict[str, str]:
    host = providers.url.removeprefix("http://")
    return {"GCE_METADATA_HOST": host, "GCE_METADATA_IP": host, "HOME": str(folder)}


def entra_identity(providers: SimulatedProviders, _folder: Path) -> dict[str, str]:
    return {"IDENTITY_ENDPOINT": f"{providers.url}/msi/token", "IDENTITY_HEADER": providers.credential}


WAYS: dict[str, tuple[dict[str, str], str, Callable[[SimulatedProviders, Path], dict[str, str]]]] = {
    "service account": (VERTEX, '{ file = "account.json" }', lambda *_: {}),
    "google default": (VERTEX, '{ google = "default" }', google_adc),
    "google machine": (VERTEX, '{ google = "default" }', google_machine),
    "aws web identity": (BEDROCK, '{ aws = "default" }', aws_web_identity),
    "aws container": (BEDROCK, '{ aws = "default" }', aws_container),
    "aws instance": (BEDROCK, '{ aws = "default" }', aws_instance),
    "entra identity": (AZURE, '{ azure = "default" }', entra_identity),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_gateway_signs_in_once_and_again_when_its_token_is_refused(
    way: str, providers: SimulatedProviders, start: Start, tmp_path: Path
) -> None:
    what, credential, environ = WAYS[way]
    gateway = start(what, credential, **environ(providers, tmp_path))
    client = client_of(gateway)
    assert asked_for_tokens(providers) == [], "nothing is fetched before the first call"
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda _: say(client), range(8))) == {"echo: hello there"}
    once = asked_for_tokens(providers)
    assert say(client) == "echo: hello there"
    assert asked_for_tokens(providers) == once, "eight calls at once, and one later, share one sign-in"
    providers.revoke_tokens()
    assert say(client) == "echo: hello there"
    assert asked_for_tokens(providers) == once * 2
    rows = rows_of(gateway)
    assert {row["outcome"] for row in rows} == {"ok"}
    assert {row["attempts"] for row in rows} == {1}


def rows_of(gateway: RunningGateway) -> list[dict[str, Any]]:
    headers = {"authorization": f"Bearer {gateway.owner_token}"}
    return list(httpx.get(f"{gateway.url}/admin/v1/calls", headers=headers).raise_for_status().json()["data"])


def test_a_token_is_renewed_before_it_ends(providers: SimulatedProviders, start: Start) -> None:
    providers.tokens_last("google", 1)
    gateway = start(VERTEX, '{ file = "account.json" }')
    client = client_of(gateway)

    def renewed() -> bool:
        assert say(client) == "echo: hello there"
        return len(asked_for_tokens(providers)) >= 3

    wait_until(renewed, "a token of a second was never renewed", seconds=30)
    assert 401 not in {seen.status for seen in providers.requests}, "one that has ended is never sent"


def test_a_token_server_that_fails_is_told_and_recovered_from(providers: SimulatedProviders, start: Start) -> None:
    gateway = start(VERTEX, '{ file = "account.json" }')
    client = client_of(gateway)
    providers.fail("status", provider="tokens", status=400, code="invalid_grant", message="key revoked", times=1)
    with pytest.raises(openai.APIStatusError, match="key revoked") as told:
        say(client)
    error = json.loads(told.value.response.content)["error"]
    assert (told.value.status_code, error["code"], error["actor"]) == (502, "provider_credential", "admin")
    assert "vertex" in error["message"]
    assert say(client) == "echo: hello there"
    failed, good = sorted(rows_of(gateway), key=lambda row: row["time"])
    assert (failed["error_code"], failed["status"], failed["provider"]) == ("provider_credential", 502, "vertex")
    assert good["outcome"] == "ok"


def test_a_token_server_that_is_away_is_told(providers: SimulatedProviders, start: Start, tmp_path: Path) -> None:
    account = json.loads(providers.service_account()) | {"token_uri": "http://127.0.0.1:9/token"}
    (tmp_path / "away.json").write_text(json.dumps(account))
    gateway = start(VERTEX, f"{{ file = '{tmp_path / 'away.json'}' }}")
    with pytest.raises(openai.APIStatusError) as told:
        say(client_of(gateway))
    error = json.loads(told.value.response.content)["error"]
    assert (told.value.status_code, error["code"], error["actor"]) == (503, "provider_unavailable", "admin")
    assert "vertex" in error["message"]


@pytest.mark.parametrize(
    ("what", "credential", "environ"),
    [
        (BEDROCK, '{ env = "KEYS" }', {"KEYS": "AKIAWRONG:wrong"}),
        (AZURE, '{ env = "KEYS" }', {"KEYS": "wrong"}),
        (BEDROCK, '{ aws = "default" }', {}),
        (BEDROCK, '{ aws = "absent" }', {}),
    ],
)
def test_a_wrong_credential_is_the_admins_to_mend(
    what: dict[str, str], credential: str, environ: dict[str, str], providers: SimulatedProviders, start: Start
) -> None:
    gateway = start(what, credential, **environ)
    with pytest.raises(openai.APIStatusError, match="Not your key: the admin must mend") as told:
        say(client_of(gateway))
    assert told.value.status_code == 502
    assert not any(secret in told.value.response.text for secret in ("AKIAWRONG", "wrong"))
    assert len([seen for seen in providers.requests if seen.provider != "tokens"]) <= 1


def test_an_idle_gateway_has_loaded_no_cloud_and_is_small(start: Start) -> None:
    gateway = start(BEDROCK, '{ aws = "default" }', fresh=True)
    assert httpx.get(f"{gateway.url}/healthz").status_code == 200
    process = psutil.Process(gateway.process.pid)
    loaded = {Path(one.path).parts for one in process.memory_maps()}
    packages = {part for parts in loaded for part in parts}
    assert packages.isdisjoint({"cryptography", "litellm", "tokenizers", "tiktoken", "botocore"})
    assert process.memory_info().rss < 150 * 1024 * 1024


def test_a_provider_that_can_not_be_signed_in_to_is_passed_over(
    providers: SimulatedProviders, start: Start, tmp_path: Path
) -> None:
    account = json.loads(providers.service_account()) | {"token_uri": "http://127.0.0.1:9/token"}
    (tmp_path / "away.json").write_text(json.dumps(account))
    other = (
        f'\n[providers.other]\nkind = "gemini"\nbase_url = "{providers.url}"\ncredential = {{ env = "KEY" }}\n'
        '[[models]]\nname = "second"\n[[models.deployments]]\nprovider = "other"\nmodel = "gemini-2.5-flash"\n'
    )
    first = {**VERTEX, "more": VERTEX["more"] + other}
    gateway = start(first, f"{{ file = '{tmp_path / 'away.json'}' }}", fallbacks=["second"], KEY=providers.credential)
    assert say(client_of(gateway)) == "echo: hello there"
    (row,) = rows_of(gateway)
    assert (row["provider"], row["outcome"], row["attempts"]) == ("other", "ok", 2)
