"""The embedded models, for real: weights from the index, llama.cpp and sentence-transformers in their engines."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import psutil
import pytest

from workbench.local import weights as local_weights

CHAT, COARSER, ENCODER = "smollm2-135m", "smollm2-135m-q4", "all-minilm-l6-v2"
ENDLESS: dict[str, Any] = {"max_tokens": 4000, "logit_bias": {"2": -100}}
"""Never ends by itself: token 2 is the end of an answer."""


@dataclass
class Running:
    process: subprocess.Popen[str]
    url: str
    token: str

    @property
    def openai(self) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=self.token, max_retries=0, timeout=240)

    def ask(self, text: str, model: str = CHAT, **options: Any) -> str:
        options = {"temperature": 0, "seed": 7, "max_tokens": 24} | options
        answer = self.openai.chat.completions.create(
            model=model, messages=[{"role": "user", "content": text}], **options
        )
        return answer.choices[0].message.content or ""

    def state(self, model: str) -> str:
        headers = {"authorization": f"Bearer {self.token}"}
        return str(httpx.get(f"{self.url}/v1/models/{model}", headers=headers, trust_env=False).json()["state"])

    def engine(self, model: str) -> psutil.Process:
        """The process that holds the file of a model."""
        return next(
            child
            for child in psutil.Process(self.process.pid).children()
            if any(f"/models/{model}/" in mapped.path for mapped in child.memory_maps())
        )


@pytest.fixture(scope="module")
def start() -> Iterator[Callable[[Path], Running]]:
    started: list[Running] = []

    def start(home: Path) -> Running:
        process = subprocess.Popen(
            [sys.executable, "-m", "workbench.local", "--home", str(home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        running = Running(process, **json.loads(process.stdout.readline()))
        started.append(running)
        return running

    yield start
    for running in started:
        engines = psutil.Process(running.process.pid).children() if running.process.poll() is None else []
        running.process.communicate(timeout=30)
        assert not psutil.wait_procs(engines, timeout=10)[1]


@pytest.fixture(scope="module")
def models(weights: Path, start: Callable[[Path], Running]) -> Running:
    return start(weights.parent)


def test_both_chat_models_answer_and_are_not_the_same(models: Running) -> None:
    assert "Paris" in models.ask("Name the capital of France.")
    assert "Paris" in models.ask("Name the capital of France.", model=COARSER)
    questions = ("Tell me about foxes.", "Tell me about bread.")
    assert [models.ask(q) for q in questions] != [models.ask(q, model=COARSER) for q in questions]


@pytest.mark.parametrize("model", [CHAT, COARSER])
def test_at_temperature_0_the_answer_is_the_same_cold_cached_and_in_company(models: Running, model: str) -> None:
    def ask(n: int, **options: Any) -> str:
        return models.ask(f"Write a sentence about the number {n}.", model=model, max_tokens=16, **options)

    cold = [ask(n, extra_body={"cache_prompt": False}) for n in range(3)]
    cached = [ask(n) for n in range(3)]
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(ask, range(3)))
    assert cold == cached == together


def test_a_stream_brings_the_same_words_and_ends_with_the_usage(models: Running) -> None:
    chunks = list(
        models.openai.chat.completions.create(
            model=CHAT,
            messages=[{"role": "user", "content": "Tell me about foxes."}],
            temperature=0,
            seed=7,
            max_tokens=24,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == models.ask("Tell me about foxes.")
    usage = chunks[-1].usage
    assert usage is not None
    assert usage.completion_tokens == 24
    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)


def test_examples_that_calls_share_are_read_once(models: Running) -> None:
    messages: list[Any] = [{"role": "system", "content": "Label each message with one word."}]
    for text, label in (("My parcel is late.", "delivery"), ("I was charged twice.", "payment")) * 3:
        messages += [{"role": "user", "content": text}, {"role": "assistant", "content": label}]
    new = []
    for case in ("Where is my order?", "My card was declined.", "The box was empty."):
        answer = models.openai.chat.completions.create(
            model=CHAT, messages=[*messages, {"role": "user", "content": case}], max_tokens=4, temperature=0
        )
        usage = answer.usage
        assert usage is not None
        assert usage.prompt_tokens_details is not None
        new.append(usage.prompt_tokens - (usage.prompt_tokens_details.cached_tokens or 0))
    assert new[0] > 80
    assert max(new[1:]) < 20


def test_an_answer_can_be_held_to_a_schema(models: Running) -> None:
    schema = {"type": "object", "properties": {"mood": {"enum": ["good", "bad"]}}, "required": ["mood"]}
    text = models.ask(
        "I love it! What is my mood? Answer as JSON.",
        response_format={"type": "json_schema", "json_schema": {"name": "mood", "schema": schema}},
        max_tokens=60,
    )
    assert json.loads(text)["mood"] in ("good", "bad")


def test_messages_that_do_not_fit_are_a_400_that_says_so(models: Running) -> None:
    with pytest.raises(openai.BadRequestError, match="a context of 4096") as failure:
        models.ask("word " * 5000)
    assert failure.value.code == "context_length_exceeded"


def test_a_client_that_leaves_frees_its_place(models: Running) -> None:
    question: list[Any] = [{"role": "user", "content": "Tell me a story without end."}]
    for _ in range(3):
        with models.openai.chat.completions.create(model=CHAT, messages=question, stream=True, **ENDLESS) as stream:
            next(iter(stream))
        with pytest.raises(openai.APITimeoutError):
            models.openai.with_options(timeout=1).chat.completions.create(model=CHAT, messages=question, **ENDLESS)
    # Were they still being written, the stories would hold both places for minutes.
    hurried = models.openai.with_options(timeout=60)
    answer = hurried.chat.completions.create(
        model=CHAT, messages=[{"role": "user", "content": "Say hello."}], max_tokens=4
    )
    assert answer.choices[0].message.content


def test_an_engine_that_dies_cuts_its_stream_and_is_started_again(models: Running) -> None:
    models.ask("Say hello.")
    engine = models.engine(CHAT)
    stream = models.openai.chat.completions.create(
        model=CHAT, messages=[{"role": "user", "content": "Tell me a story."}], stream=True, **ENDLESS
    )
    pieces = iter(stream)
    next(pieces)
    engine.kill()
    with pytest.raises(httpx.RemoteProtocolError):
        list(pieces)
    psutil.wait_procs([engine], timeout=10)
    assert "Paris" in models.ask("Name the capital of France.")


def test_embeddings_are_unit_vectors_that_tell_meanings_apart(models: Running) -> None:
    texts = ["A kitten sleeps on the sofa.", "The cat is napping on the couch.", "The invoice was paid by card."]
    answer = models.openai.embeddings.create(model=ENCODER, input=texts, encoding_format="float")
    vectors = np.array([row.embedding for row in answer.data])
    assert vectors.shape == (3, 384)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > 0.5 > vectors[0] @ vectors[2]
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == 31
    encoded = models.openai.embeddings.create(model=ENCODER, input=texts)  # the SDK asks for base64 by itself
    assert np.array_equal(np.array([row.embedding for row in encoded.data], dtype=np.float32), vectors.astype("f4"))


def test_the_order_of_many_texts_is_kept(models: Running) -> None:
    texts = [f"This is text number {n}, {'and on ' * (n % 7)}and the end." for n in range(80)]
    many = models.openai.embeddings.create(model=ENCODER, input=texts)
    assert [row.index for row in many.data] == list(range(80))
    alone = models.openai.embeddings.create(model=ENCODER, input=texts[77])
    assert np.allclose(many.data[77].embedding, alone.data[0].embedding, atol=1e-5)


def test_a_text_over_the_limit_is_refused_or_cut_if_that_was_asked_for(models: Running) -> None:
    long = "word " * 300
    with pytest.raises(openai.BadRequestError, match=r"`input\[1\]` has 302 tokens; .* reads at most 256") as failure:
        models.openai.embeddings.create(model=ENCODER, input=["short", long])
    assert (failure.value.code, failure.value.param) == ("context_length_exceeded", "input[1]")
    cut = models.openai.embeddings.create(model=ENCODER, input=long, extra_body={"truncate_prompt_tokens": -1})
    same = models.openai.embeddings.create(model=ENCODER, input="word " * 254)
    assert cut.usage.prompt_tokens == 256
    assert np.allclose(cut.data[0].embedding, same.data[0].embedding, atol=1e-5)


def test_health_is_answered_while_a_model_loads(start: Callable[[Path], Running], weights: Path) -> None:
    running = start(weights.parent)
    answers: list[str] = []
    asking = threading.Thread(target=lambda: answers.append(running.ask("Name the capital of France.")))
    asking.start()
    while_loading = 0
    while asking.is_alive():
        healthy = httpx.get(f"{running.url}/healthz", trust_env=False).status_code == 200
        while_loading += healthy and running.state(CHAT) == "loading"
    assert while_loading > 1
    assert "Paris" in answers[0]
    assert running.state(CHAT) == "ready"
    assert running.state(COARSER) == "cold"


def test_no_engine_outlives_a_server_that_was_killed(start: Callable[[Path], Running], weights: Path) -> None:
    running = start(weights.parent)
    running.ask("Say hello.")
    engines = psutil.Process(running.process.pid).children()
    assert engines
    running.process.kill()
    assert not psutil.wait_procs(engines, timeout=20)[1]


def test_a_file_that_llama_cpp_can_not_load_is_a_503_with_the_way_out(
    start: Callable[[Path], Running], tmp_path: Path
) -> None:
    file = tmp_path / "broken.gguf"
    file.write_bytes(b"GGUF" + bytes(1000))
    local_weights.pull("broken", home=tmp_path, source=file, progress=False)
    running = start(tmp_path)
    for _ in range(2):
        with pytest.raises(openai.InternalServerError, match="broken could not be loaded") as failure:
            running.ask("Say hello.", model="broken")
        assert failure.value.status_code == 503
        assert "`workbench models rm broken`" in failure.value.message


def test_weights_that_are_pulled_later_are_served_without_a_restart(
    start: Callable[[Path], Running], weights: Path, tmp_path: Path
) -> None:
    running = start(tmp_path)
    with pytest.raises(openai.InternalServerError, match="`workbench models pull smollm2-135m`"):
        running.ask("Say hello.")
    local_weights.pull(CHAT, home=tmp_path, source=next((weights / CHAT).glob("*.gguf")), progress=False)
    assert "Paris" in running.ask("Name the capital of France.")
