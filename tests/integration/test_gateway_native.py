"""The providers' own SDKs through the gateway's native paths: only the base URL and the key are changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import boto3  # type: ignore[import-untyped]
import httpx
import openai
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from google import genai
from google.genai import types
from google.oauth2.credentials import Credentials

from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.simulator import SimulatedProviders

HELLO: Any = [{"role": "user", "content": "hello wörld 😀"}]


def config(url: str) -> str:
    return f"""
[gateway]
timeouts = {{ connect = 1, first_token = 3, answer = 3, idle = 3, total = 30 }}
[providers.openai]
kind = "openai"
base_url = "{url}/v1"
credential = {{ env = "SIM_KEY" }}
[providers.acme]
kind = "openai_compatible"
base_url = "{url}/v1"
credential = {{ env = "SIM_KEY" }}
[providers.azure]
kind = "azure"
base_url = "{url}"
credential = {{ env = "SIM_KEY" }}
[providers.anthropic]
kind = "anthropic"
base_url = "{url}"
credential = {{ env = "SIM_KEY" }}
[providers.gemini]
kind = "gemini"
base_url = "{url}"
credential = {{ env = "SIM_KEY" }}
[providers.vertex]
kind = "vertex"
base_url = "{url}"
project = "menu-team"
location = "europe-west4"
credential = {{ file = "account.json" }}
[providers.bedrock]
kind = "bedrock"
base_url = "{url}"
region = "eu-central-1"
credential = {{ env = "AWS_PAIR" }}
[providers.badkey]
kind = "openai"
base_url = "{url}/v1"
credential = {{ env = "WRONG_KEY" }}
[providers.badclaude]
kind = "anthropic"
base_url = "{url}"
credential = {{ env = "WRONG_KEY" }}
[providers.badgemini]
kind = "gemini"
base_url = "{url}"
credential = {{ env = "WRONG_KEY" }}
[providers.badbedrock]
kind = "bedrock"
base_url = "{url}"
region = "eu-central-1"
credential = {{ env = "WRONG_PAIR" }}
[providers.translated]
kind = "litellm"
base_url = "{url}"
credential = {{ env = "SIM_KEY" }}
"""


@pytest.fixture(autouse=True)
def _clear(providers: SimulatedProviders) -> None:
    providers.clear()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, providers: SimulatedProviders) -> Iterator[RunningGateway]:
    home = tmp_path_factory.mktemp("native")
    (home / "account.json").write_text(providers.service_account(), "utf-8")
    environ = {
        "SIM_KEY": providers.credential, "WRONG_KEY": "wrong-key", "WRONG_PAIR": "AKIAWRONG:wrong-secret",
        "AWS_PAIR": f"{providers.aws_key_id}:{providers.aws_secret}",
    }  # fmt: skip
    with running_gateway(home, config=config(providers.url), environ=environ) as running:
        yield running


@pytest.fixture(scope="module")
def key(gateway: RunningGateway) -> str:
    return gateway.issue_key()


def rows(gateway: RunningGateway, key: str, **filters: str) -> list[dict[str, Any]]:
    answer = httpx.get(f"{gateway.url}/me/calls", headers={"authorization": f"Bearer {key}"}, params=filters)
    answer.raise_for_status()
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


def sdk(gateway: RunningGateway, key: str, provider: str = "openai") -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{gateway.url}/{provider}/v1", api_key=key, max_retries=0)


def claude(gateway: RunningGateway, key: str, provider: str = "anthropic") -> anthropic.Anthropic:
    return anthropic.Anthropic(base_url=f"{gateway.url}/{provider}", api_key=key, max_retries=0)


def gemini(gateway: RunningGateway, key: str, provider: str = "gemini") -> genai.Client:
    return genai.Client(api_key=key, http_options=types.HttpOptions(base_url=f"{gateway.url}/{provider}"))


def vertex(gateway: RunningGateway, key: str) -> genai.Client:
    return genai.Client(
        vertexai=True, project="menu-team", location="europe-west4", credentials=Credentials(token=key),
        http_options=types.HttpOptions(base_url=f"{gateway.url}/vertex"),
    )  # fmt: skip


def bedrock(gateway: RunningGateway, key: str, provider: str = "bedrock") -> Any:
    return boto3.client(
        "bedrock-runtime", endpoint_url=f"{gateway.url}/{provider}", aws_access_key_id=key,
        aws_secret_access_key="any-secret", region_name="eu-central-1",
        config=Config(retries={"total_max_attempts": 1}),
    )  # fmt: skip


def said(text: str) -> Any:
    return [{"role": "user", "content": [{"text": text}]}]


# -- one call, plain and streamed, by each SDK ---------------------------------------------------------------------


def test_openai_plain_and_streamed(gateway: RunningGateway, key: str) -> None:
    client = sdk(gateway, key)
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=HELLO)
    assert answer.choices[0].message.content == "echo: hello wörld 😀"
    chunks = list(client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "echo: hello wörld 😀"
    streamed, plain = rows(gateway, key)[:2]
    assert plain["model"] == "openai/gpt-4o-mini"
    assert plain["path"] == "/openai/v1/chat/completions"
    assert (plain["outcome"], streamed["outcome"]) == ("ok", "ok")
    assert plain["output_tokens"] == streamed["output_tokens"] > 0
    assert plain["cost_usd"] == streamed["cost_usd"] > 0
    assert streamed["cost_source"] == plain["cost_source"] == "price_book"


def test_azure_by_deployment_and_on_the_v1_path(gateway: RunningGateway, key: str) -> None:
    client = openai.AzureOpenAI(
        azure_endpoint=f"{gateway.url}/azure", api_key=key, api_version="2024-10-21", max_retries=0
    )
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=HELLO)
    assert answer.choices[0].message.content == "echo: hello wörld 😀"
    chunks = list(client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, stream=True))
    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == "echo: hello wörld 😀"
    v1 = openai.OpenAI(base_url=f"{gateway.url}/azure/openai/v1", api_key=key, max_retries=0)
    assert v1.chat.completions.create(model="gpt-4o-mini", messages=HELLO).choices[0].finish_reason == "stop"
    assert {row["model"] for row in rows(gateway, key)[:3]} == {"azure/gpt-4o-mini"}
    assert all(row["output_tokens"] > 0 for row in rows(gateway, key)[:3])


def test_anthropic_plain_and_streamed(gateway: RunningGateway, key: str) -> None:
    client = claude(gateway, key)
    asked: Any = {"model": "claude-sonnet-4-5", "max_tokens": 100, "messages": HELLO}
    assert client.messages.create(**asked).content[0].text == "echo: hello wörld 😀"
    with client.messages.stream(**asked) as stream:
        assert stream.get_final_text() == "echo: hello wörld 😀"
    streamed, plain = rows(gateway, key)[:2]
    assert plain["model"] == "anthropic/claude-sonnet-4-5"
    assert plain["output_tokens"] == streamed["output_tokens"] > 0
    assert plain["input_tokens"] == streamed["input_tokens"] > 0
    assert plain["cost_usd"] == streamed["cost_usd"] > 0


def test_gemini_plain_streamed_and_as_an_array(gateway: RunningGateway, key: str) -> None:
    client = gemini(gateway, key)
    assert client.models.generate_content(model="gemini-2.5-flash", contents="hi there").text == "echo: hi there"
    pieces = list(client.models.generate_content_stream(model="gemini-2.5-flash", contents="hi there"))
    assert "".join(piece.text or "" for piece in pieces) == "echo: hi there"
    answer = httpx.post(
        f"{gateway.url}/gemini/v1beta/models/gemini-2.5-flash:streamGenerateContent",
        params={"key": key}, json={"contents": [{"role": "user", "parts": [{"text": "hi there"}]}]},
    )  # fmt: skip
    texts = [part["text"] for piece in answer.json() for part in piece["candidates"][0]["content"]["parts"]]
    assert "".join(texts) == "echo: hi there"
    found = rows(gateway, key)[:3]
    assert {row["model"] for row in found} == {"gemini/gemini-2.5-flash"}
    assert len({row["output_tokens"] for row in found}) == 1
    assert all(row["cost_usd"] > 0 and row["cost_source"] == "price_book" for row in found)


def test_vertex_plain_and_streamed(gateway: RunningGateway, key: str) -> None:
    client = vertex(gateway, key)
    assert client.models.generate_content(model="gemini-2.5-flash", contents="hi there").text == "echo: hi there"
    pieces = list(client.models.generate_content_stream(model="gemini-2.5-flash", contents="hi there"))
    assert "".join(piece.text or "" for piece in pieces) == "echo: hi there"
    assert {row["model"] for row in rows(gateway, key)[:2]} == {"vertex/gemini-2.5-flash"}


def test_vertex_by_a_key_alone_is_sent_to_the_configured_project(
    gateway: RunningGateway, providers: SimulatedProviders, key: str
) -> None:
    options = types.HttpOptions(base_url=f"{gateway.url}/vertex")
    client = genai.Client(vertexai=True, api_key=key, http_options=options)
    assert client.models.generate_content(model="gemini-2.5-flash", contents="hi there").text == "echo: hi there"
    place = "/v1beta1/projects/menu-team/locations/europe-west4/publishers/google/models/"
    assert providers.requests[-1].path == f"{place}gemini-2.5-flash:generateContent"


def test_another_project_is_refused_with_the_right_one(gateway: RunningGateway, key: str) -> None:
    client = genai.Client(
        vertexai=True, project="somebodys", location="europe-west4", credentials=Credentials(token=key),
        http_options=types.HttpOptions(base_url=f"{gateway.url}/vertex"),
    )  # fmt: skip
    with pytest.raises(genai.errors.ClientError, match="project='menu-team'") as refused:
        client.models.generate_content(model="gemini-2.5-flash", contents="hi there")
    assert refused.value.code == 403


def test_claude_at_vertex_and_at_bedrock(gateway: RunningGateway, key: str) -> None:
    at_vertex = anthropic.AnthropicVertex(
        base_url=f"{gateway.url}/vertex/v1", access_token=key, region="europe-west4", project_id="menu-team",
        max_retries=0,
    )  # fmt: skip
    at_bedrock = anthropic.AnthropicBedrock(
        base_url=f"{gateway.url}/bedrock", aws_access_key=key, aws_secret_key="any-secret", aws_region="eu-central-1",
        max_retries=0,
    )  # fmt: skip
    for client, model in ((at_vertex, "claude-sonnet-4-5@20250929"), (at_bedrock, "anthropic.claude-sonnet-4-5-v1:0")):
        asked: Any = {"model": model, "max_tokens": 100, "messages": HELLO}
        assert client.messages.create(**asked).content[0].text == "echo: hello wörld 😀"
        events = list(client.messages.create(**asked, stream=True))
        assert "".join(e.delta.text for e in events if e.type == "content_block_delta") == "echo: hello wörld 😀"
        assert events[-1].type == "message_stop"
        plain, streamed = rows(gateway, key)[:2]
        assert plain["output_tokens"] == streamed["output_tokens"] > 0
    bad = anthropic.AnthropicVertex(
        base_url=f"{gateway.url}/vertex/v1", access_token="wbx-wrong", region="europe-west4", project_id="menu-team",
        max_retries=0,
    )  # fmt: skip
    with pytest.raises(anthropic.AuthenticationError):
        bad.messages.create(**asked)


def test_bedrock_converse_and_invoke(gateway: RunningGateway, key: str) -> None:
    client = bedrock(gateway, key)
    model = "anthropic.claude-3-5-sonnet-20240620-v1:0"
    answer = client.converse(modelId=model, messages=said("hi there"))
    assert answer["output"]["message"]["content"][0]["text"] == "echo: hi there"
    events = list(client.converse_stream(modelId=model, messages=said("hi there"))["stream"])
    deltas = [event["contentBlockDelta"]["delta"]["text"] for event in events if "contentBlockDelta" in event]
    assert "".join(deltas) == "echo: hi there"
    body = json.dumps({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 50, "messages": HELLO})
    told = json.loads(client.invoke_model(modelId=model, body=body)["body"].read())
    assert told["content"][0]["text"] == "echo: hello wörld 😀"
    pieces = list(client.invoke_model_with_response_stream(modelId=model, body=body)["body"])
    assert json.loads(pieces[-1]["chunk"]["bytes"])["type"] == "message_stop"
    found = rows(gateway, key)[:4]
    assert {row["model"] for row in found} == {f"bedrock/{model}"}
    assert [row["path"] for row in found][-1] == f"/bedrock/model/{model}/converse"
    assert all(row["output_tokens"] > 0 and row["cost_source"] == "price_book" for row in found)


# -- whose fault an error is ---------------------------------------------------------------------------------------


def test_a_bad_gateway_key_raises_what_each_sdk_raises(gateway: RunningGateway) -> None:
    with pytest.raises(openai.AuthenticationError):
        sdk(gateway, "wbx-wrong").chat.completions.create(model="gpt-4o-mini", messages=HELLO)
    with pytest.raises(anthropic.AuthenticationError):
        claude(gateway, "wbx-wrong").messages.create(model="claude-sonnet-4-5", max_tokens=9, messages=HELLO)
    google_client = gemini(gateway, "wbx-wrong")  # closes itself as soon as nobody holds it
    with pytest.raises(genai.errors.ClientError) as google:
        google_client.models.generate_content(model="gemini-2.5-flash", contents="hi")
    assert (google.value.code, google.value.status) == (401, "UNAUTHENTICATED")
    with pytest.raises(ClientError) as aws:
        bedrock(gateway, "wbx-wrong").converse(modelId="amazon.nova-lite-v1:0", messages=said("hi"))
    assert aws.value.response["Error"]["Code"] == "UnrecognizedClientException"


def test_a_providers_own_refusal_of_the_credential_is_never_the_callers_fault(
    gateway: RunningGateway, key: str
) -> None:
    with pytest.raises(openai.InternalServerError) as error:
        sdk(gateway, key, "badkey").chat.completions.create(model="gpt-4o-mini", messages=HELLO)
    assert error.value.status_code == 502
    with pytest.raises(anthropic.InternalServerError):
        claude(gateway, key, "badclaude").messages.create(model="claude-sonnet-4-5", max_tokens=9, messages=HELLO)
    google_client = gemini(gateway, key, "badgemini")
    with pytest.raises(genai.errors.ServerError):
        google_client.models.generate_content(model="gemini-2.5-flash", contents="hi")
    with pytest.raises(ClientError) as aws:
        bedrock(gateway, key, "badbedrock").converse(modelId="amazon.nova-lite-v1:0", messages=said("hi"))
    assert aws.value.response["ResponseMetadata"]["HTTPStatusCode"] == 502
    assert {row["error_code"] for row in rows(gateway, key)[:4]} == {"provider_credential"}


def test_no_credential_passes_the_gateway_in_either_direction(
    gateway: RunningGateway, providers: SimulatedProviders, key: str
) -> None:
    got: list[str] = []

    def note(answer: httpx.Response) -> None:
        answer.read()
        got.append(f"{answer.headers}{answer.text}")

    with httpx.Client(event_hooks={"response": [note]}, timeout=10) as http:
        chat = {"model": "gpt-4o-mini", "messages": HELLO}
        for headers in ({"authorization": f"Bearer {key}"}, {"x-api-key": key}, {"api-key": key}):
            http.post(f"{gateway.url}/openai/v1/chat/completions?key={key}", json=chat, headers=headers)
        both = {"authorization": f"Bearer {key}", "x-api-key": key, "x-copy": key, "cookie": f"session={key}"}
        http.post(f"{gateway.url}/badkey/v1/chat/completions", json=chat, headers=both)
        http.post(
            f"{gateway.url}/gemini/v1beta/models/gemini-2.5-flash:generateContent?%6bey={key}&alt=json",
            json={"contents": [{"parts": [{"text": "x"}]}]}, headers={"x-goog-api-key": key},
        )  # fmt: skip
    bedrock(gateway, key).converse(modelId="amazon.nova-lite-v1:0", messages=said("hi"))
    saw = [f"{seen.path}{seen.headers}{seen.body}" for seen in providers.requests]
    assert len(saw) == 6
    assert [one for one in saw if key in one] == []
    secrets = (providers.credential, "wrong-key", providers.aws_secret, providers.aws_key_id)
    assert [one for one in got if any(secret in one for secret in secrets)] == []
