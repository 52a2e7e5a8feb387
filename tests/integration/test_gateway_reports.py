"""Reports over a seeded history: lake and spool together, each row once, and money to the cent."""

from __future__ import annotations

import asyncio
import csv
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

import workbench
from workbench.cli import main
from workbench.gateway.audit.lake import Lake
from workbench.gateway.audit.shipping import prune, ship
from workbench.gateway.ledger.row import LedgerRow
from workbench.gateway.ledger.spool import Spool
from workbench.gateway.reports.answering import answer
from workbench.gateway.reports.asked import Asked
from workbench.gateway.reports.question import question
from workbench.gateway.times import utc_text
from workbench.testing.gateway import RunningGateway, running_gateway

NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)
CONFIG = """
[providers.acme]
kind = "openai_compatible"
base_url = "http://127.0.0.1:9/v1"
credential = { env = "ACME_KEY" }

[reports.use_cases.search]
latency_ms = 500
attainment = 0.9

[[models]]
name = "fast"
[[models.deployments]]
provider = "acme"
model = "pool"
capacity = "reserved"
tokens_per_minute = 10000
reserved_usd_per_hour = 4.0
reserved_from = {reserved_from}
[[models.deployments]]
provider = "acme"
model = "fast"

[[models]]
name = "slow"
deployments = [{ provider = "acme", model = "slow" }]
"""


def row(number: int, at: datetime, **fields: Any) -> LedgerRow:
    known = {
        "stage": "staging", "path": "/v1/chat/completions", "key_id": "key_1", "owner": "ana", "model": "fast",
        "provider": "acme", "deployment": "acme/fast", "outcome": "ok", "status": 200, "stream": 0, "attempts": 1,
        "input_tokens": 100, "output_tokens": 50, "cost_usd": 0.1, "latency_ms": 400.0,
    }  # fmt: skip
    return LedgerRow(request_id=f"req_{number}", time=utc_text(at.timestamp()), **{**known, **fields})


def history() -> Iterator[LedgerRow]:
    """Two days of three use cases; the reserved pool is hardly used while the same model is paid on demand."""
    for number in range(300):  # 0.1 three hundred times: what floats add up to is not 30
        yield row(number, NOON + timedelta(seconds=number), use_case="menus", tags='{"team": "kitchen"}')
    for number in range(300, 320):
        yield row(
            number, NOON + timedelta(minutes=number), use_case="search", owner="ben", model="fast",
            deployment="acme/pool", cost_usd=0.0, latency_ms=400.0 if number < 317 else 900.0,
        )  # fmt: skip
    yield row(320, NOON, use_case="search", owner="ben", outcome="failed", status=502, cost_usd=0.0)
    yield row(321, NOON, use_case="search", owner="ben", outcome="refused", status=429, cost_usd=0.0)
    yield row(322, NOON, use_case="search", owner="ben", outcome="client_left", status=499, cost_usd=0.0)
    yield row(323, NOON - timedelta(days=1), use_case=None, owner="eve", model="slow", cost_usd=None)


async def _keep(folder: Path, *groups: list[LedgerRow], lake: Path) -> None:
    """Write rows by a real spool; all groups but the last are shipped, and their first minute leaves the spool."""
    spool = Spool(folder)
    spool.open()
    for group in groups:
        await asyncio.to_thread(ship, spool.path, Lake(str(lake)))
        await asyncio.gather(*(spool.write(one) for one in group))
    await asyncio.to_thread(prune, spool.path, before=utc_text((NOON + timedelta(minutes=1)).timestamp()))
    await asyncio.to_thread(spool.close)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    home = tmp_path_factory.mktemp("home")
    rows = list(history())
    asyncio.run(_keep(home / "ledger", rows[:200], rows[200:-10], rows[-10:], lake=home / "lake"))
    elsewhere = [row(900, NOON, use_case="elsewhere", cost_usd=0.0)]  # it has the same number in a chain of another
    asyncio.run(_keep(home / "other", elsewhere, [], lake=home / "lake"))
    with running_gateway(
        home, config=CONFIG.replace("{reserved_from}", NOON.date().isoformat()), environ={"ACME_KEY": "x"}
    ) as running:
        yield running


@pytest.fixture(scope="module")
def admin(gateway: RunningGateway) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {gateway.owner_token}"}
    with httpx.Client(base_url=f"{gateway.url}/admin/v1", headers=headers, timeout=60) as client:
        yield client


def ask(admin: httpx.Client, path: str = "/usage", **query: str) -> Any:
    answer = admin.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_lake_and_spool_are_read_as_one_and_no_row_counts_twice(admin: httpx.Client) -> None:
    told = ask(admin, group_by="use_case,model", since="2020-01-01")
    rows = {(one["use_case"], one["model"]): one for one in told["data"]}
    assert told["total"]["calls"] == 325
    assert rows["elsewhere", "fast"]["calls"] == 1, "another gateway ships to the same lake"
    assert rows["menus", "fast"]["calls"] == 300
    assert rows["search", "fast"]["calls"] == 23
    assert rows["search", "fast"]["errors"] == 3
    assert rows[None, "slow"]["calls_without_price"] == 1
    assert told["data"][0]["use_case"] == "menus", "the dearest comes first"


def test_money_is_what_the_ledger_says_to_the_cent(asking: Callable[..., Any]) -> None:
    expected = sum(Decimal(str(one.cost_usd)) for one in history() if one.cost_usd is not None)
    told = asking(group_by="user,day")
    assert Decimal(str(told["total"]["cost_usd"])) == expected
    assert sum(Decimal(str(one["cost_usd"])) for one in told["data"]) == expected


@pytest.fixture(scope="module")
def asking(gateway: RunningGateway) -> Callable[..., Any]:
    """Ask as the child does, without a process for each question."""

    def ask(**query: str) -> Any:
        question_ = question(query, now=time.time())
        spool, lake = gateway.home / "ledger" / "calls.db", gateway.home / "lake"
        return answer(Asked(report="usage", spool=str(spool), lake=str(lake), question=question_))

    return ask


@pytest.mark.parametrize(
    ("query", "calls"),
    [
        ({"tag:team": "kitchen"}, 300),
        ({"user": "ben", "outcome": "ok"}, 20),
        ({"use_case": "elsewhere"}, 1),
        ({"until": NOON.strftime("%Y-%m-%dT00:00:00Z")}, 1),
        ({"since": (NOON + timedelta(minutes=1)).isoformat(), "use_case": "menus"}, 240),
        ({"since": "1h"}, 0),
        ({"model": 'it\'s "nothing"'}, 0),
    ],
)
def test_calls_are_chosen_by_what_they_were(asking: Callable[..., Any], query: dict[str, str], calls: int) -> None:
    assert asking(**query)["total"]["calls"] == calls


def test_groups_may_be_tags_days_paths_and_keys(asking: Callable[..., Any]) -> None:
    (kitchen, rest) = asking(group_by="tag:team")["data"]
    assert (kitchen["tag:team"], kitchen["calls"]) == ("kitchen", 300)
    assert rest["tag:team"] is None
    (only,) = asking(group_by="path,key,stage,month", use_case="menus", since="2020-01-01")["data"][:1]
    assert (only["path"], only["key"], only["stage"]) == ("/v1/chat/completions", "key_1", "staging")
    assert only["month"] == NOON.strftime("%Y-%m")
    few = asking(group_by="hour", limit="1")
    assert len(few["data"]) == 1
    assert few["more"] is True


@pytest.mark.parametrize(
    "query",
    [
        {"group_by": "hash"},
        {"group_by": "day,day"},
        {"group_by": "tag:x'); DROP"},
        {"since": "yesterday"},
        {"limit": "0"},
        {"usecase": "menus"},
        {"month": "2026-11"},
    ],
)
def test_a_question_that_makes_no_sense_is_refused(admin: httpx.Client, query: dict[str, str]) -> None:
    assert admin.get("/usage", params=query).status_code == 400


def test_showback_shares_what_is_reserved_by_who_used_it(admin: httpx.Client) -> None:
    told = ask(admin, "/usage/showback", month=NOON.strftime("%Y-%m"))
    rows = {one["use_case"]: one for one in told["data"]}
    assert rows["menus"]["cost_usd"] == pytest.approx(30)
    assert rows["menus"]["reserved_tokens"] == 0
    assert rows["search"]["share_of_reserved"] == 1
    assert 0 < rows["search"]["reserved_usd"] < told["idle_usd"]
    hours = (datetime.now(UTC) - NOON.replace(hour=0)).total_seconds() / 3600
    if (NOON + timedelta(days=1)).month == NOON.month:  # reserved since yesterday, and not since the month began
        assert rows["search"]["reserved_usd"] + told["idle_usd"] == pytest.approx(4 * hours, rel=0.01)
    assert ask(admin, "/usage/showback", month="2024-02")["idle_usd"] == 0
    assert ask(admin, "/usage/showback", month="2999-01")["idle_usd"] == 0
    assert admin.get("/usage/showback", params={"month": "soon"}).status_code == 400


def test_attainment_counts_what_was_answered_in_time(admin: httpx.Client) -> None:
    rows = {one["use_case"]: one for one in ask(admin, "/usage/slo")["data"]}
    search = rows["search"]
    assert search["calls"] == 21, "neither the refused call nor the one whose client left"
    assert search["success"] == pytest.approx(20 / 21)
    assert search["attainment"] == pytest.approx(17 / 21)
    assert search["met"] is False
    assert search["target_latency_ms"] == 500
    assert rows["menus"]["met"] is True


def test_the_idle_pool_is_named_with_its_dollars(admin: httpx.Client) -> None:
    told = ask(admin, "/usage/capacity", since=(NOON - timedelta(hours=1)).isoformat())
    (pool,) = told["data"]
    assert pool["deployment"] == "acme/pool"
    assert pool["state"] == "idle"
    assert pool["utilisation"] == pytest.approx(20 * 150 / (10000 * 60 * told["hours"]))
    assert pool["idle_usd"] == pytest.approx(4 * told["hours"] * (1 - pool["utilisation"]), abs=1e-4)
    (move,) = pool["movable"]
    assert move["model"] == "fast"
    # 60 calls a minute with 150 tokens each want 9,000 tokens: all of them had room.
    assert move["tokens"] == 300 * 150 + 4 * 150
    assert move["saved_usd"] == pytest.approx(30)
    assert any("Move fast to acme/pool" in text and "30.00 USD" in text for text in pool["advice"])


def test_reports_are_for_admins(gateway: RunningGateway) -> None:
    key = gateway.issue_key()
    for path in ("/usage", "/usage/showback", "/usage/slo", "/usage/capacity"):
        for headers in ({}, {"authorization": f"Bearer {key}"}):
            assert httpx.get(f"{gateway.url}/admin/v1{path}", headers=headers).status_code in (401, 403)


@pytest.fixture
def at_home(gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch) -> str:
    """The gateway's URL, with its home and its owner in force."""
    monkeypatch.setenv("WORKBENCH_HOME", str(gateway.home))
    monkeypatch.setenv("WORKBENCH_IDENTITY_TOKEN", gateway.owner_token)
    return gateway.url


def test_the_command_line_shows_a_table_and_writes_csv_that_adds_up(at_home: str) -> None:
    def run(*words: str) -> str:
        done = CliRunner().invoke(main, ["usage", *words, "--url", at_home], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    table = run("report", "--by", "use_case,user", "--last", "30d")
    assert "menus" in table
    assert "30.0000" in table
    rows = list(csv.DictReader(run("report", "--by", "use_case,user", "--csv").splitlines()))
    assert sum(Decimal(one["cost_usd"]) for one in rows) == Decimal(30)
    assert {one["user"] for one in rows} == {"ana", "ben", "eve"}
    advice = run("capacity", "--last", "4d")
    assert "Move fast to acme/pool" in advice


def test_python_gets_a_data_frame(gateway: RunningGateway, at_home: str) -> None:
    with workbench.Gateway(url=at_home, key=gateway.issue_key()) as gw:
        table = gw.usage("use_case,day", since="30d", model="fast")
    assert table.groupby("use_case")["calls"].sum().to_dict() == {"elsewhere": 1, "menus": 300, "search": 23}
    assert table.attrs["total"]["cost_usd"] == 30
