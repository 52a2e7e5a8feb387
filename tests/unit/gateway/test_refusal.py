"""Whose fault a provider's status is."""

import json
from email.utils import formatdate
from time import time

import pytest

from workbench.errors import LimitExceeded, ProviderCredential, ProviderError, ProviderTimeout, ProviderUnavailable
from workbench.gateway.dialects.dialect import come_back
from workbench.gateway.dialects.openai import body_of
from workbench.gateway.providers.provider import NOTHING_MADE, CallerRefused
from workbench.gateway.providers.refusal import refusal, retry_after
from workbench.gateway.reply import status_of

BODY = json.dumps({"error": {"message": "too long", "type": "invalid_request_error", "code": "context_length", "x": 1}})


@pytest.mark.parametrize(("answered", "kind", "status", "actor"), [
    (401, ProviderCredential, 502, "admin"), (403, ProviderCredential, 502, "admin"),
    (402, ProviderCredential, 502, "admin"), (408, ProviderTimeout, 504, "provider"),
    (404, ProviderError, 502, "provider"), (302, ProviderError, 502, "provider"),
    (429, LimitExceeded, 429, "provider"), (500, ProviderError, 502, "provider"),
    (503, ProviderUnavailable, 503, "provider"), (529, ProviderUnavailable, 503, "provider"),
    (400, CallerRefused, 400, "caller"), (422, CallerRefused, 422, "caller"),
])  # fmt: skip
def test_each_status_has_its_meaning_and_names_the_provider(answered: int, kind: type, status: int, actor: str) -> None:
    error = refusal("acme", answered, {}, b"")
    assert isinstance(error, kind)
    assert (status_of(error), error.actor) == (status, actor)
    assert "acme" in str(error)


@pytest.mark.parametrize(("answered", "made_nothing"), [
    (500, True), (501, True), (502, True), (503, True), (529, True),
    (504, False), (524, False),  # somebody in between gave up waiting
    (201, False), (204, False), (302, False), (400, False), (401, False), (403, False), (404, False), (408, False),
    (422, False), (429, False),
])  # fmt: skip
def test_only_a_failure_of_the_providers_own_says_that_nothing_was_made(answered: int, made_nothing: bool) -> None:
    assert isinstance(refusal("acme", answered, {}, b""), NOTHING_MADE) == made_nothing


def test_a_refusal_of_what_the_caller_sent_keeps_the_providers_own_fields() -> None:
    error = refusal("acme", 400, {}, BODY.encode())
    told = json.loads(body_of(error, "req_1"))["error"]
    assert (told["message"], told["code"], told["x"]) == ("too long", "context_length", 1)
    assert (told["actor"], told["request_id"]) == ("caller", "req_1")
    assert error.error_code == "context_length"


@pytest.mark.parametrize(
    "body", [b"<html>secret stack trace</html>", b'{"error": "secret stack trace"}', b"\xff", b"[" * 5000]
)
def test_a_body_that_is_no_envelope_is_not_shown(body: bytes) -> None:
    for status in (400, 429, 500):
        assert "secret" not in str(refusal("acme", status, {}, body))


def test_retry_after_is_read_as_seconds_and_as_a_date() -> None:
    assert retry_after({"retry-after": "7"}) == 7
    assert retry_after({"retry-after": "1e9"}) == 86400
    assert retry_after({"retry-after": formatdate(time() + 30, usegmt=True)}) == pytest.approx(30, abs=3)
    for nonsense in ("", "soon", "nan", "-5"):
        assert retry_after({"retry-after": nonsense}) in (None, 0.0)
    assert retry_after({}) is None


def test_the_wait_is_told_in_a_header() -> None:
    assert come_back(refusal("acme", 429, {"retry-after": "7"}, b"")) == [(b"retry-after", b"7")]
    assert come_back(refusal("acme", 500, {"retry-after": "7"}, b"")) == []


def test_what_only_the_gateway_tells_is_not_the_providers_to_say() -> None:
    body = json.dumps({"error": {"message": "too long", "request_id": "theirs", "actor": "admin"}}).encode()
    told = json.loads(body_of(refusal("acme", 400, {}, body), "req_1"))["error"]
    assert (told["actor"], told["request_id"]) == ("caller", "req_1")
