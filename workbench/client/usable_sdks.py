"""Which SDKs a key may be mounted for: those whose provider the gateway has, and whose paths the key may call."""

from __future__ import annotations

import re
from collections.abc import Sequence

from workbench.client.desk import Desk
from workbench.wire.variables import Sdk, rows_for

_MAGIC = re.compile(r"[*?\[]")


def usable_sdks(url: str, key: str, *, timeout: float) -> tuple[Sdk, ...]:
    """Ask a gateway as the key; raises GatewayUnreachable, or what the gateway tells."""
    desk = Desk(url, key)
    try:
        paths = desk.ask("GET", "/me", None, timeout=timeout)["scopes"]["paths"]
        told = desk.ask("GET", "/v1/status", None, timeout=timeout)["data"]
        providers = [(str(one["provider"]), str(one["kind"])) for one in told]
    except (KeyError, TypeError) as error:
        raise desk.no_gateway() from error
    return tuple(sdk for sdk in rows_for(providers) if _may_call(sdk, paths))


def _may_call(sdk: Sdk, patterns: Sequence[str]) -> bool:
    """Return whether a key's patterns may let it call any path of a row."""
    root = f"{sdk.path}/"
    heads = [_MAGIC.split(pattern, maxsplit=1)[0] for pattern in patterns]
    return any(root.startswith(head) or head.startswith(root) for head in heads)
