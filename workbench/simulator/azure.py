"""Azure OpenAI: OpenAI's resources under deployment paths with an api-version, or under `/openai/v1`.

Source: Azure OpenAI REST API reference; https://learn.microsoft.com/azure/ai-services/openai/reference
"""

from __future__ import annotations

from dataclasses import replace

from workbench.simulator.exchange import Exchange
from workbench.simulator.openai import family, paths
from workbench.simulator.protocol import Family, Path
from workbench.simulator.reply import Refused, Whole

_OF_A_DEPLOYMENT = (
    "chat/completions", "completions", "embeddings", "images/generations", "images/edits", "audio/transcriptions",
    "audio/translations", "audio/speech",
)  # fmt: skip


def admit(exchange: Exchange) -> None:
    """Take `api-key`, or a bearer that Entra gave out; `/openai/v1` takes the key as a bearer too."""
    state, bearer = exchange.state, exchange.bearer
    v1 = exchange.path.startswith("/openai/v1/")
    token = state.issued.find("entra", bearer)
    good = (
        state.takes(exchange.headers.get("api-key") or exchange.query.get("api-key"))
        or (v1 and state.takes(bearer))
        or (token is not None and not token.expired)
    )
    if not good:
        raise Refused(
            401,
            "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key.",
            code="401",
        )
    if not v1 and not exchange.query.get("api-version"):
        raise Refused(404, "Resource not found", code="404")


def error(exchange: Exchange, refused: Refused) -> Whole:
    """Return Azure's error, which for 401, 404 and 429 is only a code and a message."""
    if refused.status in (401, 404, 429):
        body = {"error": {"code": refused.code or str(refused.status), "message": refused.message}}
        return Whole(status=refused.status, body=body)
    return family.error(exchange, refused)


AZURE = Family(
    name="azure",
    admit=admit,
    error=error,
    error_frame=family.error_frame,
    corrupt_frame=family.corrupt_frame,
    request_id="x-request-id",
    limits=family.limits,
)


def _rows() -> list[Path]:
    rows: list[Path] = []
    for path in paths.PATHS:
        rest = path.pattern.removeprefix("/v1/")
        rows.append(replace(path, pattern=f"/openai/v1/{rest}", family=AZURE))
        if rest in _OF_A_DEPLOYMENT:
            needs = tuple(name for name in path.needs if name != "model")
            rows.append(replace(path, pattern=f"/openai/deployments/{{model}}/{rest}", family=AZURE, needs=needs))
        elif path.method != "WEBSOCKET":
            rows.append(replace(path, pattern=f"/openai/{rest}", family=AZURE))
    realtime = next((path for path in paths.PATHS if path.method == "WEBSOCKET"), None)
    if realtime is not None:
        rows.append(replace(realtime, pattern="/openai/realtime", family=AZURE))
    return rows


PATHS = tuple(_rows())
