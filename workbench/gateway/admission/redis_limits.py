"""Limits that gateways share through Redis: each process leases a slice and uses it from memory.

Of every limit: what Redis has as leased = left + on its way here + used and not yet told. So whatever the processes
do, what is leased and what was used never pass the limit together. Redis is asked on the way of a call only where too
little is left of the slice.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import Coroutine, Mapping
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from workbench.errors import MissingComponent, Unavailable
from workbench.gateway.admission.short import LeaseShort
from workbench.settings import resolve_credential

if TYPE_CHECKING:
    from workbench.gateway.access.limits import Limits
    from workbench.gateway.admission.gauge import Gauge
    from workbench.settings import Settings

_log = logging.getLogger("workbench.gateway.admission")

LIMITS_UNAVAILABLE = "limits_unavailable"
FLUSH_SECONDS = 0.25
"""Between two reports of what was used; what lies idle from one to the next is given back."""
_ALIVE_SECONDS = 6.0
"""Without a word for so long a process is dead, and what it had leased counts as used."""
_PATIENCE = 1.0
"""Seconds that Redis may take to answer."""
_POLL_SECONDS = 0.02
_WANTED_SECONDS = 0.5
"""How long others may take to give back what they do not need."""
_DRY_SECONDS = 0.05
"""How long it is known that there is no more, without asking again."""
_DOWN_SECONDS = 0.5
"""How long Redis is taken for gone, without asking again."""
_CANCELLED_AGAIN = 1.0
"""Seconds after which what was to end is told again."""
_SLICE = 8
"""How many calls are leased at once, where there is plenty."""
_PREFIX = "workbench:limits:"
_WANTED = "workbench:wanted"
SCRIPT = Path(__file__).with_name("redis_limits.lua")
_CODES = {
    "c": "concurrent", "s": "requests_per_second", "m": "requests_per_minute", "k": "tokens_per_minute",
    "d": "requests_per_day", "e": "tokens_per_day",
}  # fmt: skip
"""The limits by their letters in the script."""
_SAID = {
    "c": "{:g} calls at once", "s": "{:g} calls a second", "m": "{:g} calls a minute", "k": "{:g} tokens a minute",
    "d": "{:g} calls a day (UTC)", "e": "{:g} tokens a day (UTC)",
}  # fmt: skip
_COUNTS_TOKENS = frozenset("ke")
_Amounts = dict[str, int]


class SharedLimits:
    """What this process has leased of one subject's limits."""

    __slots__ = (
        "_desk", "_need", "burst", "busy", "dry_until", "free", "idle", "key", "lack_code", "left", "limits", "lock",
        "used", "wait_until",
    )  # fmt: skip

    def __init__(self, desk: RedisLimits, row: str) -> None:
        self._desk = desk
        self.key = _PREFIX + row
        self.limits: dict[str, float] = {}
        self.burst = 0
        self.left: _Amounts = dict.fromkeys(_CODES, 0)
        self.busy: _Amounts = dict.fromkeys(_CODES, 0)
        self.used: _Amounts = dict.fromkeys(_CODES, 0)
        self.free: _Amounts = {}
        self.lock = asyncio.Lock()
        self.idle = True
        self.dry_until = self.wait_until = 0.0
        self.lack_code = ""
        self._need: _Amounts = {}

    def lack(self, limits: Limits, tokens: int) -> tuple[str, str, int] | None:
        """Tell which limit lacks for a call; raises LeaseShort where that is not known yet."""
        held = self._of(limits)
        left = self.left
        now = monotonic()
        short = not self._desk.is_valid(now)
        for code in held:
            need = tokens if code in _COUNTS_TOKENS else 1
            short = short or left[code] < need
        if not short or not held or self._desk.counts_alone(now):
            return None
        if now < self.dry_until and self.lack_code in held:
            wait = max(0.001, self.wait_until - now)
            return _CODES[self.lack_code], _SAID[self.lack_code].format(held[self.lack_code]), int(wait * 1e9)
        self._need = {code: tokens if code in _COUNTS_TOKENS else 1 for code in held}
        raise LeaseShort(self)

    def enter(self, tokens: int) -> None:
        """Use what a call needs that begins."""
        if not self.limits:
            return
        for code in self.limits:
            amount = tokens if code in _COUNTS_TOKENS else 1
            self.left[code] -= amount
            (self.busy if code in _ON_ITS_WAY else self.used)[code] += amount
        self.idle = False
        self._desk.touch(self)

    def leave(self, expected: int, used: int) -> None:
        """Let a call end: the tokens it used take the place of those that were expected."""
        for code in _ON_ITS_WAY & self.limits.keys():
            held, spent = (expected, used) if code in _COUNTS_TOKENS else (1, 0)
            held = min(held, self.busy[code])  # a call that began before there was the limit holds nothing of it
            self.busy[code] -= held
            self.left[code] += held - spent
            self.used[code] += spent
        self._desk.touch(self)

    def seen(self, limit: str) -> int | None:
        """Return how much is left of a limit for all processes, as it was told last; None: nobody told yet."""
        for code in self.free:
            if _CODES[code] == limit:
                return max(0, self.free[code] + self.left[code])
        return None

    async def fetch(self) -> None:
        """Lease more, or find out that there is no more; a call that is given up does not end what it began."""
        await asyncio.shield(self._desk.start(self._desk.draw(self, self._need)))

    def lose(self) -> None:
        """Hold nothing any more but what is on its way, which is not leased."""
        for code in _CODES:
            self.left[code] = -self.busy[code]

    def _of(self, limits: Limits) -> dict[str, float]:
        """Return the limits that there are now, by letter."""
        held = {code: most for code, name in _CODES.items() if (most := getattr(limits, name)) is not None}
        if held.keys() != self.limits.keys():
            for code in held.keys() - self.limits.keys():
                self.left[code] = self.busy[code] = self.used[code] = 0
        self.limits = held
        self.burst = limits.burst or max(1, math.ceil(held.get("s", 0)))
        return held


def shared_limits(settings: Settings) -> RedisLimits | None:
    """Return the limits that replicas share, where the configuration names a place for them."""
    state = settings.state
    if state.limits == "memory":
        return None
    password = None
    if state.limits_credential is not None:
        password = resolve_credential(state.limits_credential, folder=settings.folder)
    return RedisLimits(state.limits, when_down=state.limits_when_down, password=password)


_ON_ITS_WAY = frozenset("cke")
"""Limits of which a call holds something until it ends."""


class RedisLimits:
    """The leases of this process."""

    def __init__(self, url: str, *, when_down: Literal["refuse", "local"], password: str | None = None) -> None:
        self._url = url
        self._password = password
        self._alone_when_down = when_down == "local"
        self._worker = uuid4().hex[:16]
        self._known = False
        self._valid_until = 0.0
        self._down_until = 0.0
        self._is_down = False
        self._accounts: dict[str, SharedLimits] = {}
        self._touched: dict[str, SharedLimits] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._flushing: asyncio.Task[None] | None = None
        self._client: Any = None
        self._script: Any = None

    async def open(self) -> None:
        """Connect when needed, and hear what others want; a Redis that is gone is no reason not to start."""
        try:
            import redis.asyncio as redis  # noqa: PLC0415 - loaded where limits are shared
            from redis.asyncio.retry import Retry  # noqa: PLC0415
            from redis.backoff import NoBackoff  # noqa: PLC0415
        except ImportError as error:
            raise MissingComponent(
                "Limits in Redis need the package 'redis'.", hint="pip install 'genai-workbench[redis]'"
            ) from error
        self._client = redis.Redis.from_url(
            self._url, password=self._password, socket_timeout=_PATIENCE, socket_connect_timeout=_PATIENCE,
            retry=Retry(NoBackoff(), 1), client_name="workbench",
        )  # fmt: skip
        self._script = self._client.register_script(SCRIPT.read_text("utf-8"))
        self.start(self._hear())

    async def close(self) -> None:
        """Tell what was used and give everything back; all calls have ended."""
        # More than once: a task was seen to survive the first, it seems one that met the client's own deadline.
        while pending := list(self._tasks):
            for task in pending:
                task.cancel()
            done, _ = await asyncio.wait(pending, timeout=_CANCELLED_AGAIN)
            await asyncio.gather(*done, return_exceptions=True)
        if self._client is not None:
            try:
                for account in self._touched.values():
                    await self._report(account)
            except Unavailable as error:
                _log.warning("what this process had leased is given back when it is taken for dead: %s", error)
            await self._client.aclose()

    def attach(self, gauge: Gauge) -> None:
        """Lease a gauge's limits to it from now on."""
        row = gauge.terms.row
        account = self._accounts.get(row)
        if account is None:
            account = self._accounts[row] = SharedLimits(self, row)
        gauge.shared = account

    def detach(self, gauge: Gauge) -> None:
        """Forget a gauge; what is still to be told of it is told."""
        self._accounts.pop(gauge.terms.row, None)

    def is_valid(self, now: float) -> bool:
        """Tell whether others still know that what is leased here is ours."""
        return now < self._valid_until

    def counts_alone(self, now: float) -> bool:
        """Tell whether Redis is gone, and each process counts for itself meanwhile."""
        return self._alone_when_down and now < self._down_until

    def touch(self, account: SharedLimits) -> None:
        """Note that there is something to tell of an account."""
        self._touched[account.key] = account
        if self._flushing is None or self._flushing.done():
            self._flushing = self.start(self._flush())

    def start(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Do something beside the calls."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    # -- more --------------------------------------------------------------------------------------------------------

    async def draw(self, account: SharedLimits, need: Mapping[str, int]) -> None:
        """Lease what a call needs, or find out that there is no more; raises Unavailable by policy."""
        try:
            async with account.lock:
                if self.is_valid(monotonic()) and all(account.left[code] >= amount for code, amount in need.items()):
                    return
                told = await self._ask(account, need)
                end = monotonic() + _WANTED_SECONDS
                while told.get("waiting") and monotonic() < end:
                    await asyncio.sleep(_POLL_SECONDS)
                    told = await self._ask(account, need, wish=told["wish"])
                if "lack" in told and told.get("wish") is not None:
                    told = await self._ask(account, need, rest=True)
        except Unavailable:
            if not self._alone_when_down:
                raise
            return
        if "lack" in told:
            account.lack_code = told["lack"]
            now = monotonic()
            account.wait_until = now + told["wait"] / 1000
            account.dry_until = min(now + _DRY_SECONDS, account.wait_until)

    async def _ask(self, account: SharedLimits, need: Mapping[str, int], **more: Any) -> dict[str, Any]:
        lacking = {code: amount - account.left[code] for code, amount in need.items() if code in account.limits}
        lacking = {code: amount for code, amount in lacking.items() if amount > 0}
        ahead = {code: _SLICE * amount for code, amount in need.items()}
        told = await self._step(account, need=lacking or None, ahead=ahead, **more)
        for code, amount in told.get("granted", {}).items():
            account.left[code] += int(amount)
        return told

    # -- less --------------------------------------------------------------------------------------------------------

    async def _flush(self) -> None:
        """Report and give back, for as long as something is leased."""
        while self._touched:
            await asyncio.sleep(FLUSH_SECONDS)
            for key, account in list(self._touched.items()):
                try:
                    async with account.lock:
                        await self._report(account, keep=not account.idle)
                except Unavailable:
                    break
                account.idle = True
                if not any(account.left[code] > 0 or account.busy[code] for code in account.limits):
                    self._touched.pop(key, None)

    async def _report(self, account: SharedLimits, *, keep: bool = False, answers: int | None = None) -> None:
        """Tell what was used and, but for what to `keep`, give back what lies idle. The lock is held."""
        back = {} if keep else {code: amount for code, amount in account.left.items() if amount > 0}
        for code, amount in back.items():
            account.left[code] -= amount
        try:
            await self._step(account, back=back, answers=answers)
        except BaseException:
            for code, amount in back.items():
                account.left[code] += amount
            raise

    async def _hear(self) -> None:
        """Hear what others want, and give back what is idle here."""
        while True:
            try:
                async with self._client.pubsub() as heard:
                    await heard.subscribe(_WANTED)
                    while True:
                        message = await heard.get_message(ignore_subscribe_messages=True, timeout=None)
                        if message is not None:
                            await self._answer(message["data"].decode())
            except asyncio.CancelledError:
                raise
            except Exception as error:  # noqa: BLE001 - Redis is gone, and comes back
                _log.debug("what others want is not heard: %r", error)
                await asyncio.sleep(_DOWN_SECONDS)

    async def _answer(self, text: str) -> None:
        worker, wish, key = text.split(" ", 2)
        account = self._accounts.get(key.removeprefix(_PREFIX))
        if worker == self._worker or account is None or not account.limits:
            return
        try:
            # Who asks for more here holds the lock, and has nothing idle.
            if account.lock.locked():
                await self._step(account, answers=int(float(wish)))
            else:
                async with account.lock:
                    await self._report(account, answers=int(float(wish)))
        except Unavailable as error:
            _log.debug("what others want is not answered: %s", error)

    # -- one step ----------------------------------------------------------------------------------------------------

    async def _step(self, account: SharedLimits, **ask: Any) -> dict[str, Any]:
        """Run the script once for an account; raises Unavailable where Redis does not answer."""
        used = {code: amount for code, amount in account.used.items() if amount}
        for code, amount in used.items():
            account.used[code] -= amount
        try:
            return await self._run(account, used, ask)
        except BaseException:
            for code, amount in used.items():
                account.used[code] += amount
            raise

    async def _run(self, account: SharedLimits, used: _Amounts, ask: dict[str, Any]) -> dict[str, Any]:
        began = monotonic()
        if began < self._down_until:
            raise self._gone("it did not answer just now")
        question = {
            "worker": self._worker, "ttl": int(1000 * _ALIVE_SECONDS), "limits": account.limits, "burst": account.burst,
            "used": used, **{name: value for name, value in ask.items() if value is not None},
        }  # fmt: skip
        while True:
            try:
                text = await asyncio.wait_for(
                    self._script(keys=[account.key], args=[json.dumps({**question, "known": self._known})]),
                    timeout=2 * _PATIENCE,
                )
            except asyncio.CancelledError:
                raise
            except Exception as error:
                if not self._is_down:
                    _log.error("Redis, where limits are shared, does not answer: %r", error)
                self._is_down = True
                self._down_until = monotonic() + _DOWN_SECONDS
                raise self._gone(str(error) or type(error).__name__) from error
            if self._is_down:
                _log.warning("Redis, where limits are shared, answers again")
                self._is_down = False
            told: dict[str, Any] = json.loads(text)
            if not told.get("lost"):
                break
            # It has lost its memory, or taken us for dead: what is here is leased no more.
            self._known = False
            for one in self._accounts.values():
                one.lose()
            question["back"] = {}
        self._known = True
        self._valid_until = began + _ALIVE_SECONDS / 2
        account.free = {code: int(amount) for code, amount in told["free"].items()} if told["free"] else {}
        return told

    def _gone(self, why: str) -> Unavailable:
        return Unavailable(
            f"Redis, where the gateways count limits together, does not answer ({why}).",
            hint="Try again; if it stays so, the admin must look at the Redis of [state] limits.",
            code=LIMITS_UNAVAILABLE,
        )
