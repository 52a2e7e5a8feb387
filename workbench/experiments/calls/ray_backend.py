"""Calls made by actors of a Ray cluster: the one that this process has joined by `ray.init`, else one of this machine.

Ray's own store sees what is asked and answered, never a key: an actor reads that from a private file, or where that
does not reach, from its own environment. The journal, the limits and the budget stay with the driver.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import pickle
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import ray

from workbench.client import Gateway
from workbench.errors import InvalidInput, StreamCut, Unavailable
from workbench.experiments.calls.call import Call
from workbench.experiments.calls.sending import ChatClient, LocalSender, Sender, Sent, never_left
from workbench.settings import home_folder
from workbench.wire.variables import KEY_FILE

_STORE_BYTES = 128 * 1024 * 1024
"""Memory of the store of a cluster that is started here: only what is under way stands in it."""
_ATTEMPTS = 3
"""How often a cluster is started: Ray gives its agents 15 seconds, which a busy machine passes."""
_RENEW_SECONDS = 30.0
"""How often the file with the key is written anew: keys are short-lived."""


class RayBackend:
    """A Ray cluster."""

    def sender(self, gateway: ChatClient | None, *, concurrency: int) -> Sender:
        """Return what has actors make calls; raises InvalidInput for a client that can't travel to them."""
        return RaySender(gateway, concurrency=concurrency)


class RaySender:
    """Give calls to actors, whoever has the fewest first."""

    def __init__(self, gateway: ChatClient | None, *, concurrency: int) -> None:
        client = None if isinstance(gateway, Gateway) else _travelling(gateway)
        self._pass = _Pass(gateway) if isinstance(gateway, Gateway) else None
        told = (str(self._pass.path), self._pass.url) if self._pass is not None else None
        self._starts_ray = not ray.is_initialized()
        self._actors: list[Any] = []
        self._functions: dict[Callable[..., Any], Any] = {}
        try:
            if self._starts_ray:
                _start()
            resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
            count = max(1, min(concurrency, int(resources.get("CPU", 1))))
            each = -(-concurrency // count)
            kind: Any = ray.remote(_Caller).options(max_concurrency=each + 1, num_cpus=0)
            self._actor = partial(kind.remote, told, client, each)
            self._busy = [0] * count
            for _ in range(count):
                self._actors.append(self._actor())
        except BaseException:
            self._let_go()
            raise

    async def send(self, call: Call) -> Sent:
        """Make a call; raises what it raised there, and StreamCut where its answer was lost with an actor."""
        if self._pass is not None:
            await self._pass.renew()
        function = None
        if call.function is not None:
            if call.function not in self._functions:
                self._functions[call.function] = ray.put(call.function)
            function = self._functions[call.function]
        place = self._busy.index(min(self._busy))
        self._busy[place] += 1
        actor = self._actors[place]
        try:
            made: Sent | _Raised = await actor.send.remote(replace(call, function=None), function)
        except ray.exceptions.RayError as error:
            if isinstance(error, ray.exceptions.RayActorError) and self._actors[place] is actor:
                self._actors[place] = self._actor()  # a dead one fails at once, so that all calls would go to it
            raise StreamCut(f"Ray lost an answer: {error}.", code="ray_actor_ended") from error
        finally:
            self._busy[place] -= 1
        if isinstance(made, _Raised):
            raise made.error from (ConnectionRefusedError() if made.never_left else None)
        return made

    async def close(self) -> None:
        """End the actors, and the cluster if it was started here."""
        await asyncio.to_thread(self._let_go)

    def _let_go(self) -> None:
        if self._pass is not None:
            self._pass.close()
        for actor in self._actors:
            ray.kill(actor)
        if self._starts_ray:
            ray.shutdown()


def _start() -> None:
    """Start a cluster on this machine; raises Unavailable."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing leaves the machine unasked
    for left in reversed(range(_ATTEMPTS)):
        try:
            ray.init(
                "local",  # never a cluster that merely happens to run here
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                object_store_memory=_STORE_BYTES,
            )
            return
        except Exception as error:
            ray.shutdown()
            if not left:
                raise Unavailable(
                    f"Ray did not start: {error}",
                    hint="Is the machine very busy? Join a cluster by `ray.init(...)` before.",
                ) from error


class _Pass:
    """A private file with the gateway's URL and the key of the moment."""

    def __init__(self, gateway: Gateway) -> None:
        self._source = gateway._keys  # noqa: SLF001 - the client shows its key to nobody but the file's owner
        self.url = gateway.url
        folder = home_folder() / "run"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix="ray-", suffix=".json", dir=folder)  # 0600
        os.close(handle)
        self.path = Path(name)
        self._half = self.path.with_suffix(".half")
        self._until = asyncio.get_running_loop().time() + _RENEW_SECONDS
        try:
            self._write()
        except BaseException:
            self.close()
            raise

    async def renew(self) -> None:
        """Write the key of the moment, now and then."""
        now = asyncio.get_running_loop().time()
        if now >= self._until:
            self._until = now + _RENEW_SECONDS  # before: one of many that send at once writes it
            await asyncio.to_thread(self._write)

    def close(self) -> None:
        """Take the file away."""
        self.path.unlink(missing_ok=True)
        self._half.unlink(missing_ok=True)

    def _write(self) -> None:
        access = self._source.current()
        self._half.touch(mode=0o600)
        self._half.write_text(json.dumps({"key": access.key, "gateway_url": access.url}), "utf-8")
        self._half.replace(self.path)


class _Raised(NamedTuple):
    """What a call raised at an actor."""

    error: BaseException
    never_left: bool
    """Whether it was raised before the call reached the gateway: what an error came from does not travel with it."""


class _Caller:
    """The actor: it makes calls as the driver would."""

    def __init__(self, told: tuple[str, str] | None, client: bytes | None, threads: int) -> None:
        gateway: Any = None
        if told is not None:
            path, url = told
            if Path(path).exists():
                os.environ[KEY_FILE] = path
            gateway = Gateway(url=url, max_retries=0)
        elif client is not None:
            gateway = pickle.loads(client)  # noqa: S301 - the driver's own
        self._sender = LocalSender(gateway, threads=threads)

    async def send(self, call: Call, function: Callable[..., Any] | None) -> Sent | _Raised:
        """Return what came back, or what was raised: as a value, since Ray would make another error of it."""
        try:
            return await self._sender.send(replace(call, function=function))
        except Exception as error:  # noqa: BLE001 - it is raised where the call was asked for
            refused = never_left(error)
            return _Raised(_portable(error), refused)


def _travelling(gateway: ChatClient | None) -> bytes | None:
    """Return a client as bytes."""
    if gateway is None:
        return None
    try:
        made: bytes = ray.cloudpickle.dumps(gateway)  # type: ignore[no-untyped-call]
    except Exception as error:
        raise InvalidInput(
            f"A {type(gateway).__name__} can't travel to Ray's actors: {error}.", hint="Pass a Gateway."
        ) from error
    return made


def _portable(error: BaseException) -> BaseException:
    """Return an error that can travel: without what it came from, and as text if it can't itself."""
    error.__cause__ = error.__context__ = None
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    except Exception:  # noqa: BLE001 - some errors can be pickled and not read
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error.with_traceback(None)
