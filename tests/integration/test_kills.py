"""Gateways that are killed under load: no answered call is lost, no budget passed, and nothing stays held."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from workbench.errors import MissingComponent
from workbench.gateway.ledger.chain import verify
from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.postgres import postgres_server
from workbench.testing.redis import redis_server
from workbench.testing.simulated_gateway import KEY_VARIABLE, simulated_config
from workbench.testing.simulator import SimulatedProviders, wait_until

pytestmark = pytest.mark.anyio
KILLS = 3
USE_CASE_CAP = 0.004
"""US dollars of all keys together."""
KEY_CAPS = (0.003, 0.001, 0.01)
CHAOS = f"""
[[admission.limits]]
subject = "use_case"
match = "chaos"
usd_total = {USE_CASE_CAP}
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Load:
    """Callers that go on whatever happens, and note which answers they got whole."""

    answered: set[str] = field(default_factory=set)
    statuses: list[int] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)
    ended: bool = False

    async def goes_on(self, *, answers: int = 0, statuses: int = 0) -> None:
        """Return when so many more calls were answered, well or at all."""
        enough, many = len(self.answered) + answers, len(self.statuses) + statuses
        await asyncio.to_thread(
            wait_until, lambda: len(self.answered) >= enough and len(self.statuses) >= many, "no calls pass", seconds=60
        )

    async def call(self, client: httpx.AsyncClient, key: str, rand: random.Random) -> None:
        """Make calls, plain and streamed, some of them given up in the middle, until the load ends."""
        while not self.ended:
            stream, leaves = rand.random() < 0.5, rand.random() < 0.15
            body = {"model": "chatty", "stream": stream,
                    "messages": [{"role": "user", "content": "word " * rand.randint(1, 60)}]}  # fmt: skip
            if rand.random() < 0.8:
                body["max_tokens"] = rand.randint(20, 200)
            url = f"{rand.choice(self.urls)}/v1/chat/completions"
            try:
                async with client.stream("POST", url, json=body, headers={"authorization": f"Bearer {key}"}) as answer:
                    self.statuses.append(answer.status_code)
                    if leaves:
                        continue
                    whole = await answer.aread()
                    if answer.status_code == 200 and (not stream or whole.rstrip().endswith(b"[DONE]")):
                        self.answered.add(answer.headers["x-request-id"])
                if answer.status_code != 200:
                    await asyncio.sleep(0.3)
            except httpx.HTTPError:
                await asyncio.sleep(0.3)


def issue(gateway: RunningGateway, **wish: Any) -> dict[str, Any]:
    answer = httpx.post(
        f"{gateway.url}/admin/v1/keys", json={"kind": "exploration", **wish}, timeout=30,
        headers={"authorization": f"Bearer {gateway.owner_token}"},
    )  # fmt: skip
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def rows(*homes: Path) -> list[dict[str, Any]]:
    found = []
    for home in homes:
        with sqlite3.connect(home / "ledger" / "calls.db") as ledger:
            ledger.row_factory = sqlite3.Row
            found += [dict(row) for row in ledger.execute("SELECT * FROM calls")]
    return found


def spent(found: list[dict[str, Any]], **of: str) -> float:
    return sum(row["cost_usd"] or 0 for row in found if all(row[name] == value for name, value in of.items()))


class Money:
    """The accounts in the state database."""

    def __init__(self, url: str) -> None:
        self._engine = sa.create_engine(url)

    def accounts(self) -> dict[str, tuple[float, float]]:
        """Return what is spent and what is leased, by account, at one moment."""
        query = """
            SELECT m.account, m.spent, COALESCE(SUM(l.amount), 0) FROM money m
            LEFT JOIN money_leases l ON l.account = m.account GROUP BY m.account, m.spent
        """
        with self._engine.connect() as connection:
            told = connection.execute(sa.text(query)).all()
        return {account: (float(one) / 1e12, float(other) / 1e12) for account, one, other in told}

    def close(self) -> None:
        self._engine.dispose()


async def test_no_answered_call_is_lost_when_a_gateway_is_killed_under_load(
    providers: SimulatedProviders, tmp_path: Path
) -> None:
    providers.clear()
    config, environ = simulated_config(providers), {KEY_VARIABLE: providers.credential}
    load = Load()
    key: dict[str, Any] = {}
    killed = 0
    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
        callers: list[asyncio.Task[None]] = []
        for _ in range(KILLS):
            with contextlib.ExitStack() as stack:
                started = running_gateway(tmp_path, config=config, environ=environ)
                gateway = await asyncio.to_thread(stack.enter_context, started)
                load.urls = [gateway.url]
                if not key:
                    key = issue(gateway, budget={"usd_total": 5})
                    callers = [asyncio.create_task(load.call(client, key["key"], random.Random(n))) for n in range(8)]
                await load.goes_on(answers=40)
                gateway.process.kill()
                killed += 1
                await asyncio.to_thread(gateway.process.wait)
        load.ended = True
        await asyncio.gather(*callers)
    with running_gateway(tmp_path, config=config, environ=environ) as gateway:
        money = Money(f"sqlite:///{tmp_path / 'state.db'}")
        wait_until(lambda: money.accounts()[key["id"]][1] == 0, "money is held at rest", seconds=20)
        assert gateway.stop() == 0
    found = rows(tmp_path)
    ledger = {row["request_id"]: row for row in found}
    assert killed == KILLS
    assert load.answered <= ledger.keys()
    assert {ledger[one]["outcome"] for one in load.answered} == {"ok"}
    assert verify(tmp_path / "ledger" / "calls.db") == len(found)
    assert money.accounts()[key["id"]][0] == pytest.approx(spent(found, key_id=key["id"]), abs=1e-9)
    assert sum(row["error_code"] == "lease_lost" for row in found) in range(1, KILLS + 1)
    money.close()


@dataclass
class Chaos:
    """Two gateways that share everything, their callers, and what goes wrong around them."""

    homes: list[Path]
    start: Callable[[Path], RunningGateway]
    money: Money
    providers: SimulatedProviders
    gateways: list[RunningGateway] = field(default_factory=list)
    load: Load = field(default_factory=Load)
    over: list[tuple[str, float]] = field(default_factory=list)

    async def watch(self, caps: dict[str, float]) -> None:
        """Note every moment at which more is held and spent than there is."""
        while not self.load.ended:
            for account, amounts in (await asyncio.to_thread(self.money.accounts)).items():
                if sum(amounts) > caps.get(account, USE_CASE_CAP) + 1e-12:
                    self.over.append((account, sum(amounts)))
            await asyncio.sleep(0.1)

    async def fail(self) -> None:
        """Let providers fail in every way, at every fourth call."""
        rand, seen = random.Random(7), 0
        while not self.load.ended:
            if len(self.load.statuses) >= seen + 4:
                seen = len(self.load.statuses)
                kind = rand.choice(["status", "reset", "cut", "error", "malformed", "latency"])
                self.providers.fail(kind, seconds=0.1, times=1)
            await asyncio.sleep(0.02)

    async def kill(self, which: int) -> None:
        """Kill a gateway, and start it again."""
        process = self.gateways[which].process
        process.kill()
        await asyncio.to_thread(process.wait)
        self.gateways[which] = await asyncio.to_thread(self.start, self.homes[which])
        self.load.urls[which] = self.gateways[which].url

    async def run(self, keys: list[dict[str, Any]]) -> None:
        """Make calls by all keys, and kill each gateway once."""
        load = self.load
        load.urls = [gateway.url for gateway in self.gateways]
        caps = {key["id"]: cap for key, cap in zip(keys, KEY_CAPS, strict=True)}
        async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
            tasks = [asyncio.create_task(self.watch(caps)), asyncio.create_task(self.fail())]
            tasks += [
                asyncio.create_task(load.call(client, keys[number % 3]["key"], random.Random(number)))
                for number in range(4)
            ]
            await load.goes_on(answers=6)
            await self.kill(0)
            await load.goes_on(statuses=20)
            await self.kill(1)
            await load.goes_on(statuses=20)
            load.ended = True
            await asyncio.gather(*tasks)


@pytest.fixture
def chaos(providers: SimulatedProviders, tmp_path: Path) -> Iterator[Chaos]:
    providers.clear()
    with contextlib.ExitStack() as stack:
        try:
            database = stack.enter_context(postgres_server()).new_database()
            redis = stack.enter_context(redis_server())
        except MissingComponent as error:
            pytest.skip(str(error))
        shared = f'[state]\ndatabase = "{database}"\nlimits = "{redis.url}"\n'
        config = simulated_config(providers) + shared + CHAOS

        def start(home: Path) -> RunningGateway:
            environ = {KEY_VARIABLE: providers.credential}
            return stack.enter_context(running_gateway(home, config=config, environ=environ))

        made = Chaos([tmp_path / "first", tmp_path / "second"], start, Money(database), providers)
        stack.callback(made.money.close)
        with ThreadPoolExecutor(2) as threads:
            made.gateways = list(threads.map(start, made.homes))
        yield made


async def test_money_held_and_spent_never_passes_a_cap_whatever_happens(chaos: Chaos) -> None:
    keys = [issue(chaos.gateways[0], use_case="chaos", budget={"usd_total": cap}) for cap in KEY_CAPS]
    await chaos.run(keys)
    money = chaos.money
    wait_until(
        lambda: all(held == 0 for _, held in money.accounts().values()),
        lambda: f"money is held at rest: {money.accounts()}", seconds=30,
    )  # fmt: skip
    stands = money.accounts()
    assert [gateway.stop() for gateway in chaos.gateways] == [0, 0]
    found = rows(*chaos.homes)
    assert chaos.over == []
    assert chaos.load.answered <= {row["request_id"] for row in found}
    for key, cap in zip(keys, KEY_CAPS, strict=True):
        assert spent(found, key_id=key["id"]) <= cap + 1e-9
        assert stands[key["id"]][0] == pytest.approx(spent(found, key_id=key["id"]), abs=1e-9)
    assert spent(found, use_case="chaos") <= USE_CASE_CAP + 1e-9
    assert sum(line.usd for line in chaos.providers.simulator.invoice.lines()) <= USE_CASE_CAP + 1e-9
    for home in chaos.homes:
        verify(home / "ledger" / "calls.db")
