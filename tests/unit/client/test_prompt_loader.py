"""Prompts in an application's memory where workers of the gateway are behind, and answers come late."""

import threading
from collections.abc import Iterator, Mapping
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pytest

from workbench.client import prompt_loader
from workbench.client.prompt_copies import Copies
from workbench.client.prompt_loader import Loaded, PromptLoader
from workbench.errors import GatewayUnreachable
from workbench.wire.prompt_hash import prompt_hash

URL = "http://gateway.test"


class Answers:
    """What a gateway answers: for each prompt, how far its record goes and the version that is live by then."""

    def __init__(self) -> None:
        self.of: dict[str, Iterator[tuple[int, int]]] = {}
        self.asked: list[str] = []

    def says(self, name: str, *told: tuple[int, int]) -> None:
        """Answer so one after the other, and the last for ever."""
        self.of[name] = chain(told, repeat(told[-1]))

    def __call__(self, path: str, query: Mapping[str, str], *, within: float, retries: int) -> Any:
        name = path.removeprefix("/v1/prompts/").partition("@")[0]
        self.asked.append(name)
        seq, version = next(self.of[name])
        return answer(name, seq, version)


def answer(name: str, seq: int, version: int) -> dict[str, Any]:
    template = f"v{version}"
    return {"name": name, "alias": "live", "version": version, "template": template, "parameters": {}, "schema": None,
            "hash": prompt_hash(template, {}, None), "seq": seq, "rollout": None,
            "published_at": None, "published_by": None}  # fmt: skip


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt_loader, "_AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(prompt_loader, "_CATCH_UP_SECONDS", 0.05)


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def copies(tmp_path: Path) -> Copies:
    return Copies([tmp_path])


@pytest.fixture
def loader(answers: Answers, copies: Copies) -> PromptLoader:
    return PromptLoader(answers, url=lambda: URL, copies=copies, watches=False)


def seen(loaded: Loaded) -> tuple[int, str]:
    return loaded.prompt.version, loaded.served.state


def test_a_first_load_does_not_believe_a_worker_that_is_behind(answers: Answers, loader: PromptLoader) -> None:
    answers.says("first", (10, 1))
    answers.says("second", (11, 1), (11, 1), (12, 2))
    loader.load("first", "live")
    loader.heard(12, frozenset({"second@live"}))
    assert seen(loader.load("second", "live")) == (2, "live")


def test_a_first_load_knows_the_record_that_watching_began_from(answers: Answers, loader: PromptLoader) -> None:
    answers.says("first", (10, 1))
    answers.says("second", (9, 1), (10, 2))
    loader.load("first", "live")
    assert seen(loader.load("second", "live")) == (2, "live")


def test_a_worker_that_stays_behind_is_told_and_asked_again_at_each_word(
    answers: Answers, loader: PromptLoader
) -> None:
    answers.says("a", (1, 1))
    loader.load("a", "live")
    loader.heard(2, frozenset({"a@live"}))
    with pytest.warns(UserWarning, match="does not know record 2 yet"):
        assert seen(loader.load("a", "live")) == (1, "last good")
    answers.says("a", (2, 2))
    loader.heard(2, frozenset())
    assert seen(loader.load("a", "live")) == (2, "live")


def test_what_changes_while_the_first_answer_is_on_its_way_is_loaded(answers: Answers, copies: Copies) -> None:
    def hears(path: str, query: Mapping[str, str], **how: Any) -> Any:
        found = answers(path, query, **how)
        if len(answers.asked) == 1:
            loader.heard(2, frozenset({"a@live"}))
        return found

    loader = PromptLoader(hears, url=lambda: URL, copies=copies, watches=False)
    answers.says("a", (1, 1), (2, 2))
    assert seen(loader.load("a", "live")) == (2, "live")


def test_an_answer_that_comes_late_replaces_no_newer_one(answers: Answers, copies: Copies) -> None:
    late, asked, go = answer("a", 2, 2), threading.Event(), threading.Event()

    def slow_once(path: str, query: Mapping[str, str], **how: Any) -> Any:
        if threading.current_thread() is slow and not asked.is_set():
            asked.set()
            assert go.wait(10)
            return late
        return answers(path, query, **how)

    loader = PromptLoader(slow_once, url=lambda: URL, copies=copies, watches=False)
    slow = threading.Thread(target=loader.heard, args=(2, frozenset({"a@live"})))
    answers.says("a", (1, 1))
    loader.load("a", "live")
    slow.start()
    assert asked.wait(10)
    answers.says("a", (3, 3))
    loader.heard(3, frozenset({"a@live"}))
    go.set()
    slow.join(10)
    assert seen(loader.load("a", "live")) == (3, "live")
    kept = copies.read(URL, "a@live")
    assert kept is not None
    assert kept.prompt.version == 3, "nor on disk"


def test_what_this_process_wrote_is_known_to_a_first_load_too(answers: Answers, loader: PromptLoader) -> None:
    loader.wrote({"seq": 5})
    answers.says("a", (4, 1), (5, 2))
    assert seen(loader.load("a", "live")) == (2, "live")


def test_a_record_that_was_restored_counts_though_it_is_shorter(answers: Answers, loader: PromptLoader) -> None:
    answers.says("a", (50, 9))
    loader.load("a", "live")
    answers.says("a", (3, 2))
    loader.heard(3, None)
    assert seen(loader.load("a", "live")) == (2, "live")
    answers.says("a", (4, 3))
    loader.heard(4, frozenset({"a@live"}))
    assert seen(loader.load("a", "live")) == (3, "live")


def test_silence_confirms_what_is_known_and_asks_nobody(answers: Answers, loader: PromptLoader) -> None:
    answers.says("a", (1, 1))
    loader.load("a", "live")
    loader.heard(7, frozenset({"b@live"}))
    assert answers.asked == ["a"]


def test_a_slow_first_load_holds_up_no_other(answers: Answers, copies: Copies) -> None:
    asked, go = threading.Event(), threading.Event()

    def get(path: str, query: Mapping[str, str], **how: Any) -> Any:
        if "slow" in path:
            asked.set()
            assert go.wait(10)
            raise GatewayUnreachable("No gateway answers.")
        return answers(path, query, **how)

    def load_slow() -> None:
        with pytest.raises(GatewayUnreachable):
            loader.load("slow", "live")

    loader = PromptLoader(get, url=lambda: URL, copies=copies, watches=False)
    answers.says("fast", (1, 1))
    slow, fast = (threading.Thread(target=run, daemon=True) for run in (load_slow, lambda: loader.load("fast", "live")))
    slow.start()
    assert asked.wait(10)
    fast.start()
    fast.join(5)
    waits = fast.is_alive()
    go.set()
    slow.join(10)
    assert not waits
