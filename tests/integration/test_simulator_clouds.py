"""The clouds' own libraries sign in at the simulator's token servers, and the providers take what they give out."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import botocore.exceptions
import google.auth.exceptions
import google.oauth2.credentials
import httpx
import openai
import pytest
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientSecretCredential, ManagedIdentityCredential, get_bearer_token_provider
from botocore.config import Config
from google.auth.transport.requests import Request
from google.oauth2 import service_account

from workbench.testing.simulator import SimulatedProviders, simulated_providers

SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
BLOCKS: Any = [{"role": "user", "content": [{"text": "hello there"}]}]
ROLE = "arn:aws:iam::123456789012:role/simulated"
GENERATE = "/v1/projects/p/locations/eu/publishers/google/models/m:generateContent"


@pytest.fixture
def providers() -> Iterator[SimulatedProviders]:
    with simulated_providers() as providers:
        yield providers


@pytest.fixture(autouse=True)
def no_credentials_of_the_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def vertex_status(providers: SimulatedProviders, token: str) -> int:
    body = {"contents": [{"parts": [{"text": "hi"}]}]}
    return httpx.post(f"{providers.url}{GENERATE}", json=body, headers={"authorization": f"Bearer {token}"}).status_code


def converse(providers: SimulatedProviders) -> str:
    client = boto3.Session().client(
        "bedrock-runtime",
        endpoint_url=providers.url,
        region_name="eu-central-1",
        config=Config(retries={"total_max_attempts": 1}),
    )
    told = client.converse(modelId="m", messages=BLOCKS)
    return str(told["output"]["message"]["content"][0]["text"])


# -- Google ----------------------------------------------------------------------------------------------------------


def account_of(providers: SimulatedProviders, **changed: Any) -> service_account.Credentials:
    told = {**json.loads(providers.service_account()), **changed}
    return service_account.Credentials.from_service_account_info(told, scopes=SCOPES)


def test_a_service_account_signs_in_until_its_token_ends(providers: SimulatedProviders) -> None:
    credentials = account_of(providers)
    credentials.refresh(Request())
    assert vertex_status(providers, credentials.token) == 200
    providers.tokens_last("google", 0)
    credentials.refresh(Request())
    assert vertex_status(providers, credentials.token) == 401
    providers.tokens_last("google", 3600)
    credentials.refresh(Request())
    assert vertex_status(providers, credentials.token) == 200
    providers.revoke_tokens()
    assert vertex_status(providers, credentials.token) == 401


def test_a_new_key_of_a_service_account_leaves_the_ones_before_good(providers: SimulatedProviders) -> None:
    before, new = account_of(providers), account_of(providers)
    for credentials in (before, new):
        credentials.refresh(Request())
        assert vertex_status(providers, credentials.token) == 200


def test_a_forged_jwt_gets_no_token(providers: SimulatedProviders) -> None:
    other = json.loads(providers.service_account())["private_key"]
    with pytest.raises(google.auth.exceptions.RefreshError, match="Invalid JWT Signature"):
        account_of(providers, private_key=other).refresh(Request())
    with pytest.raises(google.auth.exceptions.RefreshError, match="Invalid JWT Signature"):
        account_of(providers, private_key_id="never made").refresh(Request())
    for assertion in ("x", "a.b.c", "e30.e30.e30"):
        form = {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion}
        answer = httpx.post(f"{providers.url}/google/token", data=form)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


def test_a_refresh_token_signs_in(providers: SimulatedProviders) -> None:
    user = google.oauth2.credentials.Credentials(
        None,
        refresh_token=providers.credential,
        token_uri=f"{providers.url}/google/token",
        client_id="c",
        client_secret="s",
    )
    user.refresh(Request())
    assert vertex_status(providers, user.token) == 200


MACHINE = """
import google.auth
from google.auth.transport.requests import Request
credentials, project = google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])
credentials.refresh(Request())
print(project, credentials.token)
"""


def test_a_machine_signs_in_by_its_metadata_server(providers: SimulatedProviders, tmp_path: Path) -> None:
    host = providers.url.removeprefix("http://")
    environ = {"GCE_METADATA_HOST": host, "GCE_METADATA_IP": host, "HOME": str(tmp_path), "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(  # the library reads its environment when it is imported
        [sys.executable, "-c", MACHINE], env={**environ, "PATH": ""}, capture_output=True, text=True, check=True
    )
    project, token = done.stdout.split()
    assert project == "simulated-project"
    assert vertex_status(providers, token) == 200


def test_a_token_server_can_be_told_to_fail(providers: SimulatedProviders) -> None:
    providers.fail("status", provider="tokens", status=400, code="invalid_grant", message="away")
    with pytest.raises(google.auth.exceptions.RefreshError, match="away"):
        account_of(providers).refresh(Request())


# -- AWS -------------------------------------------------------------------------------------------------------------


def test_a_role_is_assumed_with_other_keys(providers: SimulatedProviders, monkeypatch: pytest.MonkeyPatch) -> None:
    sts = boto3.client(
        "sts",
        endpoint_url=providers.url,
        region_name="eu-central-1",
        aws_access_key_id=providers.aws_key_id,
        aws_secret_access_key=providers.aws_secret,
    )
    providers.tokens_last("aws", 900)
    keys = sts.assume_role(RoleArn=ROLE, RoleSessionName="session")["Credentials"]
    left = (keys["Expiration"] - datetime.now(UTC)).total_seconds()
    assert 800 < left <= 900
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys["SecretAccessKey"])
    with pytest.raises(botocore.exceptions.ClientError, match="UnrecognizedClientException"):
        converse(providers)  # without the session token the keys are nothing
    monkeypatch.setenv("AWS_SESSION_TOKEN", keys["SessionToken"])
    assert converse(providers) == "echo: hello there"


def test_keys_that_have_ended_are_told_apart(providers: SimulatedProviders, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = providers.aws_keys(seconds=0)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", keys.key_id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", keys.secret)
    monkeypatch.setenv("AWS_SESSION_TOKEN", keys.token)
    with pytest.raises(botocore.exceptions.ClientError, match="ExpiredTokenException"):
        converse(providers)


def test_the_chain_finds_web_identity_container_and_instance(
    providers: SimulatedProviders, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "jwt").write_text("a.b.c")
    with monkeypatch.context() as patch:
        patch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "jwt"))
        patch.setenv("AWS_ROLE_ARN", ROLE)
        patch.setenv("AWS_ENDPOINT_URL_STS", f"{providers.url}/aws/sts/")
        patch.setenv("AWS_REGION", "eu-central-1")
        patch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
        assert converse(providers) == "echo: hello there"
    with monkeypatch.context() as patch:
        patch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{providers.url}/aws/container-credentials")
        patch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", providers.credential)
        assert converse(providers) == "echo: hello there"
    with monkeypatch.context() as patch:
        patch.setenv("AWS_EC2_METADATA_DISABLED", "false")
        patch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"{providers.url}/")
        assert converse(providers) == "echo: hello there"
    asked = [seen.path for seen in providers.requests if seen.provider == "tokens"]
    assert asked == [
        "/aws/sts/",
        "/aws/container-credentials",
        "/latest/api/token",
        "/latest/meta-data/iam/security-credentials/",
        "/latest/meta-data/iam/security-credentials/simulated-role",
    ]


# -- Entra -----------------------------------------------------------------------------------------------------------


def test_a_managed_identity_signs_in_at_azure(providers: SimulatedProviders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{providers.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", providers.credential)
    credential = ManagedIdentityCredential()
    token = get_bearer_token_provider(credential, "https://cognitiveservices.azure.com/.default")
    client = openai.AzureOpenAI(azure_endpoint=providers.url, azure_ad_token_provider=token, api_version="2024-10-21")
    told = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hello there"}])
    assert told.choices[0].message.content == "echo: hello there"


def test_a_client_signs_in_by_its_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with simulated_providers(tls=tmp_path) as providers:  # the library takes no authority without TLS
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(providers.certificate))
        credential = ClientSecretCredential(
            "my-tenant", "c", providers.credential, authority=providers.url, disable_instance_discovery=True
        )
        token = credential.get_token("https://cognitiveservices.azure.com/.default").token
        answer = httpx.post(
            f"{providers.url}/openai/deployments/m/embeddings?api-version=2024-10-21",
            json={"input": "a"},
            headers={"authorization": f"Bearer {token}"},
            verify=ssl.create_default_context(cafile=providers.certificate),
        )
        assert answer.status_code == 200
        wrong = ClientSecretCredential(
            "my-tenant", "c", "wrong", authority=providers.url, disable_instance_discovery=True
        )
        with pytest.raises(ClientAuthenticationError, match="AADSTS7000215"):
            wrong.get_token("https://cognitiveservices.azure.com/.default")


def test_a_client_secret_gets_a_token_of_entra(providers: SimulatedProviders) -> None:
    form = {
        "grant_type": "client_credentials",
        "client_id": "c",
        "client_secret": providers.credential,
        "scope": "https://cognitiveservices.azure.com/.default",
    }
    url = f"{providers.url}/my-tenant/oauth2/v2.0/token"
    told = httpx.post(url, data=form).json()
    assert told["expires_in"] == pytest.approx(3600, abs=5)
    answer = httpx.post(
        f"{providers.url}/openai/deployments/m/embeddings?api-version=2024-10-21",
        json={"input": "a"},
        headers={"authorization": f"Bearer {told['access_token']}"},
    )
    assert answer.status_code == 200
    refused = httpx.post(url, data={**form, "client_secret": "wrong"})
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
