"""What pages of the server ask the gateway: by the server's own key, and of each kernel by that kernel's.

Answers are cut down to what a page has a use for.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from workbench.errors import AuthenticationFailed, NotFound, WorkbenchError
from workbench.wire.key_file import MountedKey, read_key_file

if TYPE_CHECKING:
    from workbench_jupyter.mounts import Mounts
    from workbench_jupyter.server_key import ServerKey

_log = logging.getLogger(__name__)
_TIMEOUT = 3.0  # seconds
_PRODUCTION = "production"
_SUMS = ("calls", "errors", "input_tokens", "output_tokens", "calls_without_price", "cost_usd")
_OF_A_CALL = (
    "request_id", "time", "model", "provider", "path", "stream", "status", "outcome", "error_code", "input_tokens",
    "output_tokens", "cost_usd", "cost_source", "latency_ms", "first_token_ms", "tags",
)  # fmt: skip
_OF_A_KEY = ("kind", "owner", "use_case", "expires_at", "scopes", "limits", "budget", "stage", "held_to", "left")
_OF_A_PROMPT = ("version", "hash", "published_at", "published_by")


class Questions:
    """Ask the gateway; everything runs in the server's event loop, and nothing blocks it."""

    def __init__(self, key: ServerKey, mounts: Mounts) -> None:
        self._key = key
        self._mounts = mounts

    async def me(self, kernel_id: str | None) -> dict[str, Any]:
        """Return who the server, or a kernel, is to the gateway: owner, limits, what is left of each budget; no ids."""
        told = await (self._ask("/me") if kernel_id is None else self._as_kernel(kernel_id, "/me"))
        return _picked(told, _OF_A_KEY)

    async def models(self) -> list[dict[str, Any]]:
        """Return the models of the catalogue."""
        return list((await self._ask("/v1/models"))["data"])

    async def prompts(self) -> list[dict[str, Any]]:
        """Return the published prompts by name: each alias's version, and more of the one in production."""
        told: dict[str, dict[str, Any]] = {}
        for prompt in (await self._ask("/v1/prompts"))["data"]:
            row = told.setdefault(prompt["name"], {"name": prompt["name"], _PRODUCTION: None, "aliases": {}})
            row["aliases"][prompt["alias"]] = prompt["version"]
            if prompt["alias"] == _PRODUCTION:
                row[_PRODUCTION] = _picked(prompt, _OF_A_PROMPT)
        return [told[name] for name in sorted(told)]

    async def usage(self, kernel_id: str | None) -> dict[str, Any]:
        """Return sums of all calls, and of each kernel's and the pages' own; of one kernel where it is named."""
        rows = await self._of_each("/me/usage", kernel_id)
        return {
            "total": {name: sum(told.get(name) or 0 for _, told in rows) for name in _SUMS},
            "by": [{"kernel_id": of, **_picked(told, (*_SUMS, "models"))} for of, told in rows],
        }

    async def calls(self, kernel_id: str | None, *, limit: int) -> list[dict[str, Any]]:
        """Return the last calls, newest first; `kernel_id` is None where a page of the server called."""
        rows = [
            {"kernel_id": of, **_picked(row, _OF_A_CALL)}
            for of, told in await self._of_each(f"/me/calls?limit={limit}", kernel_id)
            for row in told["data"]
        ]
        return sorted(rows, key=lambda row: str(row["time"]), reverse=True)[:limit]

    async def _of_each(self, path: str, kernel_id: str | None) -> list[tuple[str | None, dict[str, Any]]]:
        """Ask as each kernel, and as the server; a kernel whose key is no longer good has nothing to tell."""
        if kernel_id is not None:
            return [(kernel_id, await self._as_kernel(kernel_id, path))]
        kernels = self._kernels()
        own = self._ask(path)
        others = [self._of_kernel(one, path) for one in kernels]
        first, *rest = await asyncio.gather(own, *others)
        return [(None, first), *((of, told) for of, told in zip(kernels, rest, strict=True) if told is not None)]

    def _kernels(self) -> list[str]:
        return [mounted.kernel_id for mounted in self._mounts.all if mounted.key_id]

    async def _as_kernel(self, kernel_id: str, path: str) -> Any:
        if kernel_id not in self._kernels():
            raise NotFound(f"No key is mounted in a kernel {kernel_id[:80]!r} of this server.")
        return await self._ask_as(await self._key_of(kernel_id), path)

    async def _of_kernel(self, kernel_id: str, path: str) -> Any:
        try:
            return await self._ask_as(await self._key_of(kernel_id), path)
        except WorkbenchError as error:
            _log.info("The gateway told nothing of kernel %s: %s", kernel_id, error)
            return None

    async def _key_of(self, kernel_id: str) -> MountedKey:
        folder = await self._mounts.open()
        return await asyncio.to_thread(read_key_file, folder.key_file(kernel_id))

    async def _ask(self, path: str) -> Any:
        key = await self._key.current()
        try:
            return await self._ask_as(key, path)
        except AuthenticationFailed:
            return await self._ask_as(await self._key.renewed(key.key), path)

    async def _ask_as(self, key: MountedKey, path: str) -> Any:
        return await asyncio.to_thread(_get, key, path)


def _get(key: MountedKey, path: str) -> Any:
    from workbench.client.desk import Desk  # noqa: PLC0415 - not in the server's main thread

    desk = Desk(key.gateway_url, key.key)
    answer = desk.ask("GET", path, None, timeout=_TIMEOUT)
    if not isinstance(answer, dict):
        raise desk.no_gateway()
    return answer


def _picked(row: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: row.get(name) for name in names}
