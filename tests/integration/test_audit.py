"""The record of calls from end to end: real calls, the lake, the command line, replay, backup, faults."""

import csv
import json
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
from click.testing import CliRunner, Result

from workbench import evidence
from workbench.cli import main
from workbench.client.audit_desk import AuditDesk
from workbench.client.key_desk import KeyDesk
from workbench.errors import InvalidInput, PermissionDenied
from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.simulated_gateway import KEY_VARIABLE, simulated_config
from workbench.testing.simulator import SimulatedProviders, wait_until

HTTP = httpx.Client(trust_env=False)
"""One for all: making another costs more than a call."""
AUDIT = """
[audit]
ship_every = 0
spool_days = {spool_days}
[audit.bodies]
default = "keep"
exploration = "keep"
[audit.classes.exploration]
replay = {replay}
"""


def gateway_at(home: Path, providers: SimulatedProviders, *, spool_days: float = 35, replay: bool = True) -> Any:
    config = simulated_config(providers) + AUDIT.format(spool_days=spool_days, replay=str(replay).lower())
    return running_gateway(home, config=config, environ={KEY_VARIABLE: providers.credential})


@pytest.fixture(scope="module")
def gateway(providers: SimulatedProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    with gateway_at(tmp_path_factory.mktemp("audit") / "home", providers) as running:
        yield running


def ask(gateway: RunningGateway, key: str, text: str, **more: Any) -> httpx.Response:
    body = {"model": "chatty", "messages": [{"role": "user", "content": text}], **more}
    answer = HTTP.post(
        f"{gateway.url}/v1/chat/completions", json=body, headers={"Authorization": f"Bearer {key}"}, timeout=30
    )
    assert answer.status_code == 200, answer.text
    return answer


def desk_of(gateway: RunningGateway) -> AuditDesk:
    return AuditDesk(gateway.url, gateway.owner_token)


def audit(home: Path, *arguments: str) -> Result:
    """Run `workbench audit` for a home; its configuration is the one that the gateway has there."""
    config = home / "workbench.toml"
    environ = {"WORKBENCH_HOME": str(home), "WORKBENCH_CONFIG": str(config) if config.exists() else None}
    return CliRunner().invoke(main, ["audit", *arguments], env=environ)


def answer_of(response: httpx.Response) -> str:
    return str(response.json()["choices"][0]["message"]["content"])


def test_the_whole_way_from_real_calls_over_the_lake_to_a_verdict(gateway: RunningGateway) -> None:
    key = gateway.issue_key()
    for number in range(3):
        ask(gateway, key, f"ship {number}", stream=number == 2)
    told = desk_of(gateway).ship(timeout=60)
    assert told["rows"] >= 3
    assert told["bodies"] >= 3
    ask(gateway, key, "not shipped yet")
    assert desk_of(gateway).ship(timeout=60)["rows"] == 1
    done = audit(gateway.home, "verify", "--json")
    assert done.exit_code == 0, done.stderr
    verdict = json.loads(done.stdout)
    assert verdict["ok"]
    assert verdict["rows"] >= 4
    assert audit(gateway.home, "verify", str(gateway.home / "lake")).exit_code == 0
    assert audit(gateway.home, "verify", str(gateway.home / "nowhere")).exit_code == 1


def test_a_call_is_shown_with_what_was_kept_of_it(gateway: RunningGateway) -> None:
    answer = ask(gateway, gateway.issue_key(), "show me")
    done = audit(gateway.home, "show", answer.headers["x-request-id"], "--json", "--url", gateway.url)
    told = json.loads(done.stdout)
    assert told["call"]["model"] == "chatty"
    assert json.loads(told["request"]["body"])["messages"][0]["content"] == "show me"
    assert told["response"]["body"] == answer.text
    missing = audit(gateway.home, "show", "req_nothing", "--url", gateway.url)
    assert missing.exit_code == 1
    assert "no call" in missing.stderr


def test_a_dataset_of_real_traffic_is_what_evidence_and_experiments_take(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    key = gateway.issue_key()
    asked = {f"replay {number}": ask(gateway, key, f"replay {number}", stream=number == 1) for number in range(4)}
    ask(gateway, key, "replay 0")  # the same inputs once more
    for name in ("d.jsonl", "d.csv", "d.parquet"):
        out = tmp_path / name
        done = audit(gateway.home, "dataset", "--last", "1d", "--out", str(out), "--url", gateway.url)
        assert done.exit_code == 0, done.stderr
    examples = evidence.Dataset.from_jsonl(tmp_path / "d.jsonl")
    by_question = {example.inputs["question"]: example for example in examples}
    assert set(asked) <= by_question.keys()
    assert len(by_question) == len(examples)
    assert by_question["replay 2"].expected == answer_of(asked["replay 2"])
    assert by_question["replay 2"].inputs["messages"] == [{"role": "user", "content": "replay 2"}]
    assert by_question["replay 1"].expected  # put together from the pieces of a stream
    with (tmp_path / "d.csv").open() as file:
        rows = {row["question"]: row for row in csv.DictReader(file)}
    assert rows["replay 2"]["model"] == "chatty"
    assert float(rows["replay 2"]["cost_usd"]) > 0
    frame = pd.read_parquet(tmp_path / "d.parquet")
    again = evidence.Dataset.from_frame(frame, inputs=["question"])
    assert {example.inputs["question"] for example in again} == set(by_question)


def test_a_dataset_has_a_new_file_of_its_own_where_none_is_named(
    gateway: RunningGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(gateway, gateway.issue_key(), "by default")
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        done = audit(gateway.home, "dataset", "--last", "1d", "--sample", "1", "--url", gateway.url)
        assert done.exit_code == 0, done.stderr
    names = sorted(path.name for path in tmp_path.iterdir())
    assert [name.startswith("calls-2") for name in names] == [True, True]
    nowhere = audit(gateway.home, "dataset", "--out", str(tmp_path / "no" / "d.csv"), "--url", gateway.url)
    assert (nowhere.exit_code, "There is no folder" in nowhere.stderr) == (1, True)


def test_a_sample_is_the_same_for_the_same_seed_and_another_for_another(gateway: RunningGateway) -> None:
    key = gateway.issue_key()
    for number in range(8):
        ask(gateway, key, f"sample {number}")
    desk = desk_of(gateway)

    def ids(seed: int) -> list[str]:
        return [row["id"] for row in desk.dataset(since="1d", sample=5, seed=seed, timeout=60)]

    assert ids(1) == ids(1)
    assert len(ids(1)) == 5
    assert any(ids(1) != ids(seed) for seed in range(2, 6))


def test_gateway_keys_read_no_bodies_and_bad_questions_are_told(gateway: RunningGateway) -> None:
    with pytest.raises(PermissionDenied):
        list(AuditDesk(gateway.url, gateway.issue_key()).dataset(since="1d", timeout=30))
    with pytest.raises(InvalidInput):
        list(desk_of(gateway).dataset(since="soon", timeout=30))
    assert HTTP.get(f"{gateway.url}/admin/v1/audit/calls/x").status_code == 401


def test_a_data_class_that_lets_nothing_out_lets_nothing_out(providers: SimulatedProviders, tmp_path: Path) -> None:
    with gateway_at(tmp_path / "home", providers, replay=False) as gateway:
        ask(gateway, gateway.issue_key(), "mine alone")
        production = KeyDesk(gateway.url, gateway.owner_token).issue_any({"kind": "production"}, timeout=10).key
        ask(gateway, production, "for everybody")
        found = list(desk_of(gateway).dataset(since="1d", timeout=60))
    assert [row["inputs"]["question"] for row in found] == ["for everybody"]


def test_what_left_the_spool_is_still_shown_counted_and_replayed(providers: SimulatedProviders, tmp_path: Path) -> None:
    with gateway_at(tmp_path / "home", providers, spool_days=1e-9) as gateway:
        key = gateway.issue_key()
        answers = [ask(gateway, key, f"old {number}") for number in range(4)]
        told = desk_of(gateway).ship(timeout=60)
        assert (told["rows"], told["pruned"]) == (4, 3)
        first = answers[0].headers["x-request-id"]
        headers = {"Authorization": f"Bearer {key}"}
        assert HTTP.get(f"{gateway.url}/me/usage", headers=headers).json()["calls"] == 4
        shown = desk_of(gateway).show(first, timeout=60)
        assert shown["response"]["body"] == answers[0].text
        found = list(desk_of(gateway).dataset(since="1d", timeout=60))
        assert {row["inputs"]["question"] for row in found} == {f"old {number}" for number in range(4)}
        done = audit(gateway.home, "verify")
        assert done.exit_code == 0, done.stdout + done.stderr


def test_a_ledger_is_shipped_on_schedule(providers: SimulatedProviders, tmp_path: Path) -> None:
    config = simulated_config(providers) + "[audit]\nship_every = 0.2\n"
    with running_gateway(tmp_path / "home", config=config, environ={KEY_VARIABLE: providers.credential}) as gateway:
        ask(gateway, gateway.issue_key(), "soon")
        wait_until(lambda: any(gateway.home.glob("lake/date=*/writer=*/part-*.parquet")), "nothing came", seconds=30)


def test_a_hand_on_the_ledger_shows_with_its_place(providers: SimulatedProviders, tmp_path: Path) -> None:
    home = tmp_path / "home"
    with gateway_at(home, providers) as gateway:
        key = gateway.issue_key()
        for number in range(4):
            ask(gateway, key, f"row {number}")
        assert gateway.stop() == 0
    with sqlite3.connect(home / "ledger" / "calls.db") as connection:
        connection.execute("DELETE FROM calls WHERE seq >= 3")
    done = audit(home, "verify")
    assert done.exit_code == 3
    assert "cut: Writer w0-" in done.stderr
    assert "ends at row 2" in done.stderr
    with gateway_at(home, providers) as gateway:  # it goes on, and says so
        ask(gateway, gateway.issue_key(), "go on")
        assert "lost its end" in (home / "gateway.stderr").read_text()
        assert gateway.stop() == 0
    assert audit(home, "verify").exit_code == 3


def test_a_ledger_file_that_is_damaged_is_told_with_its_place_and_no_traceback(
    providers: SimulatedProviders, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    with gateway_at(home, providers) as gateway:
        key = gateway.issue_key()
        for number in range(30):
            ask(gateway, key, f"row {number} " * 50)
        assert gateway.stop() == 0
    path = home / "ledger" / "calls.db"
    whole = path.read_bytes()
    for damaged in (whole[: len(whole) // 2], b"no database" * 500, b""):
        path.write_bytes(damaged)
        done = audit(home, "verify")
        assert done.exit_code == 3, done.output
        assert "damaged" in done.stderr
        assert str(path) in done.stderr
    path.write_bytes(whole)
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('restored', 'no JSON')")
    assert audit(home, "verify").exit_code == 3


def test_another_ledger_in_the_place_of_the_one_that_was_noted_shows(
    providers: SimulatedProviders, tmp_path: Path
) -> None:
    for name in ("home", "other"):
        with gateway_at(tmp_path / name, providers) as gateway:
            ask(gateway, gateway.issue_key(), "a row")
            assert gateway.stop() == 0
    shutil.rmtree(tmp_path / "home" / "ledger")
    shutil.copytree(tmp_path / "other" / "ledger", tmp_path / "home" / "ledger")
    done = audit(tmp_path / "home", "verify")
    assert done.exit_code == 3
    assert "cut: Writer w0-" in done.stderr
    with sqlite3.connect(tmp_path / "other" / "ledger" / "calls.db") as connection:
        for table in ("calls", "bodies", "shipped", "meta"):
            connection.execute(f"DELETE FROM {table}")
    assert audit(tmp_path / "other", "verify").exit_code == 3


@pytest.mark.parametrize("shipped", [False, True])
def test_kept_bodies_that_are_gone_before_their_time_show(
    providers: SimulatedProviders, tmp_path: Path, *, shipped: bool
) -> None:
    home = tmp_path / "home"
    with gateway_at(home, providers) as gateway:
        key = gateway.issue_key()
        for number in range(3):
            ask(gateway, key, f"row {number}")
        if shipped:
            assert audit(home, "ship", "--url", gateway.url).exit_code == 0
        assert gateway.stop() == 0
    good = json.loads(audit(home, "verify", "--json").stdout)
    assert (good["ok"], good["rows"], good["bodies"]) == (True, 3, 3), "a call that is in both counts once"
    if shipped:
        (path,) = (home / "lake").rglob("bodies-*.parquet")
        path.unlink()
    with sqlite3.connect(home / "ledger" / "calls.db") as connection:
        connection.execute("DELETE FROM bodies WHERE seq = 2")
    done = audit(home, "verify")
    assert done.exit_code == 3
    assert "row 2 " in done.stderr
    assert "gone before their time" in done.stderr


def test_a_backup_of_a_running_gateway_is_whole_and_can_be_put_back(
    providers: SimulatedProviders, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    with gateway_at(home, providers) as gateway:
        key = gateway.issue_key()
        ask(gateway, key, "before")
        desk_of(gateway).ship(timeout=60)
        ask(gateway, key, "not in the lake when it was copied")
        done = audit(home, "backup", str(tmp_path / "copy"))
        assert done.exit_code == 0, done.stderr
        again = audit(home, "backup", str(tmp_path / "copy"))
        assert (again.exit_code, "not empty" in again.stderr) == (1, True)
        assert audit(home, "verify", str(tmp_path / "copy"), "--lake", str(home / "lake")).exit_code == 0
        desk_of(gateway).ship(timeout=60)
        ask(gateway, key, "lost with the machine")
        in_use = audit(home, "restore", str(tmp_path / "copy"))
        assert (in_use.exit_code, "there already" in in_use.stderr) == (1, True)
        assert gateway.stop() == 0
    for path in [home / "state.db", home / "ledger" / "calls.db"]:
        for name in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
            name.unlink(missing_ok=True)
    done = audit(home, "restore", str(tmp_path / "copy"))
    assert done.exit_code == 0, done.stderr
    with gateway_at(home, providers) as gateway:
        ask(gateway, key, "after")  # the key is as good as before
        desk_of(gateway).ship(timeout=60)
        assert gateway.stop() == 0
    done = audit(home, "verify")
    assert done.exit_code == 0, done.stdout + done.stderr
    parts = pd.concat(
        [pd.read_parquet(part, partitioning=None) for part in home.glob("lake/date=*/writer=*/*.parquet")]
    )
    assert sorted(parts.groupby("request_id").size()) == [1, 1, 1]
