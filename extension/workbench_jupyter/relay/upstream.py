"""The way to the gateway: it is looked for where the key file says, for a while, since it may be starting again."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from functools import cache
from urllib.parse import urlsplit

from workbench.client.desk import is_loopback
from workbench.client.keys import Access, FileKey
from workbench.errors import GatewayUnreachable

_PATIENCE = 1.5  # seconds; a refusal reaches the notebook within three
_PAUSE = 0.1  # seconds between two attempts
_REMEMBERED = 10.0  # seconds for which a gateway that was away is not waited for again


class Upstream:
    """Connects to gateways."""

    def __init__(self) -> None:
        self._away: dict[str, float] = {}

    async def connect(self, key: FileKey, protocol: Callable[[], asyncio.Protocol]) -> Access:
        """Connect a protocol; return the gateway and the key that the file told last.

        Raises GatewayUnreachable where there is none in time, and what the key file tells.
        """
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while True:
            access = key.current()
            # An SDK tries a 503 again by itself: it is not to take two seconds each time.
            waited_before = begun - self._away.get(access.url, -_REMEMBERED) < _REMEMBERED
            left = begun + _PATIENCE - loop.time()
            try:
                async with asyncio.timeout(left):
                    await _open(access.url, protocol)
            except ssl.SSLError as error:
                raise GatewayUnreachable(
                    f"The gateway at {access.url} is not trusted: {error.reason or error}.",
                    hint="Set SSL_CERT_FILE to the certificates of whoever runs it, and restart the Jupyter server.",
                ) from error
            except (OSError, TimeoutError) as error:
                if waited_before or left < 2 * _PAUSE:
                    self._away[access.url] = loop.time()
                    raise _no_answer(access.url) from error
                await asyncio.sleep(_PAUSE)
            else:
                self._away.pop(access.url, None)
                return access


async def _open(url: str, protocol: Callable[[], asyncio.Protocol]) -> None:
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    await asyncio.get_running_loop().create_connection(
        protocol, parts.hostname or "", parts.port or (443 if secure else 80), ssl=_trusted() if secure else None
    )


@cache
def _trusted() -> ssl.SSLContext:
    return ssl.create_default_context()


def _no_answer(url: str) -> GatewayUnreachable:
    hint = (
        "One that this Jupyter server started is started again by itself: run the cell again in a moment. "
        "`workbench status` tells whether it runs, `workbench doctor` what to mend."
        if is_loopback(url)
        else "Ask whoever runs it; once it answers, calls go through again, and the kernel need not be restarted."
    )
    return GatewayUnreachable(f"The gateway at {url} does not answer.", hint=hint)
