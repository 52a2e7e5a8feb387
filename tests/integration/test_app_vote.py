"""The app's page behind a link, and its leaderboard: what they show, whom they let in, what they keep to themselves."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from workbench import feedback, tracking
from workbench.errors import TrackingError
from workbench.feedback.pair import pair_id
from workbench.feedback.work_list import work_list
from workbench.services import embedded
from workbench.settings.app import AppSettings
from workbench.tracking import RunRecord, TraceRecord
from workbench_app import audience, visitor
from workbench_app.guests import COOKIE, Guests, guest_name

VIEWS = Path(__file__).parents[2] / "apps" / "workbench_app" / "views"
CANDIDATES = ("candidate-one", "candidate-two")
NOW = datetime(2026, 5, 4, tzinfo=UTC)
numbers = count()


def write_run(tracker, name, texts, experiment_id):
    records = [
        TraceRecord("app", {"q": f"case {n}"}, text, NOW, NOW, model=f"model-of-{name}", tags={"candidate": name})
        for n, text in enumerate(texts)
    ]
    rows = [
        {"example_id": f"e{n}", "repeat": 0, "output": r.outputs, "error": None, "trace_id": r.trace_id}
        for n, r in enumerate(records)
    ]
    tags = {"workbench.candidate": name, "workbench.experiment_id": experiment_id, "workbench.place": "0"}
    table = {"cells.json": pd.DataFrame(rows)}
    return tracker.write_run(RunRecord("app vote", name, tables=table, traces=records, tags=tags))


@pytest.fixture
def runs(tracking_home, tracker):
    assert tracking.connect() is tracker
    experiment_id = f"app-vote-{os.getpid()}-{next(numbers)}"
    return [
        write_run(tracker, name, [f"**{letter}** {n}" for n in range(3)], experiment_id)
        for name, letter in zip(CANDIDATES, "xy", strict=True)
    ]


@pytest.fixture(autouse=True)
def browser(monkeypatch):
    """What the visitor's browser sent: AppTest has none, and answers for one with mocks."""
    sent = SimpleNamespace(cookies={}, headers={}, ip_address=None)
    monkeypatch.setattr(visitor.st, "context", sent)
    return sent


def page_of(shared, rater=None):
    page = AppTest.from_file(str(VIEWS / "vote.py"), default_timeout=60)
    link = shared.urls[rater] if rater else shared.url
    page.query_params["t"] = link.split("t=")[1]
    return page.run()


def press(page, label, *, looked=True):
    """Press a button, as somebody does who has looked at the answers."""
    if looked:
        ticket, _ = page.session_state["ballot"]
        page.session_state["ballot"] = (ticket, 0.0)
    next(each for each in page.button if each.label == label).click()
    return page.run()


def everything_shown(page):
    return "\n".join(str(each.proto) for block in (page.main, page.sidebar) for each in elements(block))


def elements(block):
    for child in block.children.values():
        if hasattr(child, "children"):
            yield from elements(child)
        else:
            yield child


def test_the_page_shows_a_pair_and_nothing_of_whose_it_is(runs, tracker, tracking_settings):
    page = page_of(feedback.share(runs, raters=["ana"], again=0), "ana")
    assert not page.exception
    shown = everything_shown(page)
    assert "Which answer is better?" in shown
    assert "<strong>x</strong>" in shown
    assert "<strong>y</strong>" in shown
    assert [each.label for each in page.button] == [label for _, label in feedback.CHOICES]
    traces = [trace.trace_id for run in runs for trace in tracker.traces(run)]
    for secret in (*CANDIDATES, *runs, *traces, "model-of", "app vote"):
        assert secret not in shown


def test_a_vote_is_in_mlflow_before_the_next_pair_is_shown_and_a_press_at_once_is_none(runs, tracker):
    page = page_of(feedback.share(runs, raters=["ana"], again=0), "ana")
    first = everything_shown(page)
    press(page, "Left is better", looked=False)
    assert feedback.tally(*runs, tracker=tracker).n == 0
    assert "0 done" in everything_shown(page)
    press(page, "Left is better")
    assert feedback.tally(*runs, tracker=tracker).n == 1
    assert everything_shown(page) != first
    assert "1 done · 2 left" in everything_shown(page)
    reconnected = page_of_same(page)
    assert "1 done · 2 left" in everything_shown(reconnected)
    press(press(reconnected, "As good"), "Both are bad")
    assert "That was all" in reconnected.success[0].value
    assert [each.source_id for each in tracker.ratings([t.trace_id for t in tracker.traces(runs[0])]).itertuples()] == [
        "ana"
    ] * 3


def page_of_same(page):
    """The same link in another tab, or after the connection was lost."""
    other = AppTest.from_file(str(VIEWS / "vote.py"), default_timeout=60)
    other.query_params["t"] = page.query_params["t"]
    return other.run()


def test_a_vote_on_a_place_that_was_held_too_long_is_taken_with_its_words(runs, tracker, monkeypatch):
    shared = feedback.share(runs[:1], raters=1, limit=1, again=0)
    browsers = []
    for word in ("a", "b"):
        monkeypatch.setattr(visitor, "rater", lambda _, word=word: guest_name(word * 32))
        page = page_of(shared)
        browsers.append((word, page))
        with work_list(tracker.home).transaction():  # a quarter of an hour goes by
            work_list(tracker.home).hold(page.session_state["ballot"][0], 0.0)
    for word, page in browsers:
        monkeypatch.setattr(visitor, "rater", lambda _, word=word: guest_name(word * 32))
        page.text_input[0].set_value(f"said by {word}")
        press(page, "★★")
        assert not page.error
        assert "That was all" in page.success[0].value
    said = tracker.ratings([each.trace_id for each in tracker.traces(runs[0])])
    assert sorted(said["rationale"]) == ["said by a", "said by b"]


def test_a_press_that_was_not_taken_is_told_beside_the_ballot(runs, tracker, monkeypatch):
    page = page_of(feedback.share(runs, raters=["ana"], again=0), "ana")
    with monkeypatch.context() as patched:
        patched.setattr(feedback.Booth, "cast", _refuse)
        press(page, "As good")
    assert "MLflow is away" in page.error[0].value
    assert len(page.button) == 4
    assert not page.run().error


def _refuse(*_args, **_options):
    raise TrackingError("MLflow is away.")


def test_one_answer_is_rated_and_corrected(runs, tracker):
    page = page_of(feedback.share(runs[:1], raters=["ana"], again=0), "ana")
    next(each for each in page.text_area if "should it have said" in each.label).set_value("Better.")
    press(page, "★★")
    [trace] = tracker.corrections([t.trace_id for t in tracker.traces(runs[0])])["trace_id"]
    assert tracker.ratings([trace])[["name", "value"]].to_numpy().tolist() == [["stars", 2]]


def test_a_link_that_is_wrong_or_has_ended_says_so(runs, tracker):
    page = AppTest.from_file(str(VIEWS / "vote.py"), default_timeout=60).run()
    assert "opened by a link" in page.info[0].value
    page.query_params["t"] = "wrong"
    page.run()
    assert "leads nowhere" in page.error[0].value
    shared = feedback.share(runs)
    feedback.close_queue(shared.queue_id)
    assert "has ended" in page_of(shared).error[0].value


def test_who_has_no_account_is_let_in_where_the_app_says_so(runs, monkeypatch, browser):
    shared = feedback.share(runs, again=0)
    assert visitor.rater(None) == feedback.local_rater(), "on a laptop it is the user of the machine"
    assert visitor.rater("ana") == "ana"
    monkeypatch.setattr(visitor, "app_settings", lambda: AppSettings(visitors="raters"))
    assert page_of(shared).warning, "no cookie, no rater"
    browser.cookies[COOKIE] = "0123456789abcdef" * 2
    assert "0 done" in everything_shown(page_of(shared))
    assert visitor.rater(None) == guest_name("0123456789abcdef" * 2)
    monkeypatch.setattr(visitor, "app_settings", lambda: AppSettings(visitors="raters", guests=False))
    assert "people with a name" in page_of(shared).warning[0].value
    monkeypatch.setattr(visitor, "app_settings", lambda: AppSettings(user_header="X-Forwarded-User"))
    browser.headers["X-Forwarded-User"] = "eve@example.com"
    assert visitor.rater(None) == visitor.visitor() == "eve@example.com"


def test_who_comes_from_elsewhere_is_not_the_user_of_this_machine(browser):
    browser.cookies[COOKIE] = "0123456789abcdef" * 2
    browser.ip_address = "192.0.2.7"
    assert visitor.rater(None).startswith("guest-")
    browser.ip_address = None
    browser.headers["X-Forwarded-For"] = "192.0.2.7"
    assert visitor.rater(None).startswith("guest-")


def test_who_comes_from_elsewhere_without_a_name_is_asked_for_a_link_of_their_own(runs, monkeypatch, browser):
    shared = feedback.share(runs, again=0)
    browser.headers["X-Forwarded-For"] = "192.0.2.7"
    assert visitor.rater(None) is None, "no cookie came"
    browser.cookies[COOKIE] = "0123456789abcdef" * 2
    monkeypatch.setattr(visitor, "app_settings", lambda: AppSettings(guests=False))
    assert visitor.rater(None) is None
    assert "people with a name" in page_of(shared).warning[0].value


def test_whom_a_proxy_names_promotes_nothing_and_gets_no_key_as_the_owner(tracking_home, monkeypatch, browser):
    monkeypatch.setattr(visitor, "app_settings", lambda: AppSettings(user_header="X-Forwarded-User"))
    browser.headers["X-Forwarded-User"] = "intern@example.com"
    assert visitor.may_see_all()
    page = AppTest.from_file(str(VIEWS / "promote.py"), default_timeout=60).run()
    assert "Nobody promotes here" in page.info[0].value
    assert "workbench prompts promote" in page.caption[0].value
    assert not page.button
    owners = SimpleNamespace(url="http://127.0.0.1:9", owner_token="wbo-owner")
    monkeypatch.setattr(embedded, "running_gateway", lambda home: owners)
    page = AppTest.from_file(str(VIEWS / "keys.py"), default_timeout=60).run()
    assert [each.label for each in page.text_input] == ["Your identity token"]
    assert not page.button
    monkeypatch.setattr(visitor, "app_settings", AppSettings)
    page.run()
    assert [each.label for each in page.button][:1] == ["Issue a key"], "on a laptop it is the owner"


def test_raters_have_the_vote_page_alone(tracking_home, monkeypatch, browser):
    assert visitor.may_see_all()
    for settings in (AppSettings(visitors="raters"), AppSettings(user_header="X-Forwarded-User")):
        monkeypatch.setattr(visitor, "app_settings", lambda settings=settings: settings)
        assert not visitor.may_see_all()
        page = AppTest.from_file(str(VIEWS.parent / "main.py"), default_timeout=60).run()
        assert not page.exception
        assert "opened by a link" in page.info[0].value
        assert not page.sidebar.children
    browser.headers["X-Forwarded-User"] = "eve@example.com"
    assert visitor.may_see_all()


def test_an_app_for_raters_alone_is_so_whatever_the_settings_say(home, monkeypatch):
    (home / "workbench.toml").write_text('[app]\nuser_header = "X-User"\n')
    monkeypatch.setattr(audience._Audience, "raters_only", False)
    audience.app_settings.cache_clear()
    assert audience.app_settings().user_header == "X-User"
    audience.serve_raters_only()
    try:
        assert audience.app_settings().visitors == "raters"
        assert audience.app_settings().user_header is None
    finally:
        audience._Audience.raters_only = False
        audience.app_settings.cache_clear()


def test_a_browser_keeps_one_random_name_that_its_scripts_can_not_read():
    async def app(scope, receive, send):
        kind = b"text/html; charset=utf-8" if scope["path"] == "/vote" else b"text/css"
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind)]})

    def asked(path, cookie=None, scheme="http"):
        sent = []

        async def send(message):
            sent.append(message)

        headers = [(b"cookie", cookie.encode())] if cookie else []
        scope = {"type": "http", "method": "GET", "path": path, "headers": headers, "scheme": scheme}
        asyncio.run(Guests(app)(scope, None, send))
        return [value.decode() for name, value in sent[0]["headers"] if name == b"set-cookie"]

    [given] = asked("/vote")
    word = given.split(";")[0].removeprefix(f"{COOKIE}=")
    assert "HttpOnly" in given
    assert "SameSite=Lax" in given
    assert "Secure" not in given
    assert "Secure" in asked("/vote", scheme="https")[0]
    assert asked("/style.css") == []
    for other in ("a/b=1", 'x={"a": 1}', "flag", "x=a b", "theme=dark"):
        assert asked("/vote", f"{other}; {COOKIE}={word}") == [], "a rater is somebody new at each load"
        assert asked("/vote", other)
    assert asked("/vote", f"{COOKIE}=ana")
    assert guest_name(word).startswith("guest-")
    assert word not in guest_name(word)
    assert guest_name("ana") is None
    assert guest_name(None) is None


def test_the_leaderboard_says_n_raters_and_unit_and_names_no_winner_while_nobody_can_know(runs, tracker):
    page = AppTest.from_file(str(VIEWS / "leaderboard.py"), default_timeout=60).run()
    assert not page.exception
    assert "Nobody has voted" in page.info[0].value
    first, second = (list(tracker.table(run)["trace_id"]) for run in runs)
    for number, rater in enumerate(("ana", "bob")):
        for example, (a, b) in enumerate(zip(first, second, strict=True)):
            pair = feedback.Pair(pair_id(a, b), f"e{example}", a, b)
            feedback.vote(pair, "left" if example != number else "right", rater, tracker=tracker)
    page.run()
    assert page.warning, [each.value for each in (*page.info, *page.error, *page.success)]
    assert "No winner can be named" in page.warning[0].value
    assert not page.success
    told = " ".join(each.value for each in page.text)
    assert "n = 6 votes of 2 raters on 3 pairs" in told
    assert "clustered by" in told
    assert "Agreement of raters" in told
    assert {"low", "high", "p_best", "n"} <= set(page.dataframe[0].value.columns)
    next(each for each in page.button if each.label == "Make a link").click()
    page.run()
    assert not page.exception
    link = page.code[0].value
    assert feedback.open_link(link.split("t=")[1], tracker=tracker)[0].queue.run_ids == tuple(runs)


def test_another_question_has_a_name_of_its_own_and_a_link_is_closed_on_the_page(runs, tracker):
    write_run(tracker, "lonely", ["z"], f"app-vote-alone-{os.getpid()}")
    page = AppTest.from_file(str(VIEWS / "leaderboard.py"), default_timeout=60).run()
    assert page.sidebar.selectbox[0].value.runs == dict(zip(CANDIDATES, runs, strict=True)), "one answer is no pair"
    first = feedback.share(runs)
    question, name = (next(each for each in page.text_input if each.label == label) for label in ("Question", "Name"))
    question.set_value("Which one is kinder?")
    page = make_a_link(page)
    assert "Under the name 'preference' it was asked" in page.error[0].value
    name = next(each for each in page.text_input if each.label == "Name")
    name.set_value("kindness")
    page = make_a_link(page)
    assert not page.error
    shown = next(each for each in page.caption if "Which one is kinder?" in each.value).value
    page.run()
    chosen = next(each for each in page.selectbox if each.label == "Question")
    assert chosen.options == ["Which answer is better? (preference)", "Which one is kinder? (kindness)"]
    [kinder] = [each for each in feedback.queues() if each.name == "kindness" and set(each.run_ids) == set(runs)]
    assert kinder.queue_id in shown
    page.button(key=kinder.queue_id).click().run()
    assert not page.exception
    states = {each.queue_id: each.ended for each in feedback.queues()}
    assert (states[kinder.queue_id], states[first.queue_id]) == (True, False)


def make_a_link(page):
    next(each for each in page.button if each.label == "Make a link").click()
    return page.run()
