"""boto3's client of Amazon Bedrock through the gateway: signed with the key of the moment, never with AWS credentials.

The user's own AWS variables and profiles are neither read nor changed.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from workbench.client.desk import Desk
from workbench.client.find import find_keys
from workbench.client.keys import KeySource
from workbench.errors import MissingComponent, NotFound
from workbench.wire import headers
from workbench.wire.cell import with_tags

_ANY_SECRET = "not-looked-at"  # noqa: S105 - the gateway looks at the access key id alone
_ANY_REGION = "us-east-1"
_TIMEOUT = 10.0  # seconds


def bedrock(service: str = "bedrock-runtime", *, url: str | None = None, key: str | None = None, **options: Any) -> Any:
    """Return boto3's client for Bedrock; `options` are those of `boto3.client`, as `config=`.

    It finds gateway and key as `Gateway()` does, and follows a key that is renewed. Raises NotFound where the gateway
    has no provider of kind bedrock that the key may use, MissingComponent where boto3 is not installed.
    """
    source = find_keys(url=url, key=key)
    endpoint = f"{source.url}/{_provider(source)}"
    try:
        boto3, botocore = import_module("boto3"), import_module("botocore.session")
        credentials: Any = import_module("botocore.credentials")
    except ModuleNotFoundError as error:
        raise MissingComponent("boto3 is not installed.", hint="pip install boto3") from error

    class OfTheMoment(credentials.Credentials):  # type: ignore[misc]  # botocore has no types
        """What signs a request: asked for each time."""

        def get_frozen_credentials(self) -> Any:
            return credentials.ReadOnlyCredentials(source.current().key, _ANY_SECRET, None, None)

    class Resolver:
        """Where the session looks for them: here alone."""

        def load_credentials(self) -> Any:
            return OfTheMoment("", "")

    session = botocore.Session()
    session.register_component("credential_provider", Resolver())
    region = options.pop("region_name", _ANY_REGION)
    client = boto3.Session(botocore_session=session).client(
        service, endpoint_url=endpoint, region_name=region, **options
    )
    client.meta.events.register("before-sign.*.*", lambda request, **_: _tag(request, source))
    return client


def _provider(source: KeySource) -> str:
    desk = Desk(source.url, source.current().key)
    told = desk.ask("GET", "/v1/status", None, timeout=_TIMEOUT)
    try:
        names = [str(one["provider"]) for one in told["data"] if one["kind"] == "bedrock"]
    except (KeyError, TypeError) as error:
        raise desk.no_gateway() from error
    if not names:
        raise NotFound(
            f"The gateway at {source.url} has no provider of kind bedrock that this key may use.",
            hint="Whoever runs it adds a [providers.bedrock] table; `wb.models()` shows what there is.",
        )
    return "bedrock" if "bedrock" in names else names[0]


def _tag(request: Any, source: KeySource) -> None:
    if tags := source.tags:
        told = with_tags(request.headers.get(headers.TAGS) or "", tags)
        request.headers[headers.TAGS] = told
