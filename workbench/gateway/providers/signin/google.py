"""Tokens of Google: by a service account's JSON, or by the application default credentials of the machine."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from datetime import UTC, datetime

from workbench.gateway.providers.signin.renewed import Fetched
from workbench.gateway.providers.signin.sign_in import no_token, token_server_down
from workbench.gateway.providers.signin.token import Headers

SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
_SECONDS = 10.0


def google_token(provider: str, account: str | None) -> Callable[[], Fetched[Headers]]:
    """Return what fetches a token; `account` is a service account's JSON, None stands for the default credentials."""
    return functools.partial(_fetch, provider, account)


def _fetch(provider: str, account: str | None) -> Fetched[Headers]:
    import google.auth  # noqa: PLC0415 - takes a while, so the first call pays and not the start
    from google.auth.exceptions import GoogleAuthError, TransportError  # noqa: PLC0415
    from google.auth.transport.requests import Request  # noqa: PLC0415
    from google.oauth2 import service_account  # noqa: PLC0415

    request = functools.partial(Request(), timeout=_SECONDS)
    try:
        if account is None:
            credentials, _ = google.auth.default(scopes=SCOPES)
        else:
            credentials = service_account.Credentials.from_service_account_info(json.loads(account), scopes=SCOPES)
        credentials.refresh(request)
    except TransportError as error:
        raise token_server_down(provider, error) from error
    except GoogleAuthError as error:
        raise (token_server_down if error.retryable else no_token)(provider, error.args[0] or error) from error
    except ValueError as error:
        raise no_token(provider, "the service account's JSON can't be used") from error
    headers = {"Authorization": f"Bearer {credentials.token}"}
    if project := getattr(credentials, "quota_project_id", None):
        headers["x-goog-user-project"] = project
    expiry = credentials.expiry  # in UTC, without saying so
    left = None if expiry is None else (expiry.replace(tzinfo=UTC) - datetime.now(UTC)).total_seconds()
    return Fetched(headers, left)
