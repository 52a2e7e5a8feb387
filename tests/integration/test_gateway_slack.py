"""The slash command: only what Slack signed, young and never seen, for those whom the configuration knows."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest

from workbench.testing.gateway import RunningGateway, running_gateway

SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
CONFIG = """
[providers.local]
kind = "local"
trust = "in_house"
[slack]
signing_secret = { env = "SLACK_SECRET" }
team = "T0001"
[slack.users]
U0001 = "ana"
U0002 = "ben"
"""


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    home = tmp_path_factory.mktemp("slack")
    with running_gateway(home, config=CONFIG, environ={"SLACK_SECRET": SECRET}) as running:
        yield running


def signed(body: str, *, secret: str = SECRET, age: int = 0) -> dict[str, str]:
    at = int(time.time()) - age
    mac = hmac.new(secret.encode(), f"v0:{at}:{body}".encode(), hashlib.sha256).hexdigest()
    return {
        "content-type": "application/x-www-form-urlencoded",
        "x-slack-request-timestamp": str(at),
        "x-slack-signature": f"v0={mac}",
    }


_count = iter(range(10**6))


def body_of(text: str, *, user: str = "U0001", team: str = "T0001") -> str:
    fields = {"team_id": team, "user_id": user, "command": "/gateway", "text": text, "trigger_id": next(_count)}
    return urlencode(fields)


def post(gateway: RunningGateway, body: str, headers: dict[str, str]) -> httpx.Response:
    return httpx.post(f"{gateway.url}/slack/commands", content=body, headers=headers, timeout=30)


def say(gateway: RunningGateway, text: str, *, user: str = "U0001", team: str = "T0001") -> str:
    body = body_of(text, user=user, team=team)
    answer = post(gateway, body, signed(body))
    assert answer.status_code == 200, answer.text
    assert answer.json()["response_type"] == "ephemeral"
    return str(answer.json()["text"])


def test_a_key_is_issued_listed_and_revoked_by_its_owner_alone(gateway: RunningGateway) -> None:
    told = say(gateway, "key for a demo")
    secret = told.split("```")[1]
    me = httpx.get(f"{gateway.url}/me", headers={"authorization": f"Bearer {secret}"}).json()
    assert (me["owner"], me["kind"], me["note"]) == ("ana", "exploration", "for a demo")
    listed = say(gateway, "keys")
    assert me["id"] in listed
    assert secret not in listed
    assert me["id"] not in say(gateway, "keys", user="U0002")
    assert "No key" in say(gateway, f"revoke {me['id']}", user="U0002")
    assert "1 live keys: 0 calls" in say(gateway, "usage")
    assert "is revoked" in say(gateway, f"revoke {me['id']}")
    assert httpx.get(f"{gateway.url}/me", headers={"authorization": f"Bearer {secret}"}).status_code == 401


def test_what_slack_did_not_sign_is_refused(gateway: RunningGateway) -> None:
    body = body_of("key")
    good = signed(body)
    forged = [
        {},
        signed(body, secret="another"),
        signed(body, age=400),
        signed(body, age=-600),
        {**good, "x-slack-signature": b"v0=\xff\xe9"},
        signed(body_of("keys")),
        {**good, "x-slack-request-timestamp": "now"},
        {**good, "x-slack-signature": "v0="},
    ]
    for headers in forged:
        answer = post(gateway, body, headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "invalid_signature"), headers


def test_a_request_that_came_before_is_refused(gateway: RunningGateway) -> None:
    body = body_of("help")
    headers = signed(body)
    assert post(gateway, body, headers).status_code == 200
    again = post(gateway, body, headers)
    assert (again.status_code, again.json()["error"]["code"]) == (401, "replayed")


@pytest.mark.parametrize(("user", "team"), [("U0003", "T0001"), ("U0001", "T0002"), ("", "T0001")])
def test_who_is_not_known_gets_nothing(gateway: RunningGateway, user: str, team: str) -> None:
    told = say(gateway, "key", user=user, team=team)
    assert "wbx-" not in told
    assert told.startswith(":warning:")


@pytest.mark.parametrize("text", ["", "help", "HELP", "dance", "revoke", "revoke key_1 key_2"])
def test_every_other_word_gets_help(gateway: RunningGateway, text: str) -> None:
    assert "keys" in say(gateway, text)


def test_without_a_secret_there_is_no_command(tmp_path: Path) -> None:
    with running_gateway(tmp_path, config='[providers.local]\nkind = "local"\ntrust = "in_house"\n') as plain:
        body = body_of("key")
        assert post(plain, body, signed(body)).status_code == 404
