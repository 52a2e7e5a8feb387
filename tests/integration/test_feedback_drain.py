"""The gateway's feedback in MLflow: drained by itself and by hand, from where the last drain ended, each word once."""

from __future__ import annotations

import json
import time
from itertools import count

from click.testing import CliRunner

from workbench import feedback
from workbench.cli import main
from workbench.client import Gateway
from workbench.errors import GatewayUnreachable
from workbench.feedback import draining
from workbench.feedback.draining import Draining
from workbench.settings import load_settings
from workbench.testing.simulated_gateway import simulated_gateway
from workbench.testing.simulator import simulated_providers

numbers = count()


class Rows:
    """A gateway's rows, as `drain` reads them."""

    def __init__(self):
        self.url = f"http://gateway-{next(numbers)}.example.com"
        self.rows = []
        self.read = 0

    def say(self, request_id, value=True):
        last = self.rows[-1]["seq"] if self.rows else 0
        self.rows = [row for row in self.rows if row["request_id"] != request_id]
        self.rows.append({"seq": last + 1, "request_id": f"{self.url}/{request_id}", "value": value, "owner": "shop"})

    def feedback_since(self, after=0, *, limit=500):
        found = [row for row in self.rows if row["seq"] > after][:limit]
        self.read += len(found)
        return found


def test_a_drain_goes_on_where_the_last_one_ended(tracker):
    gateway = Rows()
    gateway.say("a")
    gateway.say("b")
    assert feedback.drain(gateway, tracker=tracker) == feedback.Drained(rows=2, new_traces=2, last_seq=2)
    gateway.read = 0
    assert feedback.drain(gateway, tracker=tracker).rows == 0
    assert gateway.read == 1, "what was drained is read again"
    gateway.say("c")
    assert feedback.drain(gateway, tracker=tracker) == feedback.Drained(rows=1, new_traces=1, last_seq=3)


def test_a_gateway_that_began_anew_is_drained_from_its_start(tracker):
    gateway = Rows()
    for request in "abc":
        gateway.say(request)
    feedback.drain(gateway, tracker=tracker)
    gateway.rows = []
    gateway.say("d")
    assert feedback.drain(gateway, tracker=tracker).rows == 1
    gateway.rows = []
    gateway.say("e")
    assert feedback.drain(gateway, tracker=tracker).rows == 1, "the same number, another call"


def test_a_drain_that_is_stopped_ends_between_two_rows_and_goes_on_there(tracker):
    gateway = Rows()
    for request in "abc":
        gateway.say(request)
    asked = count()
    assert feedback.drain(gateway, stopped=lambda: next(asked) >= 2, tracker=tracker).last_seq == 2
    assert feedback.drain(gateway, tracker=tracker) == feedback.Drained(rows=1, new_traces=1, last_seq=3)
    gateway.say("d")
    assert feedback.drain(gateway, stopped=lambda: True, tracker=tracker).rows == 0


def test_following_tells_once_that_the_gateway_is_away_and_goes_on(tracking_home, monkeypatch):
    away = GatewayUnreachable("The gateway does not answer.")
    outcomes = iter([away, away, feedback.Drained(3, 1, 3), away, KeyboardInterrupt()])

    def drain_own(_settings):
        outcome = next(outcomes)
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    monkeypatch.setattr(draining, "drain_own", drain_own)
    monkeypatch.setattr(draining, "EVERY_SECONDS", 0)
    done = CliRunner().invoke(main, ["feedback", "drain", "--follow"])
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("3 words drained")
    assert done.stderr.count("The gateway does not answer. Trying again") == 2


def test_two_who_drain_at_once_make_one_trace_and_one_word(tracker):
    gateway = Rows()
    gateway.say("a", 4)
    feedback.drain(gateway, after=0, tracker=tracker)
    feedback.drain(gateway, after=0, tracker=tracker)
    said = tracker.ratings([tracker.trace_of_request(gateway.rows[0]["request_id"])])
    assert said[["value", "source", "source_id"]].to_numpy().tolist() == [[4, "CODE", "application:shop"]]


def test_feedback_reaches_mlflow_by_itself_and_by_hand(tracking_settings, tracker, tracking_home, monkeypatch):
    with simulated_providers() as providers, simulated_gateway(tracking_home, providers) as running:
        monkeypatch.setenv("WORKBENCH_GATEWAY_URL", running.url)
        monkeypatch.setenv("WORKBENCH_IDENTITY_TOKEN", running.owner_token)
        with Gateway(url=running.url, key=running.issue_key()) as gateway:
            first, second = (gateway.chat("hello", model="chatty").request_id for _ in range(2))
            draining = Draining(load_settings(home=tracking_settings.home, credentials=False), every=0.05)
            draining.start()
            try:
                gateway.feedback(first, True, comment="thanks")
                deadline = time.monotonic() + 60
                while (trace := tracker.trace_of_request(first)) is None or tracker.ratings([trace]).empty:
                    assert time.monotonic() < deadline, draining.last_error
                    time.sleep(0.05)
            finally:
                draining.stop()
            gateway.feedback(second, 2)
        done = CliRunner().invoke(main, ["feedback", "drain", "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["rows"] == 1
    assert tracker.ratings([trace])["rationale"].tolist() == ["thanks"]
    assert tracker.ratings([tracker.trace_of_request(second)])["value"].tolist() == [2]


def test_without_a_gateway_the_command_says_who_must_act(tracking_home, monkeypatch):
    monkeypatch.delenv("WORKBENCH_GATEWAY_URL", raising=False)
    done = CliRunner().invoke(main, ["feedback", "drain"])
    assert done.exit_code == 1
    assert "No gateway was found" in done.output
