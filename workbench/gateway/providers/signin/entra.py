"""Tokens of Microsoft Entra: by client secret, workload identity or managed identity, as the environment tells."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from typing import Any

from workbench.gateway.providers.signin.renewed import Fetched
from workbench.gateway.providers.signin.sign_in import no_token, token_server_down
from workbench.gateway.providers.signin.token import Headers

SCOPE = "https://cognitiveservices.azure.com/.default"
_OPTIONS: dict[str, Any] = {
    "connection_timeout": 5,
    "read_timeout": 10,
    "retry_total": 1,
    "disable_instance_discovery": True,  # the authority is the configured one: nobody else is asked about it
}


def entra_token(provider: str) -> Callable[[], Fetched[Headers]]:
    """Return what fetches a token."""
    return functools.partial(_fetch, provider)


def _fetch(provider: str) -> Fetched[Headers]:
    from azure.core.exceptions import AzureError, ClientAuthenticationError  # noqa: PLC0415 - heavy; first call pays
    from azure.identity import CredentialUnavailableError  # noqa: PLC0415

    for credential in _credentials():
        try:
            token = credential.get_token(SCOPE)
        except CredentialUnavailableError:
            continue  # not this way: the next one
        except ClientAuthenticationError as error:
            raise (token_server_down if _unreachable(error) else no_token)(provider, error.message) from error
        except (AzureError, OSError, ValueError) as error:
            raise token_server_down(provider, error) from error
        finally:
            credential.close()
        return Fetched({"Authorization": f"Bearer {token.token}"}, token.expires_on - time.time())
    raise no_token(
        provider,
        "the environment names no client secret (AZURE_TENANT_ID, AZURE_CLIENT_ID, AZURE_CLIENT_SECRET), no workload "
        "identity (AZURE_FEDERATED_TOKEN_FILE), and there is no managed identity here",
    )


def _credentials() -> Iterator[Any]:
    from azure.identity import EnvironmentCredential, ManagedIdentityCredential, WorkloadIdentityCredential  # noqa: PLC0415

    yield EnvironmentCredential(**_OPTIONS)
    try:
        workload = WorkloadIdentityCredential(**_OPTIONS)
    except ValueError:
        pass  # the environment names none
    else:
        yield workload
    yield ManagedIdentityCredential(**_OPTIONS)


def _unreachable(error: BaseException | None) -> bool:
    """Tell whether an error, or what it came of, is that nobody answered: the library calls that a refusal too."""
    from azure.core.exceptions import ServiceRequestError, ServiceResponseError  # noqa: PLC0415

    while error is not None:
        if isinstance(error, ServiceRequestError | ServiceResponseError):
            return True
        error = error.__cause__ or error.__context__
    return False
