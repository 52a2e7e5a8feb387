"""A new configuration for a running gateway: what it may change, what needs a restart, and how it is put in force."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from workbench.errors import Conflict, InvalidInput, SettingsError, WorkbenchError
from workbench.gateway.admission.rules import Rules
from workbench.gateway.upstream import Upstream
from workbench.settings import ConfigFile, Settings

if TYPE_CHECKING:
    from workbench.gateway.parts import Parts

_log = logging.getLogger("workbench.gateway.reload")

_KEPT = "The gateway goes on with the configuration that it has."
_LOOK_SECONDS = 0.5
_LIVE = frozenset(
    {
        "admission",
        "fairness",
        "gateway.max_body_bytes",
        "gateway.timeouts",
        "models",
        "prices",
        "providers",
        "published",
        "review",
        "routing",
    }
)
_NOT_OURS = frozenset({"tracking", "jupyter"})
"""Sections that other processes read."""


def needs_restart(old: Settings, new: Settings) -> list[str]:
    """Return the settings that differ and that a running gateway can't take over, in the order of the table."""
    changed = list(_changed(old, new))
    if old.home != new.home:
        changed.insert(0, "WORKBENCH_HOME")
    return changed


def _changed(old: Settings, new: Settings) -> Iterator[str]:
    for section in ConfigFile.model_fields:
        if section in _LIVE or section in _NOT_OURS:
            continue
        before, after = getattr(old, section), getattr(new, section)
        for name in type(before).model_fields:
            key = f"{section}.{name}"
            if key not in _LIVE and getattr(before, name) != getattr(after, name):
                yield key


def difference(old: Settings, new: Settings) -> dict[str, Any]:
    """Return what a reload added, removed and changed."""
    return {
        "models": _named({m.name: m for m in old.models}, {m.name: m for m in new.models}),
        "providers": _named(old.providers, new.providers),
    }


def _named(old: dict[str, Any], new: dict[str, Any]) -> dict[str, list[str]]:
    return {
        "added": sorted(new.keys() - old.keys()),
        "removed": sorted(old.keys() - new.keys()),
        "changed": sorted(name for name in new.keys() & old.keys() if new[name] != old[name]),
    }


class Reloader:
    """Puts a new configuration in force, whole, or keeps the old one."""

    def __init__(self, gateway: Parts, read: Callable[[], Settings]) -> None:
        self._gateway = gateway
        self._read = read
        self._lock = asyncio.Lock()
        self._retiring: set[asyncio.Task[None]] = set()

    async def reload(self) -> dict[str, Any]:
        """Read the configuration again; return what changed.

        Raises InvalidInput with all problems of a configuration that is wrong, and Conflict for one that needs a
        restart; in both cases the old one stays in force.
        """
        async with self._lock:
            old = self._gateway.upstream
            try:
                settings = await asyncio.to_thread(self._read)
            except SettingsError as error:
                raise InvalidInput(str(error), hint=_KEPT, code=error.error_code) from error
            if changed := needs_restart(old.settings, settings):
                raise Conflict(f"A change of {', '.join(changed)} needs a restart.", hint=_KEPT, code="needs_restart")
            rules = Rules.from_settings(settings.admission.limits)
            used = await self._gateway.history.read(rules) if settings.admission != old.settings.admission else None
            new = Upstream(settings, before=old)
            try:
                await new.open()
            except WorkbenchError as error:
                raise InvalidInput(str(error), hint=_KEPT, code=error.error_code) from error
            if used is not None:
                self._gateway.admission.rule(rules, used)
            self._gateway.registry.enter(new)
            self._gateway.upstream = new
            task = asyncio.create_task(self._retire(old, new, set(self._retiring)))
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)
            return difference(old.settings, settings)

    async def reload_and_log(self) -> None:
        """Reload because of a signal: nobody is there to be told but the log."""
        try:
            changed = await self.reload()
        except WorkbenchError as error:
            _log.error("the configuration was not reloaded: %s", error)
        except Exception:  # noqa: BLE001 - whatever it was, the gateway goes on
            _log.exception("the configuration was not reloaded")
        else:
            _log.warning("the configuration was reloaded: %s", changed)

    async def close(self) -> None:
        """Let go of what earlier configurations still hold."""
        for task in list(self._retiring):
            task.cancel()
        await asyncio.gather(*self._retiring, return_exceptions=True)

    async def _retire(self, old: Upstream, new: Upstream, earlier: set[asyncio.Task[None]]) -> None:
        """Close what only the old configuration used, after the last call that began with it, or with an earlier one.

        Calls of an earlier one may use what it has handed on.
        """
        try:
            if earlier:
                await asyncio.wait(earlier)
            while any(getattr(call, "upstream", None) is old for call in self._gateway.in_flight):  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_SECONDS)
        finally:
            await old.close(but=new)
