"""Every SDK through the relay: a reference stands where the key goes, and a gateway with the simulator answers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import anthropic
import boto3  # type: ignore[import-untyped]
import httpx
import openai
import pytest
from botocore.config import Config
from google import genai
from google.genai import types

import workbench as wb
from workbench.client.usable_sdks import usable_sdks
from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.simulator import SimulatedProviders
from workbench.wire.cell import Cell, CellFile
from workbench.wire.key_file import MountedKey, read_key_file, write_key_file
from workbench_jupyter.relay.process import RelayProcess
from workbench_jupyter.relay.reference import new_reference, reference_file, write_reference

EVERY_SDK = """
import anthropic, openai
from google import genai
hi, claude = [{"role": "user", "content": "hi"}], "claude-opus-4-1"
def tell(name, said): print(f"{name}: {said}", flush=True)
def chat(client): return client.chat.completions.create(model="gpt-4o-mini", messages=hi).choices[0].message.content
tell("openai", chat(openai.OpenAI()))
tell("openai module", chat(openai))
tell("anthropic", anthropic.Anthropic().messages.create(model=claude, max_tokens=9, messages=hi).content[0].text)
google = genai.Client()  # one that nobody holds closes its connection
tell("google", google.models.generate_content(model="gemini-2.0-flash", contents="hi").text)
tell("azure", chat(openai.AzureOpenAI()))
from langchain_openai import AzureChatOpenAI, ChatOpenAI
from langchain_anthropic import ChatAnthropic
tell("LangChain openai", ChatOpenAI(model="gpt-4o-mini").invoke("hi").content)
tell("LangChain azure", AzureChatOpenAI(azure_deployment="gpt-4o-mini").invoke("hi").content)
tell("LangChain anthropic", ChatAnthropic(model=claude, max_tokens=9).invoke("hi").content)
from llama_index.llms.openai import OpenAI
tell("LlamaIndex", OpenAI(model="gpt-4o-mini").complete("hi"))
import litellm
for name, model in (("openai", "gpt-4o-mini"), ("anthropic", claude), ("gemini", "gemini-2.0-flash"),
                    ("azure", "gpt-4o-mini")):
    tell(f"litellm {name}", litellm.completion(f"{name}/{model}", hi).choices[0].message.content)
"""
HELLO: Any = [{"role": "user", "content": "hello wörld 😀"}]
ECHO = "echo: hello wörld 😀"


def config(url: str) -> str:
    named = "".join(
        f'[providers.{name}]\nkind = "{kind}"\nbase_url = "{url}{path}"\ncredential = {{ env = "SIM_KEY" }}\n'
        for name, kind, path in (
            ("openai", "openai", "/v1"), ("azure", "azure", ""), ("claude", "anthropic", ""), ("gemini", "gemini", ""),
        )
    )  # fmt: skip
    bedrock = (
        f'[providers.bedrock]\nkind = "bedrock"\nbase_url = "{url}"\nregion = "eu-central-1"\n'
        'credential = { env = "AWS_PAIR" }\n'
    )
    model = '[[models]]\nname = "gpt-4o-mini"\n[[models.deployments]]\nprovider = "openai"\nmodel = "gpt-4o-mini"\n'
    return named + bedrock + model


@pytest.fixture(autouse=True)
def _clear(providers: SimulatedProviders) -> None:
    providers.clear()


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, providers: SimulatedProviders) -> Iterator[RunningGateway]:
    home = tmp_path_factory.mktemp("relayed")
    pair = f"{providers.aws_key_id}:{providers.aws_secret}"
    with running_gateway(
        home, config=config(providers.url), environ={"SIM_KEY": providers.credential, "AWS_PAIR": pair}
    ) as running:
        yield running


@dataclass(frozen=True)
class Mounted:
    """A relay, and what is mounted at it."""

    url: str
    folder: Path
    key_file: Path
    reference: str
    process: RelayProcess

    def sdk(self, **options: Any) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=self.reference, **options)


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory, gateway: RunningGateway) -> Iterator[Mounted]:
    home = tmp_path_factory.mktemp("relay")
    folder = home / "keys"
    key_file, reference = folder / "k.json", new_reference()
    write_key_file(key_file, MountedKey(gateway.issue_key(), None, gateway.url))
    write_reference(key_file, reference)
    process = RelayProcess()
    process.start(folder, home=home)
    assert process.settled(30)
    assert process.url, process.problem
    yield Mounted(process.url, folder, key_file, reference, process)
    process.close()


def rows(gateway: RunningGateway) -> list[dict[str, Any]]:
    answer = httpx.get(
        f"{gateway.url}/admin/v1/calls", headers={"authorization": f"Bearer {gateway.owner_token}"}
    ).raise_for_status()
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


# -- the SDKs ---------------------------------------------------------------------------------------------------------


def test_openai_plain_and_streamed(relay: Mounted) -> None:
    client = relay.sdk()
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=HELLO)
    assert answer.choices[0].message.content == ECHO
    chunks = list(client.chat.completions.create(model="gpt-4o-mini", messages=HELLO, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == ECHO


def test_azure(relay: Mounted) -> None:
    client = openai.AzureOpenAI(azure_endpoint=f"{relay.url}/azure", api_key=relay.reference, api_version="2024-10-21")
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=HELLO)
    assert answer.choices[0].message.content == ECHO


def test_anthropic_by_either_header_plain_and_streamed(relay: Mounted) -> None:
    for credential in ({"api_key": relay.reference}, {"auth_token": relay.reference}):
        client = anthropic.Anthropic(base_url=f"{relay.url}/claude", **credential)
        answer = client.messages.create(model="claude-opus-4-1", max_tokens=99, messages=HELLO)
        assert answer.content[0].text == ECHO
        with client.messages.stream(model="claude-opus-4-1", max_tokens=99, messages=HELLO) as stream:
            assert "".join(stream.text_stream) == ECHO


def test_google_genai_plain_and_streamed(relay: Mounted) -> None:
    client = genai.Client(api_key=relay.reference, http_options=types.HttpOptions(base_url=f"{relay.url}/gemini"))
    said = "hello wörld 😀"
    assert client.models.generate_content(model="gemini-2.0-flash", contents=said).text == ECHO
    parts = client.models.generate_content_stream(model="gemini-2.0-flash", contents=said)
    assert "".join(part.text for part in parts) == ECHO


def test_the_key_of_a_query(relay: Mounted) -> None:
    url = f"{relay.url}/gemini/v1beta/models/gemini-2.0-flash:generateContent?key={relay.reference}"
    answer = httpx.post(url, json={"contents": [{"parts": [{"text": "hi"}]}]})
    assert answer.json()["candidates"][0]["content"]["parts"][0]["text"] == "echo: hi"


def test_bedrock_by_boto3_with_a_binary_event_stream(relay: Mounted) -> None:
    client = boto3.client(
        "bedrock-runtime", endpoint_url=f"{relay.url}/bedrock", aws_access_key_id=relay.reference,
        aws_secret_access_key="any", region_name="eu-central-1", config=Config(retries={"total_max_attempts": 1}),
    )  # fmt: skip
    messages = [{"role": "user", "content": [{"text": "hello"}]}]
    model = "anthropic.claude-3-haiku-20240307-v1:0"
    answer = client.converse(modelId=model, messages=messages)
    assert answer["output"]["message"]["content"][0]["text"] == "echo: hello"
    events = client.converse_stream(modelId=model, messages=messages)["stream"]
    text = "".join(e["contentBlockDelta"]["delta"].get("text", "") for e in events if "contentBlockDelta" in e)
    assert text == "echo: hello"


def test_boto3_by_one_line_with_a_key_that_is_replaced_meanwhile(
    relay: Mounted, gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORKBENCH_KEY_FILE", str(relay.key_file))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOFTHEUSER")
    client = wb.bedrock(config=Config(retries={"total_max_attempts": 1}))
    messages = [{"role": "user", "content": [{"text": "hello"}]}]
    CellFile(relay.key_file).write(Cell("n.ipynb", "c7", 1))
    for _ in range(2):
        answer = client.converse(modelId="anthropic.claude-3-haiku-20240307-v1:0", messages=messages)
        assert answer["output"]["message"]["content"][0]["text"] == "echo: hello"
        write_key_file(relay.key_file, MountedKey(gateway.issue_key(), None, gateway.url))
    second, first = rows(gateway)[:2]
    CellFile(relay.key_file).path.unlink()
    assert first["key_id"] != second["key_id"]
    assert first["tags"] == {"notebook": "n.ipynb", "cell": "c7"}


def test_every_sdk_by_its_environment_alone(relay: Mounted, gateway: RunningGateway) -> None:
    """In a process as a kernel is one: the rows that the gateway has, nothing else."""
    key = read_key_file(relay.key_file)
    shown = MountedKey(relay.reference, None, relay.url)
    environ = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    for sdk in usable_sdks(key.gateway_url, key.key, timeout=10):
        environ |= sdk.variables(shown)
    done = subprocess.run([sys.executable, "-c", EVERY_SDK], env=environ, capture_output=True, text=True, check=False)
    told = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    assert told == dict.fromkeys(
        ["openai", "openai module", "anthropic", "google", "azure", "LangChain openai", "LangChain azure",
         "LangChain anthropic", "LlamaIndex", "litellm openai", "litellm anthropic", "litellm gemini", "litellm azure"],
        "echo: hi",
    ), done.stderr  # fmt: skip


def test_a_body_in_chunks(relay: Mounted) -> None:
    pieces = iter([b'{"model": "gpt-4o-mini", "messages": [{"role": "user", ', b'"content": "hi"}]}'])
    answer = httpx.post(
        f"{relay.url}/v1/chat/completions", content=pieces, headers={"authorization": f"Bearer {relay.reference}"}
    )
    assert answer.json()["choices"][0]["message"]["content"] == "echo: hi"


def test_a_big_body_passes_whole(relay: Mounted) -> None:
    text = "x" * 3_000_000
    answer = relay.sdk().chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": text}])
    assert answer.choices[0].message.content == f"echo: {text}"


# -- who called -------------------------------------------------------------------------------------------------------


def test_calls_are_tagged_with_the_cell_that_runs_beside_what_the_caller_says(
    relay: Mounted, gateway: RunningGateway
) -> None:
    CellFile(relay.key_file).write(Cell("/home/ana/first.ipynb", "c1", 1))
    client = relay.sdk()
    client.chat.completions.create(model="gpt-4o-mini", messages=HELLO)
    client.chat.completions.create(
        model="gpt-4o-mini", messages=HELLO, extra_headers={"x-workbench-tags": "team=menu,cell=mine"}
    )
    second, first = [row["tags"] for row in rows(gateway)[:2]]
    CellFile(relay.key_file).path.unlink()
    assert first == {"notebook": "/home/ana/first.ipynb", "cell": "c1"}
    assert second == {"notebook": "/home/ana/first.ipynb", "cell": "mine", "team": "menu"}


# -- which key --------------------------------------------------------------------------------------------------------


def test_a_replaced_key_is_used_from_the_next_call_on_also_on_an_open_connection(
    relay: Mounted, gateway: RunningGateway
) -> None:
    with httpx.Client(headers={"authorization": f"Bearer {relay.reference}"}) as http:
        before = http.get(f"{relay.url}/me").json()["id"]
        write_key_file(relay.key_file, MountedKey(gateway.issue_key(note="second"), None, gateway.url))
        assert http.get(f"{relay.url}/me").json()["id"] != before


def test_a_reference_counts_only_while_its_kernel_has_it(relay: Mounted) -> None:
    key_file, reference = relay.folder / "other.json", new_reference()
    key_file.write_bytes(relay.key_file.read_bytes())
    write_reference(key_file, reference)
    other = replace(relay, key_file=key_file, reference=reference)
    assert other.sdk().models.list().data
    write_reference(key_file, new_reference())
    with pytest.raises(openai.AuthenticationError, match="Incorrect API key"):
        other.sdk().models.list()
    write_reference(key_file, reference)
    assert other.sdk().models.list().data
    reference_file(key_file).unlink()
    with pytest.raises(openai.AuthenticationError, match="living kernel"):
        other.sdk().models.list()


@pytest.mark.parametrize("key", ["none", "sk-own", "wbr-short", "wbr-" + "a" * 43])
def test_without_the_reference_of_a_living_kernel_each_sdk_tells_it_as_its_own_error(relay: Mounted, key: str) -> None:
    with pytest.raises(openai.AuthenticationError, match="Incorrect API key"):
        openai.OpenAI(base_url=f"{relay.url}/v1", api_key=key).models.list()
    with pytest.raises(anthropic.AuthenticationError, match="Incorrect API key"):
        anthropic.Anthropic(base_url=f"{relay.url}/claude", api_key=key).models.list()
    google = genai.Client(api_key=key, http_options=types.HttpOptions(base_url=f"{relay.url}/gemini"))
    with pytest.raises(genai.errors.ClientError, match="UNAUTHENTICATED"):
        google.models.generate_content(model="gemini-2.0-flash", contents="hi")


def test_the_real_key_is_no_reference_and_the_reference_is_no_key(relay: Mounted, gateway: RunningGateway) -> None:
    key = gateway.issue_key()
    assert httpx.get(f"{relay.url}/me", headers={"authorization": f"Bearer {key}"}).status_code == 401
    assert httpx.get(f"{gateway.url}/me", headers={"authorization": f"Bearer {relay.reference}"}).status_code == 401


def test_a_reference_outside_of_a_credentials_place_stays_a_reference(relay: Mounted, gateway: RunningGateway) -> None:
    client = relay.sdk(default_headers={"x-workbench-tags": f"note={relay.reference}"})
    client.chat.completions.create(model="gpt-4o-mini", messages=HELLO)
    assert rows(gateway)[0]["tags"]["note"] == relay.reference


def test_no_key_stands_in_the_relays_command_line_or_log(relay: Mounted) -> None:
    said = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert "workbench_jupyter.relay" in said
    assert relay.reference not in said
    assert (relay.folder.parent / "logs" / "relay.log").read_text() == ""
