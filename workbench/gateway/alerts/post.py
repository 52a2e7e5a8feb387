"""Send one alert to one destination: a signed JSON POST, or a message to Slack's incoming webhook.

Destinations come from the configuration only, and redirects are not followed.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections.abc import Mapping
from pathlib import Path

import aiohttp
import msgspec

from workbench.errors import ProviderUnavailable, WorkbenchError
from workbench.gateway.alerts.book import Delivery
from workbench.gateway.times import utc_text
from workbench.settings import resolve_credential
from workbench.settings.alerts import DestinationSettings

SIGNATURE = "x-workbench-signature"
_SECONDS = 10.0
_LONGEST_WAIT = 3600.0


class NotDelivered(ProviderUnavailable):
    """A destination did not take an alert."""

    code = "alert_not_delivered"


class Post:
    """Carries alerts to destinations; opens no connection before the first one."""

    def __init__(self, destinations: Mapping[str, DestinationSettings], *, folder: Path) -> None:
        self._destinations = destinations
        self._folder = folder
        self._session: aiohttp.ClientSession | None = None

    async def carry(self, delivery: Delivery) -> None:
        """Return when the destination has taken it; raises NotDelivered, with `retry_after` where it told one."""
        destination = self._destinations.get(delivery.destination)
        if destination is None:
            raise NotDelivered(f"The configuration names no destination {delivery.destination!r} any more.")
        try:
            url, body, headers = self._letter(destination, delivery)
            if self._session is None:
                self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_SECONDS))
            async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as answer:
                status, wait = answer.status, _seconds(answer.headers.get("retry-after"))
        except (
            aiohttp.ClientError,
            OSError,
            TimeoutError,
        ) as error:
            # What it says may hold the URL, which may be a secret.
            raise NotDelivered(f"{delivery.destination} does not answer ({type(error).__name__}).") from error
        except WorkbenchError as error:
            raise NotDelivered(str(error)) from error
        if not 200 <= status < 300:
            raise NotDelivered(f"{delivery.destination} answered {status}.", retry_after=wait)

    async def close(self) -> None:
        """Close what was opened."""
        if self._session is not None:
            await self._session.close()

    def _letter(self, destination: DestinationSettings, delivery: Delivery) -> tuple[str, bytes, dict[str, str]]:
        secret = None
        if destination.credential is not None:
            secret = resolve_credential(destination.credential, folder=self._folder)
        headers = {"content-type": "application/json", "idempotency-key": delivery.id, "user-agent": "genai-workbench"}
        notice = delivery.notice
        if destination.kind == "slack":
            return str(secret), msgspec.json.encode({"text": f"*{notice.kind}* {_plain(notice.text)}"}), headers
        body = msgspec.json.encode(
            {"id": delivery.id, "kind": notice.kind, "text": notice.text, "details": notice.details,
             "time": utc_text(delivery.at)}
        )  # fmt: skip
        if secret is not None:
            headers[SIGNATURE] = signature(body, secret, at=int(time.time()))
        return str(destination.url), body, headers


def signature(body: bytes, secret: str, *, at: int) -> str:
    """Return `t=SECONDS,v1=HEX`: HMAC-SHA256 with the secret over the seconds, a dot and the body."""
    made = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={made}"


def _plain(text: str) -> str:
    """Return a text in which Slack sees no link and nobody's name."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _seconds(text: str | None) -> float | None:
    return min(float(text), _LONGEST_WAIT) if text is not None and text.isdigit() else None


async def pause(seconds: float, *, unless: asyncio.Event) -> None:
    """Wait so long, or until there is something to do."""
    try:
        async with asyncio.timeout(seconds):
            await unless.wait()
    except TimeoutError:
        pass
