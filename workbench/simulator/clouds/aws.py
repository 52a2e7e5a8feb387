"""AWS's ways to short-lived keys: STS, the container's credentials, and the instance's metadata (IMDSv2).

Source: AWS STS API reference; "Container credential provider"; "Use the Instance Metadata Service".
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from xml.sax.saxutils import escape

from workbench.simulator.bedrock.signature import verify
from workbench.simulator.clouds.family import TOKENS, form_of
from workbench.simulator.exchange import Exchange
from workbench.simulator.issued import Issued
from workbench.simulator.protocol import Path
from workbench.simulator.reply import Refused, Reply, Whole

ROLE = "simulated-role"
"""The role of the simulated instance."""

_SESSION = "simulated-instance-session"
_NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
_XML = "text/xml"


def sts(exchange: Exchange) -> Reply:
    """Give keys for a role: to who signs with other keys, or shows a web identity's token."""
    form = form_of(exchange)
    action = form.get("Action")
    if action == "AssumeRole":
        verify(exchange, service="sts")
    elif action == "AssumeRoleWithWebIdentity":
        if form.get("WebIdentityToken", "").count(".") != 2:
            raise Refused(400, "The web identity token is no JWT.", code="InvalidIdentityToken")
    else:
        raise Refused(400, f"Could not find operation {action}.", code="InvalidAction")
    if not form.get("RoleArn") or not form.get("RoleSessionName"):
        raise Refused(400, "RoleArn and RoleSessionName are required.", code="ValidationError")
    keys = _keys(exchange, form["RoleArn"])
    told = "".join(
        f"<{name}>{escape(value)}</{name}>"
        for name, value in (
            ("AccessKeyId", keys.key_id),
            ("SecretAccessKey", keys.secret),
            ("SessionToken", keys.token),
            ("Expiration", _time(keys.expires_at)),
        )
    )
    who = f"{escape(form['RoleArn'])}/{escape(form['RoleSessionName'])}"
    result = (
        f"<Credentials>{told}</Credentials>"
        f"<AssumedRoleUser><Arn>{who}</Arn><AssumedRoleId>AROASIMULATED:{who}</AssumedRoleId></AssumedRoleUser>"
    )
    body = (
        f'<{action}Response xmlns="{_NAMESPACE}"><{action}Result>{result}</{action}Result>'
        f"<ResponseMetadata><RequestId>simulated</RequestId></ResponseMetadata></{action}Response>"
    )
    return Whole(body=body.encode(), content_type=_XML)


def container(exchange: Exchange) -> Reply:
    """Give a container its keys; it shows the token that it was started with."""
    if not exchange.state.takes(exchange.headers.get("authorization")):
        raise Refused(401, "The authorization token is wrong.")
    keys = _keys(exchange, ROLE)
    return Whole(body={**_told(keys), "RoleArn": f"arn:aws:iam::123456789012:role/{ROLE}"})


def session(exchange: Exchange) -> Reply:
    """Give an instance the token of a metadata session (IMDSv2)."""
    ttl = exchange.headers.get("x-aws-ec2-metadata-token-ttl-seconds")
    if not ttl:
        raise Refused(400, "x-aws-ec2-metadata-token-ttl-seconds is needed.")
    headers = {"x-aws-ec2-metadata-token-ttl-seconds": ttl}
    return Whole(body=_SESSION.encode(), content_type="text/plain", headers=headers)


def roles(exchange: Exchange) -> Reply:
    """Tell an instance its role."""
    _check_session(exchange)
    return Whole(body=ROLE.encode(), content_type="text/plain")


def instance(exchange: Exchange) -> Reply:
    """Give an instance its keys."""
    _check_session(exchange)
    if exchange.params["role"] != ROLE:
        raise Refused(404, "No such role.")
    told = {"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": _time(0)}
    return Whole(body={**told, **_told(_keys(exchange, ROLE))})


def _check_session(exchange: Exchange) -> None:
    if exchange.headers.get("x-aws-ec2-metadata-token") != _SESSION:
        raise Refused(401, "A metadata session token is needed (IMDSv2).")


def _keys(exchange: Exchange, holder: str) -> Issued:
    return exchange.state.issued.issue("aws", holder=holder, prefix="IQoJ")


def _told(keys: Issued) -> dict[str, str]:
    return {
        "AccessKeyId": keys.key_id,
        "SecretAccessKey": keys.secret,
        "Token": keys.token,
        "Expiration": _time(keys.expires_at),
    }


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _sts_error(_exchange: Exchange, refused: Refused) -> Whole:
    fault = "Sender" if refused.status < 500 else "Receiver"
    code = refused.code or ("Throttling" if refused.status == 429 else "InternalFailure")
    told = f"<Type>{fault}</Type><Code>{escape(code)}</Code><Message>{escape(refused.message)}</Message>"
    body = f'<ErrorResponse xmlns="{_NAMESPACE}"><Error>{told}</Error><RequestId>simulated</RequestId></ErrorResponse>'
    return Whole(status=refused.status, body=body.encode(), content_type=_XML)


_STS = replace(TOKENS, error=_sts_error, request_id="x-amzn-requestid")
_CREDENTIALS = "/latest/meta-data/iam/security-credentials/"

PATHS = (
    Path("POST", "/", _STS, sts),
    Path("POST", "/aws/sts/", _STS, sts),
    Path("GET", "/aws/container-credentials", TOKENS, container),
    Path("PUT", "/latest/api/token", TOKENS, session),
    Path("GET", _CREDENTIALS, TOKENS, roles),
    Path("GET", f"{_CREDENTIALS}{{role}}", TOKENS, instance),
)
