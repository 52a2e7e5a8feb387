"""Retrieval and answers, for real: a gateway process, the embedded models, the product's own help centre."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from workbench.client import Gateway
from workbench.rag import GatewayEmbedder, Index, LocalEmbedder, Pipeline, ingest
from workbench.testing.gateway import RunningGateway, running_gateway

HELP_CENTRE = Path(__file__).resolve().parents[2] / "notebooks" / "data" / "help-centre"


@dataclass
class Trip:
    gateway: Gateway
    running: RunningGateway
    key: str
    index: Path

    def workbench(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        mounted = {"WORKBENCH_GATEWAY_URL": self.running.url, "OPENAI_API_KEY": self.key}
        return subprocess.run(
            [sys.executable, "-m", "workbench.cli", "rag", *arguments],
            env={**os.environ, **mounted, "WORKBENCH_HOME": str(self.running.home)},
            capture_output=True,
            text=True,
            check=False,
            timeout=280,
        )


@pytest.fixture(scope="module")
def trip(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trip]:
    """A gateway with the embedded models, and the help centre ingested through it."""
    folder = tmp_path_factory.mktemp("rag")
    home = folder / "home"
    home.mkdir()
    (home / "models").symlink_to(weights)
    with running_gateway(home) as running:
        key = running.issue_key()
        with Gateway(url=running.url, key=key) as gateway:
            ingest(HELP_CENTRE, folder / "index", embedder=GatewayEmbedder(gateway), progress=False)
            yield Trip(gateway, running, key, folder / "index")


def test_the_gateway_and_this_process_give_the_same_vectors(trip: Trip) -> None:
    texts = ["A refund takes 5 days.", "Ünïcödé and 数字", "short", "one two three four five six seven " * 30]
    index = Index.open(trip.index, embedder=LocalEmbedder())
    there = Index.open(trip.index, embedder=GatewayEmbedder(trip.gateway)).embed(texts)
    here = index.embed(texts)
    assert here == pytest.approx(there, abs=1e-5)
    assert np.linalg.norm(here, axis=1) == pytest.approx(np.ones(4), abs=1e-5)


def test_an_index_made_through_the_gateway_is_searched_in_process(trip: Trip) -> None:
    index = Index.open(trip.index, embedder=LocalEmbedder())
    hit = index.search("my password does not work any more", k=1)[0]
    assert hit.chunk.path == "account.md"


@pytest.mark.parametrize(
    ("question", "words", "path"),
    [
        ("How long is the password link valid?", "30 minutes", "account.md"),
        ("How long does a refund to PayPal take?", "1 working day", "refunds.md"),
    ],
)
def test_a_question_is_answered_with_a_citation_that_stands_in_its_file(
    trip: Trip, question: str, words: str, path: str
) -> None:
    answer = Pipeline(trip.index, trip.gateway).answer(question)
    assert words in answer.text
    assert answer.supported
    citation = answer.citations[0]
    assert citation.path == path
    assert words in citation.quote
    assert (HELP_CENTRE / path).read_text("utf-8-sig")[citation.start : citation.end] == citation.quote
    assert f"[{citation.number}]" in answer.text
    (row,) = trip.gateway.calls(answer.request_id)
    assert row["model"] == "smollm2-135m"
    assert row["tags"]["room"] == "rag"
    assert row["cost_usd"] == answer.cost_usd


def test_a_question_that_the_documents_do_not_answer_costs_no_model_call(trip: Trip) -> None:
    before = len([row for row in trip.gateway.calls() if row["model"] == "smollm2-135m"])
    answer = Pipeline(trip.index, trip.gateway).answer("Who won the football world cup in 1998?")
    assert answer.abstained
    assert not answer.supported
    assert len([row for row in trip.gateway.calls() if row["model"] == "smollm2-135m"]) == before


def test_the_command_line_ingests_searches_and_answers(trip: Trip, tmp_path: Path) -> None:
    index = str(tmp_path / "index")
    first = trip.workbench("ingest", str(HELP_CENTRE), "--index", index, "--json")
    assert first.returncode == 0, first.stderr
    assert len(json.loads(first.stdout)["added"]) == 8
    again = trip.workbench("ingest", str(HELP_CENTRE), "--index", index, "--json")
    assert json.loads(again.stdout)["written"] is False
    hits = json.loads(trip.workbench("search", "gift cards", "--index", index, "-k", "2", "--json").stdout)
    assert [hit["rank"] for hit in hits] == [1, 2]
    asked = trip.workbench("ask", "How long is the password link valid?", "--index", index, "--strict", "--json")
    assert asked.returncode == 0, asked.stderr
    assert json.loads(asked.stdout)["citations"][0]["path"] == "account.md"
    refused = trip.workbench("ask", "Who won the football world cup in 1998?", "--index", index, "--strict")
    assert refused.returncode == 1
    assert "no model was asked" in refused.stdout


def test_searching_words_needs_no_gateway(trip: Trip, tmp_path: Path) -> None:
    shown = subprocess.run(
        [
            sys.executable,
            "-m",
            "workbench.cli",
            "rag",
            "search",
            "QR code",
            "--index",
            str(trip.index),
            "--mode",
            "bm25",
        ],
        env={**os.environ, "WORKBENCH_HOME": str(tmp_path / "empty")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert shown.returncode == 0, shown.stderr
    assert "returns.md" in shown.stdout
    assert not (tmp_path / "empty").exists()


def test_a_missing_index_is_an_error_with_a_way_out(trip: Trip, tmp_path: Path) -> None:
    shown = trip.workbench("ask", "Anything?", "--index", str(tmp_path / "none"))
    assert shown.returncode == 1
    assert "No index at" in shown.stderr
    assert "workbench rag ingest" in shown.stderr


KILLED = """
import os, signal, sys
from pathlib import Path
import numpy as np
from workbench.rag import Index, ingest

folder, place = Path(sys.argv[1]), Path(sys.argv[2])

class Counting:
    model = "counting"
    def embed(self, texts):
        return np.array([[len(text), text.count("e") + 1, 1] for text in texts], dtype=np.float32)

def run():
    ingest(folder, place, embedder=Counting(), progress=False)

def run_until(deadly):
    seen = 0
    def hook(event, arguments):
        nonlocal seen
        writes = event in ("os.rename", "os.remove", "os.mkdir") or (
            event == "open" and isinstance(arguments[1], str) and any(c in arguments[1] for c in "wax+")
        )
        if writes and str(place) in str(arguments[0]):
            seen += 1
            if seen == deadly:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)
    run()

(folder / "page.md").write_text("The first page.")
run()
deadly, whole = 1, True
while True:
    text = f"The page of attempt {deadly}."
    (folder / "page.md").write_text(text)
    before = Index.open(place, embedder=Counting())
    if (child := os.fork()) == 0:
        run_until(deadly)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    after = Index.open(place, embedder=Counting())
    assert [chunk.text for chunk in after.chunks] in ([chunk.text for chunk in before.chunks], [text])
    assert after.search("page", mode="bm25")
    if os.WIFEXITED(status):
        assert os.WEXITSTATUS(status) == 0
        assert [chunk.text for chunk in after.chunks] == [text]
        break
    deadly += 1
print(deadly)
"""


def test_an_ingest_that_is_killed_at_any_write_leaves_a_whole_index(tmp_path: Path) -> None:
    folder, place = tmp_path / "docs", tmp_path / "index"
    folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(folder), str(place)],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 10  # three parts and the manifest: opened and renamed, then the old ones removed
    kinds = sorted(path.name.split("-")[0] for path in place.iterdir())
    assert kinds == ["chunks", "manifest.json", "terms", "vectors", "writer.lock"]


INGESTING = """
import sys
import numpy as np
from workbench.rag import ingest

class Counting:
    model = "counting"
    def embed(self, texts):
        return np.array([[len(text), text.count("e") + 1, 1] for text in texts], dtype=np.float32)

print(ingest(sys.argv[1], sys.argv[2], embedder=Counting(), progress=False).written)
"""


def test_two_processes_that_ingest_at_once_wait_for_each_other(tmp_path: Path) -> None:
    folder, place = tmp_path / "docs", tmp_path / "index"
    folder.mkdir()
    for number in range(50):
        (folder / f"{number}.md").write_text(f"# Page {number}\n\nThis is page {number}.")
    command = [sys.executable, "-c", INGESTING, str(folder), str(place)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = sorted(process.communicate(timeout=120)[0].strip() for process in both)
    assert said == ["False", "True"]  # the second finds nothing left to do
    assert len(list(place.glob("chunks-*"))) == 1
