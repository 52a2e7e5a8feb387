"""Find the gateway and a key: what was told, else the mounted key file, else the environment, else the home."""

from __future__ import annotations

from urllib.parse import urlsplit

from workbench.client.desk import is_loopback
from workbench.client.keys import DeskKey, FileKey, FixedKey, KeySource
from workbench.errors import AuthenticationFailed, GatewayUnreachable, InvalidInput
from workbench.settings import MountedEnvironment, identity_token, mounted_environment
from workbench.wire.embedded import read_owner_token, read_record

_HINT = "`workbench up` starts one, or open a notebook in JupyterLab."


def find_keys(
    *, url: str | None = None, key: str | None = None, mounted: MountedEnvironment | None = None
) -> KeySource:
    """Return where calls get their key and URL from; what is told counts, and the rest is looked for.

    Raises GatewayUnreachable where no gateway is found, AuthenticationFailed where only a key is missing.
    """
    mounted = mounted or mounted_environment()
    if url is not None:
        _check_url(url)
    if key is not None:
        return FixedKey(url or mounted.gateway_url or _known_url(mounted), key)
    if mounted.key_file is not None:
        source = FileKey(mounted.key_file)
        # A key is shown only to the gateway that it belongs to.
        if url is None or same_origin(source.url, url):
            return source
    if mounted.gateway_key is not None and (url or mounted.gateway_url):
        return FixedKey(url or mounted.gateway_url or "", mounted.gateway_key)
    asked = url or mounted.gateway_url
    record = read_record(mounted.home)
    if record is not None and (asked is None or same_origin(record.url, asked)):
        return DeskKey(mounted.home)
    if asked is None:
        raise GatewayUnreachable("No gateway was found.", hint=_HINT)
    raise AuthenticationFailed(
        f"There is no key for the gateway at {asked}.",
        hint="Pass key=, or set WORKBENCH_KEY_FILE, or OPENAI_API_KEY to a key that the gateway issued (wbx-...).",
        code="missing_key",
    )


def find_identity(url: str, *, mounted: MountedEnvironment | None = None) -> str:
    """Return the identity token for a gateway: the local owner's for the home's own, else the environment's."""
    mounted = mounted or mounted_environment()
    record = read_record(mounted.home)
    owner = read_owner_token(mounted.home) if record is not None and same_origin(record.url, url) else None
    token = owner or identity_token()
    if token is None:
        raise AuthenticationFailed(
            f"The gateway at {url} must be told who asks, and no identity token was found.",
            hint="Set WORKBENCH_IDENTITY_TOKEN_FILE or WORKBENCH_IDENTITY_TOKEN, or use the gateway of this home.",
            code="missing_key",
        )
    return token


def same_origin(one: str, other: str) -> bool:
    """Return whether two URLs lead to the same server; names of this machine count as one."""
    return _origin(one) == _origin(other)


def _origin(url: str) -> tuple[str, str | None, int]:
    parts = urlsplit(url)
    host = "127.0.0.1" if is_loopback(url) else parts.hostname
    return parts.scheme, host, parts.port or (443 if parts.scheme == "https" else 80)


def _known_url(mounted: MountedEnvironment) -> str:
    if mounted.key_file is not None:
        return FileKey(mounted.key_file).url
    record = read_record(mounted.home)
    if record is None:
        raise GatewayUnreachable("A key was given, and no gateway was found.", hint=f"Pass url=. {_HINT}")
    return record.url


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidInput(f"{url!r} is no URL of a gateway.", hint="Write http://host:port.", param="url")
    if parts.path.rstrip("/"):
        raise InvalidInput(
            f"{url!r} has a path.", hint=f"Write the gateway's root: {parts.scheme}://{parts.netloc}.", param="url"
        )
