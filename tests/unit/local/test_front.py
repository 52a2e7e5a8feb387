"""The process in front, with no weights at all: what it says before any engine runs."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[subprocess.Popen[str], httpx.Client, str]]:
    home = tmp_path_factory.mktemp("home")
    process = subprocess.Popen(
        [sys.executable, "-m", "workbench.local", "--home", str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    said = json.loads(process.stdout.readline())
    with httpx.Client(
        base_url=said["url"], headers={"authorization": f"Bearer {said['token']}"}, timeout=60, trust_env=False
    ) as client:
        yield process, client, said["token"]
    process.communicate(timeout=30)
    assert process.returncode == 0


Front = tuple[subprocess.Popen[str], httpx.Client, str]
QUESTION = [{"role": "user", "content": "hi"}]


def test_models_are_listed_with_what_a_catalogue_needs(front: Front) -> None:
    rows = {row["id"]: row for row in front[1].get("/v1/models").json()["data"]}
    assert list(rows) == ["smollm2-135m", "smollm2-135m-q4", "all-minilm-l6-v2"]
    chat, encoder = rows["smollm2-135m"], rows["all-minilm-l6-v2"]
    assert chat["owned_by"] == "local"
    assert (chat["installed"], chat["state"], chat["task"], chat["context_length"]) == (False, "cold", "chat", 4096)
    assert chat["licence"] == "Apache-2.0"
    assert "SmolLM2-135M-Instruct" in chat["description"]
    assert (encoder["installed"], encoder["task"], encoder["dimensions"]) == (True, "embedding", 384)
    assert front[1].get("/v1/models/smollm2-135m").json() == chat


def test_a_model_without_weights_is_a_503_that_says_how_to_get_them(front: Front) -> None:
    answer = front[1].post("/v1/chat/completions", json={"model": "smollm2-135m", "messages": QUESTION})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (503, "weights_missing")
    assert "`workbench models pull smollm2-135m`" in error["message"]


@pytest.mark.parametrize(
    ("body", "status", "code", "param"),
    [
        ({"model": "gpt-9", "messages": QUESTION}, 404, "model_not_found", None),
        ({"messages": QUESTION}, 400, "invalid_request", "model"),
        ({"model": "all-minilm-l6-v2", "messages": QUESTION}, 400, "invalid_request", "model"),
        ({"model": "smollm2-135m"}, 400, "invalid_request", "messages"),
        ({"model": "smollm2-135m", "messages": ["hi"]}, 400, "invalid_request", "messages"),
        (
            {"model": "smollm2-135m", "messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            400,
            "text_only",
            "messages[0].content",
        ),
    ],
)
def test_bad_questions_are_refused_by_name(
    front: Front, body: dict[str, object], status: int, code: str, param: str | None
) -> None:
    answer = front[1].post("/v1/chat/completions", json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (status, code, param)


def test_an_unknown_model_is_told_the_known_ones(front: Front) -> None:
    message = front[1].get("/v1/models/gpt-9").json()["error"]["message"]
    assert "Known: smollm2-135m, smollm2-135m-q4, all-minilm-l6-v2" in message


def test_every_error_has_the_envelope(front: Front) -> None:
    client = front[1]
    assert client.get("/nowhere").json()["error"]["code"] == "not_found"
    assert client.get("/v1/embeddings").json()["error"]["code"] == "method_not_allowed"
    for body in (b"{", b"[]", b""):
        answer = client.post("/v1/embeddings", content=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_request")


def test_only_who_has_the_token_is_served(front: Front) -> None:
    client = front[1]
    root = str(client.base_url).rstrip("/")
    bare = httpx.get(f"{root}/v1/models", trust_env=False)
    wrong = client.get("/v1/models", headers={"authorization": "Bearer nonsense"})
    assert (bare.status_code, bare.json()["error"]["code"]) == (401, "missing_key")
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (401, "invalid_key")
    assert httpx.get(f"{root}/healthz", trust_env=False).json() == {"status": "ok"}


def test_it_is_light_before_a_model_is_asked_for(front: Front) -> None:
    loaded = {Path(part.path).name.lower() for part in psutil.Process(front[0].pid).memory_maps()}
    assert not [name for name in loaded if "torch" in name or "xllamacpp" in name or "numpy" in name]


def test_it_ends_at_sigterm(home: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "workbench.local", "--home", str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 0
