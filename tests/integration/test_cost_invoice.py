"""The ledger's cost equals what the providers charge: every kind of call, then invoice against ledger by model."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import wave
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import boto3
import httpx
import openai
import pytest
from botocore.config import Config

from workbench.simulator.state import AWS_KEY_ID, AWS_SECRET
from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.simulator import SimulatedProviders

MODELS = (
    ("mini", "chat", "openai", "gpt-4o-mini"),
    ("large", "chat", "openai", "gpt-4o"),
    ("aloud", "chat", "openai", "gpt-audio"),
    ("thinker", "chat", "openai", "o3"),
    ("base", "chat", "openai", "gpt-4o-mini-2024-07-18"),
    ("vectors", "embedding", "openai", "text-embedding-3-small"),
    ("painter", "image", "openai", "gpt-image-1"),
    ("titan", "image", "bedrock", "amazon.titan-image-generator-v2:0"),
    ("whisper", "transcription", "openai", "whisper-1"),
    ("scribe", "transcription", "openai", "gpt-4o-mini-transcribe"),
    ("voice", "speech", "openai", "tts-1"),
    ("speaker", "speech", "openai", "gpt-4o-mini-tts"),
    ("ranker", "rerank", "cohere", "rerank-v3.5"),
    ("claude", "chat", "anthropic", "claude-sonnet-4-5"),
    ("claude-aws", "chat", "bedrock", "anthropic.claude-sonnet-4-5-20250929-v1:0"),
    ("gemini", "chat", "gemini", "gemini-2.5-flash"),
    ("own", "chat", "openai", "our-model"),
)
LONG = " ".join(f"word{number}" for number in range(1500))
TOOL = {"type": "object", "properties": {"city": {"type": "string"}}}


def configuration(url: str) -> str:
    models = "".join(
        f'[[models]]\nname = "{name}"\ntask = "{task}"\ndeployments = [{{ provider = "{of}", model = "{model}" }}]\n'
        for name, task, of, model in MODELS
    )
    return f"""
[providers.openai]
kind = "openai"
base_url = "{url}/v1"
credential = {{ env = "SIM_KEY" }}
[providers.cohere]
kind = "openai_compatible"
base_url = "{url}/v1"
credential = {{ env = "SIM_KEY" }}
[providers.anthropic]
kind = "anthropic"
base_url = "{url}"
credential = {{ env = "SIM_KEY" }}
[providers.gemini]
kind = "gemini"
base_url = "{url}"
credential = {{ env = "SIM_KEY" }}
[providers.bedrock]
kind = "bedrock"
base_url = "{url}"
region = "eu-central-1"
credential = {{ env = "SIM_AWS" }}
[[prices]]
provider = "openai"
model = "our-*"
from = 2026-01-01
input = 1.0
output = 2.0
{models}"""


@pytest.fixture(scope="module")
def gateway(providers: SimulatedProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    environ = {"SIM_KEY": providers.credential, "SIM_AWS": f"{AWS_KEY_ID}:{AWS_SECRET}"}
    home = tmp_path_factory.mktemp("invoice")
    with running_gateway(home, config=configuration(providers.url), environ=environ) as running:
        yield running


@pytest.fixture
def key(gateway: RunningGateway) -> str:
    paths = ["/v1/*", "/openai/*", "/openai/v1/batches*", "/openai/v1/files*", "/anthropic/*",
             "/anthropic/v1/messages/batches*", "/gemini/*", "/bedrock/*",
             "/gemini/v1beta/models/gemini-2.5-flash:batchGenerateContent"]  # fmt: skip
    answer = httpx.post(
        f"{gateway.url}/admin/v1/keys",
        json={"kind": "exploration", "owner": "ana", "scopes": {"paths": paths}},
        headers={"authorization": f"Bearer {gateway.owner_token}"},
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["key"])


@pytest.fixture
def client(gateway: RunningGateway, key: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0, timeout=60) as client:
        yield client


@pytest.fixture
def plain(gateway: RunningGateway, key: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.url, headers={"authorization": f"Bearer {key}"}, timeout=60) as client:
        yield client


def sound(seconds: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(16000 * seconds))
    return file.getvalue()


def asked(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def consume(stream: Any) -> None:
    for _ in stream:
        pass


def post(plain: httpx.Client, path: str, body: Any, **headers: str) -> Any:
    answer = plain.post(path, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer


# -- all kinds of calls ----------------------------------------------------------------------------------------------


def chats(client: openai.OpenAI) -> None:
    for model in ("mini", "large", "own", "claude", "claude-aws", "gemini"):
        client.chat.completions.create(model=model, messages=asked("how are you"), max_tokens=50)
        consume(client.chat.completions.create(model=model, messages=asked("and now"), max_tokens=50, stream=True))
    tools: Any = [{"type": "function", "function": {"name": "weather", "parameters": TOOL}}]
    client.chat.completions.create(model="mini", messages=asked("is it warm"), tools=tools)
    consume(client.chat.completions.create(model="mini", messages=asked("is it cold"), tools=tools, stream=True))
    client.chat.completions.create(model="mini", messages=asked("three of them"), n=3)
    for _ in range(2):  # the second time it is cached
        client.chat.completions.create(model="mini", messages=asked(LONG))
    client.chat.completions.create(model="mini", messages=asked("at once"), service_tier="priority")
    consume(client.chat.completions.create(model="mini", messages=asked("soon"), service_tier="priority", stream=True))
    client.chat.completions.create(
        model="aloud", messages=asked("say it"), modalities=["text", "audio"], audio={"voice": "alloy", "format": "wav"}
    )
    client.chat.completions.create(model="thinker", messages=asked("think"), reasoning_effort="high")
    client.responses.create(model="large", input="respond to me")
    consume(client.responses.create(model="large", input="respond in pieces", stream=True))


def pieces(client: openai.OpenAI, plain: httpx.Client) -> None:
    client.embeddings.create(model="vectors", input=["a few words", "and more of them here"])
    client.images.generate(model="painter", prompt="a cat on a mat", n=2)
    client.images.generate(model="titan", prompt="a dog", n=3)
    picture = client.images.generate(model="painter", prompt="a hat").data
    assert picture is not None
    import base64

    png = base64.b64decode(picture[0].b64_json or "")
    client.images.edit(model="painter", image=("a.png", png), prompt="a taller hat")
    for form in ("json", "verbose_json", "srt"):
        client.audio.transcriptions.create(model="whisper", file=("a.wav", sound(3)), response_format=form)
    client.audio.transcriptions.create(model="scribe", file=("a.wav", sound(2)))
    consume(client.audio.transcriptions.create(model="scribe", file=("a.wav", sound(1)), stream=True))
    client.audio.speech.create(model="voice", voice="alloy", input="hello over there").read()
    post(plain, "/v1/audio/speech",
         {"model": "speaker", "voice": "alloy", "input": "hello my friend", "stream_format": "sse"})  # fmt: skip
    post(plain, "/v1/rerank", {"model": "ranker", "query": "cats", "documents": ["a cat", "a dog"]})


def natives(gateway: RunningGateway, key: str, plain: httpx.Client) -> None:
    with openai.OpenAI(base_url=f"{gateway.url}/openai/v1", api_key=key, max_retries=0) as native:
        consume(native.chat.completions.create(model="gpt-4o-mini", messages=asked("natively"), stream=True))
        native.embeddings.create(model="text-embedding-3-small", input="native words")
        consume(native.responses.create(model="gpt-4o", input="natively", stream=True))
        native.images.generate(model="gpt-image-1", prompt="a bird")
    with anthropic.Anthropic(base_url=f"{gateway.url}/anthropic", auth_token=key, max_retries=0) as claude:
        common: Any = {"model": "claude-sonnet-4-5", "max_tokens": 64}
        claude.messages.create(messages=asked("hello"), **common)
        consume(claude.messages.create(messages=asked("hello again"), stream=True, **common))
        tool: Any = {"name": "weather", "input_schema": TOOL}
        claude.messages.create(messages=asked("is it warm"), tools=[tool], **common)
        for life in ("5m", "1h"):
            system: Any = [{"type": "text", "text": f"{life} {LONG}",
                            "cache_control": {"type": "ephemeral", "ttl": life}}]  # fmt: skip
            for stream in (False, True):
                answer = claude.messages.create(messages=asked("cached"), system=system, stream=stream, **common)
                consume(answer)
    for verb in ("generateContent", "streamGenerateContent?alt=sse"):
        body = {"contents": [{"parts": [{"text": "hello there"}]}],
                "generationConfig": {"thinkingConfig": {"thinkingBudget": 64, "includeThoughts": True}}}  # fmt: skip
        post(plain, f"/gemini/v1beta/models/gemini-2.5-flash:{verb}", body)
    aws = boto3.client(
        "bedrock-runtime", region_name="eu-central-1", endpoint_url=f"{gateway.url}/bedrock", aws_access_key_id=key,
        aws_secret_access_key="anything", config=Config(retries={"total_max_attempts": 1}),
    )  # fmt: skip
    model = "anthropic.claude-sonnet-4-5-20250929-v1:0"
    turn: Any = [{"role": "user", "content": [{"text": "hello aws"}]}]
    aws.converse(modelId=model, messages=turn)
    consume(aws.converse_stream(modelId=model, messages=turn)["stream"])
    aws.invoke_model(modelId="amazon.titan-embed-text-v2:0", body=json.dumps({"inputText": "some more words"}))
    told = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 20, "messages": asked("invoke")}
    aws.invoke_model(modelId=model, body=json.dumps(told))


def line(number: int, url: str, body: Any) -> str:
    return json.dumps({"custom_id": f"c{number}", "method": "POST", "url": url, "body": body})


def later(client: openai.OpenAI, plain: httpx.Client) -> str:
    """Begin what is paid later; return the model that was tuned."""
    lines = [line(n, "/v1/chat/completions", {"model": "mini", "messages": asked(f"batch {n}")}) for n in range(3)]
    lines.append(line(9, "/v1/chat/completions", {"model": "large", "messages": asked("of another model")}))
    file = client.files.create(file=("b.jsonl", "\n".join(lines).encode()), purpose="batch").id
    client.batches.create(input_file_id=file, endpoint="/v1/chat/completions", completion_window="24h")
    words = [line(n, "/v1/embeddings", {"model": "vectors", "input": "batched words"}) for n in range(2)]
    file = client.files.create(file=("e.jsonl", "\n".join(words).encode()), purpose="batch").id
    client.batches.create(input_file_id=file, endpoint="/v1/embeddings", completion_window="24h")
    training = client.files.create(file=("t.jsonl", f'{{"text": "{LONG}"}}'.encode()), purpose="fine-tune").id
    tuned = client.fine_tuning.jobs.create(model="base", training_file=training).fine_tuned_model
    assert tuned is not None
    client.chat.completions.create(model=tuned, messages=asked("are you tuned"))
    requests = [{"custom_id": "a", "params": {"model": "claude-sonnet-4-5", "max_tokens": 9, "messages": asked("one")}}]
    post(plain, "/anthropic/v1/messages/batches", {"requests": requests}, **{"anthropic-version": "2023-06-01"})
    native = line(1, "/v1/chat/completions", {"model": "gpt-4o-mini", "messages": asked("a native batch")})
    form: Any = {"file": ("n.jsonl", native.encode()), "purpose": (None, "batch")}
    file = plain.post("/openai/v1/files", files=form).json()["id"]
    wish = {"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    post(plain, "/openai/v1/batches", wish)
    for title in ("in its answer", "file"):
        asks = [{"request": {"contents": [{"parts": [{"text": f"{n} in a {title}"}]}]}} for n in range(3)]
        batch = {"displayName": title, "inputConfig": {"requests": {"requests": asks}}}
        post(plain, "/gemini/v1beta/models/gemini-2.5-flash:batchGenerateContent", {"batch": batch})
    return tuned


# -- invoice and ledger ----------------------------------------------------------------------------------------------


def charged(providers: SimulatedProviders) -> dict[str, float]:
    sums: defaultdict[str, float] = defaultdict(float)
    for told in httpx.get(f"{providers.url}/simulator/invoice").json()["data"]:
        sums[told["model"]] += told["usd"]
    return {model: usd for model, usd in sums.items() if usd}


def rows(gateway: RunningGateway) -> list[dict[str, Any]]:
    answer = httpx.get(
        f"{gateway.url}/admin/v1/calls?limit=1000", headers={"authorization": f"Bearer {gateway.owner_token}"}
    )
    return list(answer.json()["data"])


def booked(gateway: RunningGateway) -> dict[str, float]:
    sums: defaultdict[str, float] = defaultdict(float)
    for row in rows(gateway):
        sums[(row["deployment"] or "").partition("/")[2]] += row["cost_usd"] or 0.0
    return {model: usd for model, usd in sums.items() if usd}


def workbench(gateway: RunningGateway, *arguments: str) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "WORKBENCH_HOME": str(gateway.home)}
    return subprocess.run(
        [sys.executable, "-m", "workbench.cli", "usage", *arguments, "--url", gateway.url],
        capture_output=True, text=True, timeout=120, check=False, env=environ,
    )  # fmt: skip


def test_the_ledgers_cost_is_what_the_providers_charge(
    gateway: RunningGateway, providers: SimulatedProviders, client: openai.OpenAI, plain: httpx.Client, key: str,
    tmp_path: Path,
) -> None:  # fmt: skip
    chats(client)
    pieces(client, plain)
    natives(gateway, key, plain)
    tuned = later(client, plain)
    settled = workbench(gateway, "settle", "--json")
    assert settled.returncode == 0, settled.stderr + settled.stdout
    told = json.loads(settled.stdout)
    assert (told["settled"], told["rows"], told["waiting"], told["problems"]) == (7, 8, 0, [])

    invoice, ledger = charged(providers), booked(gateway)
    assert set(invoice) >= {*(model for _, _, _, model in MODELS), tuned, "amazon.titan-embed-text-v2:0"}
    assert ledger == {model: pytest.approx(usd, rel=1e-3) for model, usd in invoice.items()}
    assert sum(ledger.values()) == pytest.approx(sum(invoice.values()), rel=1e-3)

    again = json.loads(workbench(gateway, "settle", "--json").stdout)
    assert (again["settled"], again["rows"]) == (0, 0)
    assert booked(gateway) == ledger

    file = tmp_path / "invoice.csv"
    file.write_text(httpx.get(f"{providers.url}/simulator/invoice?format=csv").text, "utf-8")
    good = workbench(gateway, "reconcile", str(file), "--json", "--tolerance", "0.1", "--least", "0")
    assert good.returncode == 0, good.stderr + good.stdout
    drift = json.loads(good.stdout)
    assert abs(drift["total"]["drift_percent"]) <= 0.1
    assert {row["model"] for row in drift["data"]} >= {"gpt-4o-mini", "claude-sonnet-4-5", "tts-1"}
    file.write_text(file.read_text() + "2026-11-22,openai,gpt-4o-mini,standard,1,5.00,USD\n", "utf-8")
    by_day = workbench(gateway, "reconcile", str(file), "--by-day")
    assert by_day.returncode == 1
    assert "!" in by_day.stdout
