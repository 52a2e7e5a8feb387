"""Every sign-in against a fake of what gives out its tokens."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import pytest
from yarl import URL

from workbench.errors import ProviderCredential
from workbench.gateway.providers.http import HttpClient, read_whole
from workbench.gateway.providers.signin.aws import SigV4SignIn, configured_keys, keys_of_the_chain
from workbench.gateway.providers.signin.entra import entra_token
from workbench.gateway.providers.signin.google import google_token
from workbench.gateway.providers.signin.key import KeySignIn, bearer
from workbench.gateway.providers.signin.sign_in import SignInUnavailable
from workbench.gateway.providers.signin.token import TokenSignIn
from workbench.settings import Timeouts

pytestmark = pytest.mark.anyio

URL_ = URL("https://example.invalid/v1/x")
NEVER = 10**9


def sent(signin) -> str:
    return signin.headers("POST", URL_, b"{}", {})["Authorization"]


@pytest.fixture(autouse=True)
def _no_cloud_of_the_machine(monkeypatch, tmp_path):
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


async def test_a_key_stands_in_the_header_of_its_provider():
    assert KeySignIn("api-key", "k").headers("GET", URL_, None, {}) == {"api-key": "k"}
    assert bearer("k").headers("GET", URL_, None, {}) == {"Authorization": "Bearer k"}
    assert bearer(None).headers("GET", URL_, None, {}) == {}
    assert not await bearer("k").refused({})


# -- Google ----------------------------------------------------------------------------------------------------------


def google(serve, service_account, *, expires_in=3600):
    server = serve(lambda _: (200, {"access_token": f"ya29.{len(server.asked)}", "expires_in": expires_in}))
    return server, TokenSignIn("vertex", google_token("vertex", service_account(server.url + "/token")))


async def test_a_service_account_is_changed_for_a_token_once_for_all_who_wait(serve, service_account):
    server, signin = google(serve, service_account)
    assert not signin.ready
    await asyncio.gather(*(signin.prepare() for _ in range(50)))
    assert signin.ready
    assert sent(signin) == "Bearer ya29.1"
    (asked,) = server.asked
    assert asked.path == "/token"
    assert b"jwt-bearer" in asked.body


async def test_a_token_that_was_refused_is_forgotten_and_a_newer_one_is_not(serve, service_account):
    _, signin = google(serve, service_account)
    await signin.prepare()
    first = signin.headers("POST", URL_, None, {})
    assert await signin.refused(first)
    assert not signin.ready
    await signin.prepare()
    assert sent(signin) == "Bearer ya29.2"
    assert await signin.refused(first)
    assert signin.ready
    assert sent(signin) == "Bearer ya29.2"


async def test_a_token_near_its_end_is_renewed_while_calls_go_on_with_it(serve, service_account, monkeypatch):
    monkeypatch.setattr("workbench.gateway.providers.signin.renewed._EARLY_SHARE", 1.0)
    server, signin = google(serve, service_account, expires_in=200)
    await signin.prepare()
    assert sent(signin) == "Bearer ya29.1"
    async with asyncio.timeout(10):
        while sent(signin) != "Bearer ya29.2":
            assert signin.ready
            await asyncio.sleep(0.01)
    assert len(server.asked) == 2


async def test_a_token_that_has_ended_is_not_sent(serve, service_account):
    server, signin = google(serve, service_account, expires_in=0)
    await signin.prepare()
    assert not signin.ready
    await signin.prepare()
    assert len(server.asked) == 2


async def test_an_account_that_google_refuses_is_the_admins_to_mend(serve, service_account):
    server = serve(lambda _: (400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}))
    signin = TokenSignIn("vertex", google_token("vertex", service_account(server.url)))
    with pytest.raises(ProviderCredential, match=r"vertex.*Invalid JWT Signature.*\[providers.vertex\]") as told:
        await signin.prepare()
    assert told.value.actor == "admin"


async def test_a_token_server_that_fails_is_told_apart_from_a_bad_account(serve, service_account):
    signin = TokenSignIn("vertex", google_token("vertex", service_account("http://127.0.0.1:9/token")))
    with pytest.raises(SignInUnavailable, match="vertex") as told:
        await signin.prepare()
    assert (told.value.actor, told.value.status, told.value.retryable) == ("admin", 503, True)
    with pytest.raises(ProviderCredential):
        await TokenSignIn("vertex", google_token("vertex", '{"token_uri": "http://x"}')).prepare()


async def test_the_default_credentials_of_google_are_found(serve, service_account, monkeypatch, tmp_path):
    server = serve(lambda _: (200, {"access_token": "adc", "expires_in": 3600}))
    (tmp_path / "adc.json").write_text(service_account(server.url))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "adc.json"))
    signin = TokenSignIn("vertex", google_token("vertex", None))
    await signin.prepare()
    assert sent(signin) == "Bearer adc"


# -- Microsoft -------------------------------------------------------------------------------------------------------


@pytest.fixture
def managed_identity(serve, monkeypatch):
    def answer(asked):
        if asked.headers.get("x-identity-header") != "secret":
            return 401, {"error": "no"}
        number = len(server.asked)
        return 200, {"access_token": f"eyJ{number}", "expires_on": str(NEVER * 4), "resource": "r", "token_type": "B"}

    server = serve(answer)
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{server.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "secret")
    return server


async def test_a_managed_identity_gives_a_token(managed_identity):
    signin = TokenSignIn("azure", entra_token("azure"))
    await signin.prepare()
    assert sent(signin) == "Bearer eyJ1"
    assert "resource=https%3A%2F%2Fcognitiveservices.azure.com" in managed_identity.asked[0].path.replace(
        "https://cognitiveservices", "https%3A%2F%2Fcognitiveservices"
    )
    assert await signin.refused({"Authorization": "Bearer eyJ1"})
    await signin.prepare()
    assert sent(signin) == "Bearer eyJ2"


async def test_a_managed_identity_that_is_refused_is_the_admins(managed_identity, monkeypatch):
    monkeypatch.setenv("IDENTITY_HEADER", "wrong")
    with pytest.raises(ProviderCredential, match=r"\[providers.azure\]"):
        await TokenSignIn("azure", entra_token("azure")).prepare()


# -- AWS -------------------------------------------------------------------------------------------------------------

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


def signature(method, wire_path, headers, body, *, secret, region) -> str:
    """Compute the signature of a request as it arrived, from AWS's specification alone."""
    path, _, query = wire_path.partition("?")
    fields = dict(part.split("=", 1) for part in headers["authorization"].partition(" ")[2].split(", "))
    names = fields["SignedHeaders"].split(";")
    canonical = "\n".join(
        [
            method,
            "/".join(quote(segment, safe="-_.~") for segment in path.split("/")),
            "&".join(sorted(query.split("&"))) if query else "",
            *(f"{name}:{' '.join(headers[name].split())}" for name in names),
            "",
            fields["SignedHeaders"],
            hashlib.sha256(body).hexdigest(),
        ]
    )
    date = headers["x-amz-date"]
    scope = f"{date[:8]}/{region}/bedrock/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", date, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{secret}".encode()
    for part in (date[:8], region, "bedrock", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


PATHS = [
    "/model/anthropic.claude-3-5-sonnet-20240620-v1%3A0/converse",
    "/model/arn%3Aaws%3Abedrock%3Aeu-west-1%3A1%3Ainference-profile%2Feu.claude/invoke?a=2&b=%2F&A=1",
    "/model/plain/converse-stream",
    "/guardrail/gr~1_a.b/version/1",
]


@pytest.mark.parametrize("path", PATHS)
async def test_what_is_signed_is_what_arrives(serve, path):
    server = serve(lambda _: (200, {}))
    signin = SigV4SignIn("b", configured_keys(f"AKIDEXAMPLE:{SECRET}:session/+="), region="eu-west-1", renewable=False)
    await signin.prepare()
    url, body = URL(server.url + path, encoded=True), '{"text": "wörter"}'.encode()
    headers = {"Content-Type": "application/json", "Accept-Encoding": "identity", "traceparent": "00-1-2-01"}
    client = HttpClient(Timeouts())
    await client.open()
    response = await client.post("b", url, body, {**headers, **signin.headers("POST", url, body, headers)})
    assert await read_whole("b", response) == b"{}"
    await client.close()
    (asked,) = server.asked
    assert asked.path == path
    assert asked.headers["x-amz-security-token"] == "session/+="
    expected = signature("POST", asked.path, asked.headers, asked.body, secret=SECRET, region="eu-west-1")
    assert asked.headers["authorization"].endswith(f"Signature={expected}")
    assert "Credential=AKIDEXAMPLE/" in asked.headers["authorization"]
    assert "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token," in asked.headers["authorization"]


async def test_configured_keys_are_not_fetched_again():
    signin = SigV4SignIn("b", configured_keys(f"AKID:{SECRET}"), region="eu-west-1", renewable=False)
    await signin.prepare()
    assert not await signin.refused(signin.headers("POST", URL_, b"", {}))
    assert signin.ready


def chain(profile="default"):
    return SigV4SignIn("b", keys_of_the_chain("b", profile), region="eu-west-1", renewable=True)


def hour(seconds=3600) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


async def test_a_containers_role_is_renewed(serve, monkeypatch):
    def answer(asked):
        return 200, {"AccessKeyId": f"ASIA{len(server.asked)}", "SecretAccessKey": "s", "Token": "t",
                     "Expiration": hour()}  # fmt: skip

    server = serve(answer)
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{server.url}/role")
    signin = chain()
    await asyncio.gather(*(signin.prepare() for _ in range(20)))
    first = signin.headers("POST", URL_, b"", {})
    assert "Credential=ASIA1/" in first["Authorization"]
    assert first["X-Amz-Security-Token"] == "t"
    assert await signin.refused(first)
    await signin.prepare()
    assert "Credential=ASIA2/" in sent(signin)


async def test_an_instances_role_is_used(serve, monkeypatch):
    def answer(asked):
        if asked.method == "PUT":
            return 200, b"imds-token"
        if asked.headers.get("x-aws-ec2-metadata-token") != "imds-token":
            return 401, {}
        if asked.path.endswith("/security-credentials/"):
            return 200, b"my-role"
        return 200, {"Code": "Success", "AccessKeyId": "ASIAINSTANCE", "SecretAccessKey": "s", "Token": "t",
                     "Expiration": hour()}  # fmt: skip

    server = serve(answer)
    monkeypatch.delenv("AWS_EC2_METADATA_DISABLED")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"{server.url}/")
    signin = chain()
    await signin.prepare()
    assert "Credential=ASIAINSTANCE/" in sent(signin)


STS = b"""<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>ASIASTS</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>
<Expiration>%s</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>"""


async def test_a_profiles_role_is_assumed_by_sts(serve, monkeypatch, tmp_path):
    server = serve(lambda _: (200, STS % hour().encode()))
    (tmp_path / "config").write_text(
        "[profile menu]\nrole_arn = arn:aws:iam::1:role/menu\nsource_profile = base\nregion = eu-west-1\n"
        f"[profile base]\naws_access_key_id = AKIDBASE\naws_secret_access_key = {SECRET}\n"
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
    signin = chain("menu")
    await signin.prepare()
    assert "Credential=ASIASTS/" in sent(signin)
    (asked,) = server.asked
    assert b"Action=AssumeRole" in asked.body
    assert "Credential=AKIDBASE/" in asked.headers["authorization"]


async def test_no_keys_an_unknown_profile_and_a_refused_role_are_the_admins(serve, monkeypatch, tmp_path):
    with pytest.raises(ProviderCredential, match="finds no keys"):
        await chain().prepare()
    with pytest.raises(ProviderCredential, match="absent"):
        await chain("absent").prepare()
    denied = b"<ErrorResponse><Error><Code>AccessDenied</Code><Message>not yours</Message></Error></ErrorResponse>"
    server = serve(lambda _: (403, denied))
    (tmp_path / "config").write_text(
        "[profile menu]\nrole_arn = arn:aws:iam::1:role/menu\nsource_profile = base\nregion = eu-west-1\n"
        f"[profile base]\naws_access_key_id = AKIDBASE\naws_secret_access_key = {SECRET}\n"
    )
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
    with pytest.raises(ProviderCredential, match="not yours"):
        await chain("menu").prepare()


async def test_a_container_that_gives_no_keys_is_unavailable(serve, monkeypatch):
    server = serve(lambda _: (500, {"message": "down"}))
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{server.url}/role")
    with pytest.raises(SignInUnavailable):
        await chain().prepare()


async def test_no_secret_is_shown(serve, service_account):
    _, signin = google(serve, service_account)
    await signin.prepare()
    keys = SigV4SignIn("b", configured_keys(f"AKID:{SECRET}"), region="eu-west-1", renewable=False)
    await keys.prepare()
    for one in (signin, keys, bearer("k3y")):
        assert not any(secret in repr(one) for secret in ("ya29", SECRET, "k3y"))


# -- Entra's own servers, which must be https ------------------------------------------------------------------------


@pytest.fixture
def entra(serve, monkeypatch, tmp_path):
    """A token server of Entra, with a certificate that this process trusts."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    unencrypted = serialization.NoEncryption()
    secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, unencrypted)
    (tmp_path / "both.pem").write_bytes(secret + pem)
    (tmp_path / "trusted.pem").write_bytes(pem)

    def answer(asked):
        if asked.method == "GET":  # the authority tells of its own places
            here = server.url.replace("127.0.0.1", "localhost") + "/tenant"
            return 200, {"issuer": here, "authorization_endpoint": f"{here}/a", "token_endpoint": f"{here}/token"}
        if b"client_secret=right" not in asked.body and b"client_assertion=the.federated.token" not in asked.body:
            return 401, {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret."}
        return 200, {"access_token": f"eyJ{len(server.asked)}", "expires_in": 3600, "token_type": "Bearer"}

    server = serve(answer, certificate=tmp_path / "both.pem")
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", server.url.replace("127.0.0.1", "localhost"))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "trusted.pem"))
    monkeypatch.setenv("AZURE_TENANT_ID", "tenant")
    monkeypatch.setenv("AZURE_CLIENT_ID", "client")
    return server


async def test_a_client_secret_gives_a_token_of_the_tenant_alone(entra, monkeypatch):
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "right")
    signin = TokenSignIn("azure", entra_token("azure"))
    await signin.prepare()
    assert sent(signin) == f"Bearer eyJ{len(entra.asked)}"
    assert {asked.path.split("?")[0].split("/")[1] for asked in entra.asked} == {"tenant"}
    assert b"cognitiveservices.azure.com" in entra.asked[-1].body


async def test_a_wrong_client_secret_is_the_admins(entra, monkeypatch):
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "wrong")
    with pytest.raises(ProviderCredential, match=r"AADSTS7000215.*\[providers.azure\]"):
        await TokenSignIn("azure", entra_token("azure")).prepare()


async def test_a_workload_identity_gives_a_token(entra, monkeypatch, tmp_path):
    (tmp_path / "federated").write_text("the.federated.token")
    monkeypatch.setenv("AZURE_FEDERATED_TOKEN_FILE", str(tmp_path / "federated"))
    signin = TokenSignIn("azure", entra_token("azure"))
    await signin.prepare()
    assert sent(signin).startswith("Bearer eyJ")


async def test_an_entra_that_is_away_is_unavailable(monkeypatch):
    for name, value in {"TENANT_ID": "t", "CLIENT_ID": "c", "CLIENT_SECRET": "s"}.items():
        monkeypatch.setenv(f"AZURE_{name}", value)
    monkeypatch.setenv("AZURE_AUTHORITY_HOST", "https://localhost:9")
    with pytest.raises(SignInUnavailable):
        await TokenSignIn("azure", entra_token("azure")).prepare()
