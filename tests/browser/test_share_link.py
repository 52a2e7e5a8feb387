"""A colleague who has never seen a prompt opens a link, compares two answers, votes by keys and sees the next pair."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from playwright.sync_api import Page, WebSocket, expect

from workbench import feedback, tracking
from workbench.services import Process
from workbench.services.ports import free_port
from workbench.services.programs import rater_app
from workbench.settings import load_settings
from workbench.tracking import RunRecord, TraceRecord
from workbench.tracking.tracker import Tracker

pytestmark = pytest.mark.browser

SECONDS = 1000.0  # of playwright's milliseconds
NAMES = ("terse-candidate", "wordy-candidate")
MODELS = ("model-of-terse", "model-of-wordy")
MARKDOWN = (
    "## Refund\n\nIt takes **five days**.\n\n<script>document.title='run'</script>![beacon](http://127.0.0.1:9/x)"
)
ANSWERS = 4


@dataclass(frozen=True)
class Shared:
    url: str
    runs: list[str]


def write_run(tracker: Tracker, name: str, model: str, image: bytes | None) -> str:
    moment = datetime(2026, 5, 4, tzinfo=UTC)
    records = [
        TraceRecord(
            "support",
            {"question": f"Where is my money? ({number})"},
            f"Five days. ({number})" if image is None else f"{MARKDOWN} ({number})",
            moment + timedelta(seconds=number),
            moment + timedelta(seconds=number),
            model=model,
            tags={"workbench.candidate": name},
            images=(image,) if image else (),
        )
        for number in range(ANSWERS)
    ]
    rows = [
        {"example_id": f"e{n}", "repeat": 0, "output": r.outputs, "error": None, "trace_id": r.trace_id}
        for n, r in enumerate(records)
    ]
    tags = {"workbench.candidate": name}
    table = {"cells.json": pd.DataFrame(rows)}
    return tracker.write_run(RunRecord("support", name, tables=table, traces=records, tags=tags))


@pytest.fixture
def shared(home: Path) -> Iterator[Shared]:
    """The page behind links, served to people without an account, and a link."""
    settings = load_settings(credentials=False)
    tracker = tracking.connect(settings)
    picture = io.BytesIO()
    Image.new("RGB", (60, 30), "teal").save(picture, "PNG")
    runs = [write_run(tracker, *each) for each in zip(NAMES, MODELS, (None, picture.getvalue()), strict=True)]
    port = free_port()
    link = feedback.share(runs, raters=2, again=0, app_url=f"http://127.0.0.1:{port}", tracker=tracker)
    with Process(rater_app(settings, port=port), home=home) as process:
        process.wait_ready(120)
        assert link.url is not None
        yield Shared(link.url, runs)


def test_a_colleague_votes_by_keys_and_nothing_that_reached_the_browser_tells_whose_an_answer_is(
    shared: Shared, page: Page
) -> None:
    received: list[bytes] = []
    asked: list[str] = []

    def listen(socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: received.append(frame if isinstance(frame, bytes) else frame.encode()))

    page.on("websocket", listen)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(shared.url)
    expect(page.get_by_text("Which answer is better?")).to_be_visible(timeout=60 * SECONDS)
    expect(page.get_by_role("heading", name="Refund")).to_be_visible(timeout=30 * SECONDS)
    expect(page.locator("[data-testid=stImage] img, [data-testid=stImageContainer] img")).to_have_count(1)
    buttons = page.get_by_role("button", name="Right is better")
    expect(buttons).to_be_in_viewport()  # one screen: nobody scrolls to vote
    seen: list[str] = []
    for voted in range(ANSWERS):
        expect(page.get_by_text(f"{voted} done · {ANSWERS - voted} left")).to_be_visible(timeout=30 * SECONDS)
        terse = page.get_by_text("Five days. (")
        expect(terse).to_have_count(1, timeout=30 * SECONDS)
        if seen:
            expect(page.get_by_text(seen[-1], exact=True)).to_have_count(0, timeout=30 * SECONDS)
        expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
        seen.append(terse.inner_text())
        on_the_left = page.locator(".st-key-answer-left").get_by_text("Five days. (").count() == 1
        page.wait_for_timeout(600)  # a person looks at it first; quicker presses are the rest of the last one
        page.keyboard.press("1" if on_the_left else "4")
    expect(page.get_by_text("That was all. Thank you.")).to_be_visible(timeout=30 * SECONDS)
    assert len(set(seen)) == ANSWERS
    everything = b"".join(received) + page.content().encode() + "".join(asked).encode()
    tracker = tracking.connect()
    traces = [trace.trace_id for run in shared.runs for trace in tracker.traces(run)]
    for secret in (*NAMES, *MODELS, *shared.runs, *traces):
        assert secret.encode() not in everything
    assert page.title() != "run"
    assert not any(":9/" in url for url in asked), "an answer's picture was fetched"
    tally = feedback.tally(*shared.runs)
    assert (tally.wins_a, tally.wins_b, tally.n, tally.left_wins) == (ANSWERS, 0, ANSWERS, ANSWERS // 2)
    [rater] = set(tracker.ratings(traces)["source_id"])
    assert rater.startswith("guest-")
    page.reload()
    expect(page.get_by_text("That was all. Thank you.")).to_be_visible(timeout=60 * SECONDS)
    page.goto(shared.url.split("/vote")[0] + "/promote")
    expect(page.get_by_text("opened by a link")).to_be_visible(timeout=60 * SECONDS)
    expect(page.get_by_text("Promote")).to_have_count(0)
