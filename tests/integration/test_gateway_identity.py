"""Who somebody is, as a JupyterHub or an OpenID Connect issuer says: over HTTP, with real keys, and every forgery."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from workbench.errors import AuthenticationFailed, PermissionDenied, Unavailable
from workbench.gateway.access.identities import Identities
from workbench.gateway.access.identity import Identity, Owner
from workbench.gateway.access.keys import KeyTable
from workbench.settings import IdentitySettings
from workbench.testing.gateway import running_gateway

RSA, OTHER_RSA = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
WEAK_RSA = rsa.generate_private_key(public_exponent=65537, key_size=1024)
EC = ec.generate_private_key(ec.SECP256R1())


class Server:
    """A server of JSON on loopback that counts what it is asked."""

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, Any]] = {}
        self.asked: list[tuple[str, str | None]] = []
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                served.asked.append((self.path, self.headers["authorization"]))
                status, body = served.answer(self.path, self.headers["authorization"])
                raw = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"

    def answer(self, path: str, _authorization: str | None) -> tuple[int, Any]:
        return self.answers.get(path, (404, {}))

    def count(self, path: str) -> int:
        return sum(asked == path for asked, _ in self.asked)


class Issuer(Server):
    def __init__(self) -> None:
        super().__init__()
        self.answers["/.well-known/openid-configuration"] = (
            200,
            {"issuer": self.url, "jwks_uri": f"{self.url}/keys"},
        )
        self.publish(rsa1=RSA, ec1=EC)

    def publish(self, **keys: Any) -> None:
        listed = []
        for kid, key in keys.items():
            algorithm = (
                jwt.algorithms.ECAlgorithm
                if isinstance(key, ec.EllipticCurvePrivateKey)
                else jwt.algorithms.RSAAlgorithm
            )
            listed.append({**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": kid, "use": "sig"})
        self.answers["/keys"] = (200, {"keys": [*listed, {"kty": "oct", "kid": "secret", "k": "c2VjcmV0"}]})

    def token(self, key: Any = RSA, algorithm: str = "RS256", kid: str | None = "rsa1", **claims: Any) -> str:
        now = time.time()
        said = {"iss": self.url, "aud": "workbench", "sub": "ana", "groups": ["team"], "exp": now + 600, **claims}
        said = {name: value for name, value in said.items() if value is not None}
        return jwt.encode(said, key, algorithm=algorithm, headers={"kid": kid} if kid else {})


class Hub(Server):
    def __init__(self) -> None:
        super().__init__()
        self.users: dict[str, Any] = {
            "ana-token": {
                "kind": "user", "name": "ana", "admin": False, "groups": ["team"],
                "scopes": ["access:servers!server=ana/gpu", "users:activity!user=ana"],
            },
            "boss-token": {
                "kind": "user", "name": "boss", "admin": True, "groups": [],
                "scopes": ["access:servers", "admin:users"],
            },
            "bot-token": {"kind": "service", "name": "ana", "admin": True},
        }  # fmt: skip
        self.down = False

    def answer(self, path: str, authorization: str | None) -> tuple[int, Any]:
        if self.down:
            return 503, {"message": "starting"}
        assert path == "/hub/api/user"
        user = self.users.get((authorization or "").removeprefix("token "))
        return (200, user) if user else (403, {"status": 403, "message": "Forbidden"})


@contextmanager
def serving(server: Any) -> Iterator[Any]:
    thread = threading.Thread(target=server.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.http.shutdown()
        server.http.server_close()
        thread.join()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with serving(Issuer()) as running:
        yield running


@pytest.fixture
def hub() -> Iterator[Hub]:
    with serving(Hub()) as running:
        yield running


def settings(**tables: Any) -> IdentitySettings:
    return IdentitySettings.model_validate(tables)


def by_oidc(issuer: Issuer, **more: Any) -> IdentitySettings:
    return settings(oidc={"issuer": issuer.url, "audience": "workbench", "leeway": 5, **more})


async def ask(identities: Identities, token: str, *, role: str = "user") -> Identity:
    return await identities.of({b"authorization": f"Bearer {token}".encode()}, role=role)


def made(said: IdentitySettings, tmp_path: Path, keys: KeyTable | None = None) -> Identities:
    return Identities(said, owner=Owner(tmp_path), keys=keys or KeyTable())


async def refused(identities: Identities, token: str) -> str:
    with pytest.raises(AuthenticationFailed) as told:
        await ask(identities, token)
    return told.value.error_code


# -- OpenID Connect ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "algorithm", "kid"),
    [(RSA, "RS256", "rsa1"), (RSA, "PS256", "rsa1"), (EC, "ES256", "ec1"), (EC, "ES256", None)],
)
async def test_a_token_of_the_issuer_tells_who_it_is(
    issuer: Issuer, tmp_path: Path, key: Any, algorithm: str, kid: str | None
) -> None:
    identities = made(by_oidc(issuer), tmp_path)
    who = await ask(identities, issuer.token(key, algorithm, kid))
    assert (who.name, who.groups, who.source) == ("ana", ("team",), "oidc")
    assert who.roles == {"user", "rater", "scientist"}
    await ask(identities, issuer.token(key, algorithm, kid))
    assert issuer.count("/keys") == 1
    await identities.close()


async def test_every_forgery_is_refused(issuer: Issuer, tmp_path: Path) -> None:
    identities = made(by_oidc(issuer), tmp_path)
    good, now = issuer.token(), time.time()
    head, body, signature = good.split(".")
    public = RSA.public_key().public_numbers().n.to_bytes(256, "big")

    def glued(header: dict[str, Any], mac: bytes = b"") -> str:
        raw = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
        signed = hmac.new(mac, f"{raw}.{body}".encode(), hashlib.sha256).digest() if mac else b""
        return f"{raw}.{body}.{base64.urlsafe_b64encode(signed).rstrip(b'=').decode()}"

    other = json.loads(base64.urlsafe_b64decode(body + "=="))
    boss = base64.urlsafe_b64encode(json.dumps({**other, "sub": "boss"}).encode()).rstrip(b"=").decode()
    forged = {
        "no signature": glued({"alg": "none", "kid": "rsa1"}),
        "no signature, in other letters": glued({"alg": "NONE", "kid": "rsa1"}),
        "the public key as a secret": glued({"alg": "HS256", "kid": "rsa1"}, public),
        "a listed secret": glued({"alg": "HS256", "kid": "secret"}, b"secret"),
        "another key": issuer.token(OTHER_RSA),
        "a key in the header": jwt.encode(other, OTHER_RSA, algorithm="RS256", headers={"jwk": {}, "kid": "rsa1"}),
        "another body": f"{head}.{boss}.{signature}",
        "a cut signature": good[:-10],
        "a curve's key under the name of an RSA key": issuer.token(EC, "ES256", "rsa1"),
        "an unlisted algorithm": issuer.token(RSA, "RS384"),
        "what it demands": jwt.encode(other, RSA, algorithm="RS256", headers={"kid": "rsa1", "crit": ["exp"]}),
        "another issuer": issuer.token(iss="http://127.0.0.1:1"),
        "another audience": issuer.token(aud="another"),
        "no audience": issuer.token(aud=None),
        "no end": issuer.token(exp=None),
        "an end that is none": issuer.token(exp=True),
        "expired": issuer.token(exp=now - 60),
        "of tomorrow": issuer.token(nbf=now + 3600),
        "nobody": issuer.token(sub=""),
        "a name with a line break": issuer.token(sub="ana\nadmin"),
        "a name that is no text": issuer.token(sub=None),
    }
    for what, token in forged.items():
        assert await refused(identities, token) in ("invalid_key", "expired"), what
    assert await refused(identities, forged["expired"]) == "expired"
    assert (await ask(identities, good)).name == "ana"
    await identities.close()


async def test_a_new_key_of_the_issuer_is_fetched_and_an_old_one_dies(issuer: Issuer, tmp_path: Path) -> None:
    identities = made(by_oidc(issuer), tmp_path)
    old = issuer.token()
    await ask(identities, old)
    issuer.publish(rsa2=OTHER_RSA)
    new = issuer.token(OTHER_RSA, kid="rsa2")
    told = await asyncio.gather(*(ask(identities, new) for _ in range(20)))
    assert {one.name for one in told} == {"ana"}
    assert issuer.count("/keys") == 2, "each token fetched the keys for itself"
    assert await refused(identities, old) == "invalid_key"
    await identities.close()


async def test_tokens_with_keys_that_nobody_knows_keep_out_no_good_one(issuer: Issuer, tmp_path: Path) -> None:
    """Whoever sends forged ones makes the gateway ask every two seconds at most, and a new key is known by then."""
    identities = made(by_oidc(issuer), tmp_path)
    forged = [issuer.token(OTHER_RSA, kid=f"unknown-{number}") for number in range(40)]
    began = time.monotonic()
    told = await asyncio.gather(*(ask(identities, token) for token in forged), return_exceptions=True)
    assert {type(one) for one in told} == {AuthenticationFailed}
    issuer.publish(rsa2=OTHER_RSA)
    more = asyncio.gather(*(ask(identities, token) for token in forged), return_exceptions=True)
    assert (await ask(identities, issuer.token(OTHER_RSA, kid="rsa2"))).name == "ana"
    await more
    assert issuer.count("/keys") <= 1 + (time.monotonic() - began) / 2
    await identities.close()


async def test_weak_keys_do_not_count(issuer: Issuer, tmp_path: Path) -> None:
    issuer.publish(weak=WEAK_RSA)
    identities = made(by_oidc(issuer), tmp_path)
    with pytest.warns(jwt.warnings.InsecureKeyLengthWarning):
        token = issuer.token(WEAK_RSA, kid="weak")
    assert await refused(identities, token) == "invalid_key"
    await identities.close()


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/.well-known/openid-configuration", (500, {})),
        ("/.well-known/openid-configuration", (200, {"issuer": "https://evil.example.com", "jwks_uri": "/keys"})),
        ("/.well-known/openid-configuration", (200, [])),
        ("/keys", (200, {"keys": "none"})),
        ("/keys", (302, {})),
    ],
)
async def test_an_issuer_that_gives_no_keys_is_a_503(
    issuer: Issuer, tmp_path: Path, path: str, answer: tuple[int, Any]
) -> None:
    issuer.answers[path] = answer
    identities = made(by_oidc(issuer), tmp_path)
    with pytest.raises(Unavailable) as told:
        await ask(identities, issuer.token())
    assert told.value.error_code == "identity_unavailable"
    await identities.close()


async def test_a_clock_that_steps_back_revives_no_token(
    issuer: Issuer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = KeyTable()
    identities = made(by_oidc(issuer), tmp_path, keys)
    real = time.time()
    token = issuer.token(exp=real + 60)
    await ask(identities, token)
    monkeypatch.setattr("workbench.gateway.access.keys.time.time", lambda: real + 120)
    assert await refused(identities, token) == "expired"
    monkeypatch.setattr("workbench.gateway.access.keys.time.time", lambda: real)
    assert await refused(identities, token) == "expired"
    await identities.close()


async def test_claims_map_to_name_groups_and_roles(issuer: Issuer, tmp_path: Path) -> None:
    said = settings(
        oidc={"issuer": issuer.url, "audience": ["workbench"], "user": "email", "groups": "realm_access.roles"},
        roles={"admin": {"groups": ["platform"]}, "reviewer": {"users": ["ben@example.com"]}},
        everybody=["user"],
    )
    identities = made(said, tmp_path)
    ana = issuer.token(email="ana@example.com", realm_access={"roles": ["platform", 5]})
    who = await ask(identities, ana, role="admin")
    assert (who.name, who.groups) == ("ana@example.com", ("platform",))
    assert who.roles == {"user", "rater", "scientist", "admin"}, "an admin reviews only where named for it"
    ben = issuer.token(email="ben@example.com", realm_access=None)
    assert (await ask(identities, ben, role="reviewer")).roles == {"user", "reviewer"}
    with pytest.raises(PermissionDenied):
        await ask(identities, ben, role="admin")
    assert await refused(identities, issuer.token(email="eve@example.com", email_verified=False)) == "invalid_key"
    await identities.close()


# -- JupyterHub ----------------------------------------------------------------------------------------------------


async def test_the_hub_is_asked_once_for_many(hub: Hub, tmp_path: Path) -> None:
    identities = made(settings(jupyterhub={"url": hub.url}), tmp_path)
    told = await asyncio.gather(*(ask(identities, "ana-token") for _ in range(20)))
    assert {(one.name, one.groups, one.source) for one in told} == {("ana", ("team",), "jupyterhub")}
    assert len(hub.asked) == 1
    assert (await ask(identities, "boss-token", role="admin")).name == "boss"
    with pytest.raises(PermissionDenied):
        await ask(identities, "ana-token", role="admin")
    for other in ("nobody", "bot-token", "a.b.c"):
        assert await refused(identities, other) == "invalid_key"
    await identities.close()


@pytest.mark.parametrize(
    "scopes", [[], ["access:services!service=wiki"], ["access:servers!server=ben/"], ["access:servers!server=ana2/"]]
)
async def test_a_token_that_the_hub_gave_for_something_else_opens_nothing(
    hub: Hub, tmp_path: Path, scopes: list[str]
) -> None:
    hub.users["wikis"] = {"kind": "user", "name": "ana", "groups": [], "scopes": scopes}
    identities = made(settings(jupyterhub={"url": hub.url}), tmp_path)
    assert await refused(identities, "wikis") == "invalid_key"
    await identities.close()


async def test_the_admin_may_name_a_scope_by_which_tokens_of_a_service_count(hub: Hub, tmp_path: Path) -> None:
    scope = "access:services!service=workbench"
    hub.users["apps"] = {"kind": "user", "name": "ana", "groups": [], "scopes": [scope]}
    identities = made(settings(jupyterhub={"url": hub.url, "scopes": [scope]}), tmp_path)
    assert (await ask(identities, "apps")).name == "ana"
    await identities.close()


async def test_an_admins_server_is_no_admin(hub: Hub, tmp_path: Path) -> None:
    hub.users["server"] = {**hub.users["boss-token"], "scopes": ["access:servers!server=boss/"]}
    identities = made(settings(jupyterhub={"url": hub.url}), tmp_path)
    assert (await ask(identities, "boss-token", role="admin")).name == "boss"
    with pytest.raises(PermissionDenied):
        await ask(identities, "server", role="admin")
    await identities.close()


async def test_a_hub_too_old_to_tell_scopes_is_the_admins_to_mend(hub: Hub, tmp_path: Path) -> None:
    del hub.users["ana-token"]["scopes"]
    identities = made(settings(jupyterhub={"url": hub.url}), tmp_path)
    with pytest.raises(Unavailable, match="JupyterHub 2"):
        await ask(identities, "ana-token")
    await identities.close()


async def test_a_hub_that_is_down_is_a_503_and_blames_no_token(hub: Hub, tmp_path: Path) -> None:
    identities = made(settings(jupyterhub={"url": hub.url, "cache_seconds": 0.0}), tmp_path)
    await ask(identities, "ana-token")
    hub.down = True
    with pytest.raises(Unavailable) as told:
        await ask(identities, "ana-token")
    assert hub.url in told.value.message
    hub.down = False
    assert (await ask(identities, "ana-token")).name == "ana"
    del hub.users["ana-token"]
    assert await refused(identities, "ana-token") == "invalid_key"
    await identities.close()


# -- a whole gateway -----------------------------------------------------------------------------------------------


def test_a_gateway_of_many_people_knows_each_and_has_no_owner(issuer: Issuer, hub: Hub, tmp_path: Path) -> None:
    config = f"""
[providers.local]
kind = "local"
trust = "in_house"
[identity.oidc]
issuer = "{issuer.url}"
audience = "workbench"
[identity.jupyterhub]
url = "{hub.url}"
[policy.exploration]
most_live = 2
"""
    with running_gateway(tmp_path, config=config) as gateway:
        assert not (tmp_path / "owner.token").exists()

        def send(method: str, path: str, token: str, **more: Any) -> httpx.Response:
            headers = {"authorization": f"Bearer {token}"}
            return httpx.request(method, gateway.url + path, headers=headers, timeout=30, **more)

        ana, boss = issuer.token(), "boss-token"
        issued = send("POST", "/keys/exploration", ana, json={})
        assert issued.status_code == 201, issued.text
        assert issued.json()["limits"] == {"requests_per_minute": 60, "tokens_per_minute": 200000, "concurrent": 8}
        assert issued.json()["budget"] == {"usd_per_day": 5.0}
        assert send("GET", "/me", ana).json()["roles"] == ["rater", "scientist", "user"]
        assert [one["id"] for one in send("GET", "/keys", "ana-token").json()["data"]] == [issued.json()["id"]]
        assert send("GET", "/keys", boss).json()["data"] == []
        assert send("POST", "/keys/exploration", ana, json={}).status_code == 201
        full = send("POST", "/keys/exploration", ana, json={})
        assert (full.status_code, full.json()["error"]["code"]) == (409, "too_many_keys")
        for path in ("/admin/v1/keys", "/admin/v1/calls", "/admin/v1/health", "/admin/v1/models"):
            assert send("GET", path, boss).status_code == 200, path
            assert send("GET", path, ana).status_code == 403, path
            assert send("GET", path, issued.json()["key"]).status_code == 403, path
            assert send("GET", path, "wbo-" + "0" * 49).status_code == 401, path
        hub.down = True
        assert send("GET", "/keys", "new-token").status_code == 503
        assert send("GET", "/me", issued.json()["key"]).status_code == 200
