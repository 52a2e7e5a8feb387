"""Prompts as applications load them: fresh within a second, never waited for, and there while the gateway is not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from workbench import prompts
from workbench.client import Gateway
from workbench.errors import GatewayUnreachable, IntegrityError, NotFound
from workbench.testing.gateway import RunningGateway
from workbench.testing.simulated_gateway import simulated_gateway
from workbench.testing.simulator import SimulatedProviders, wait_until
from workbench.wire.prompt_hash import prompt_hash

numbers = count()


@pytest.fixture(scope="module")
def running(providers: SimulatedProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    with simulated_gateway(tmp_path_factory.mktemp("serving") / "home", providers) as found:
        yield found


@pytest.fixture
def author(running: RunningGateway, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    """Who publishes; loads nothing."""
    monkeypatch.setenv("WORKBENCH_IDENTITY_TOKEN", running.owner_token)
    with Gateway(url=running.url, key=running.issue_key()) as found:
        yield found


@pytest.fixture
def app(running: RunningGateway, author: Gateway) -> Iterator[Gateway]:
    """An application with a home of its own."""
    with Gateway(url=running.url, key=running.issue_key()) as found:
        yield found


@pytest.fixture
def name() -> str:
    return f"served.{os.getpid()}-{next(numbers)}"


def publish(author: Gateway, name: str, version: int, *, alias: str = "production") -> None:
    author.publish(name, version, f"v{version} {{{{m}}}}", alias=alias, parameters={"model": "chatty"}, reason="test")


def version_of(app: Gateway, name: str) -> int | None:
    return prompts.load(f"{name}@production", gateway=app).version


def test_a_loaded_prompt_asks_and_is_live(author: Gateway, app: Gateway, name: str) -> None:
    publish(author, name, 1)
    prompt = prompts.load(f"{name}@production", gateway=app)
    assert prompt.served is not None
    assert (prompt.version, prompt.served.state, str(prompt.served)) == (1, "live", "live")
    assert prompt.chat(app, m="hello").text == "echo: v1 hello"


def test_what_is_published_reaches_a_loader_that_never_waits_for_it(author: Gateway, app: Gateway, name: str) -> None:
    publish(author, name, 1)
    assert version_of(app, name) == 1
    publish(author, name, 2)
    wait_until(lambda: version_of(app, name) == 2, "the loader does not hear of the change", seconds=10)
    publish(author, name, 1)
    wait_until(lambda: version_of(app, name) == 1, "the loader does not hear of the rollback", seconds=10)


def test_who_publishes_loads_what_they_published(author: Gateway, name: str) -> None:
    for version in (1, 2, 3):
        publish(author, name, version)
        assert version_of(author, name) == version


def test_what_was_never_published_is_not_found(app: Gateway, name: str) -> None:
    with pytest.raises(NotFound, match=name):
        version_of(app, name)


def test_the_last_good_version_outlives_the_gateway_and_the_process(
    providers: SimulatedProviders, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with simulated_gateway(tmp_path / "gateway", providers) as running:
        key = running.issue_key()
        monkeypatch.setenv("WORKBENCH_IDENTITY_TOKEN", running.owner_token)
        with Gateway(url=running.url, key=key) as app:
            publish(app, "outage", 4)
            assert version_of(app, "outage") == 4
            running.stop()
            assert version_of(app, "outage") == 4, "who has it in memory goes on"
        (kept,) = (home / "served-prompts").iterdir()
        assert kept.stat().st_mode & 0o777 == 0o600
    code = (
        "import warnings, workbench as wb\n"
        "with warnings.catch_warnings(record=True) as told:\n"
        "    warnings.simplefilter('always')\n"
        "    prompt = wb.prompt('outage@production')\n"
        "print(prompt.version, prompt.served.state, prompt.render(m='x')[0]['content'], len(told))"
    )
    environ = {**os.environ, "WORKBENCH_GATEWAY_URL": running.url, "OPENAI_API_KEY": key}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environ, check=True)
    assert done.stdout.split() == ["4", "last", "good", "v4", "x", "1"]


def tampered(kept: Path, mode: int = 0o600) -> None:
    told = json.loads(kept.read_text())
    told["answer"]["template"] = "EVIL {{m}}"
    kept.write_text(json.dumps(told))
    kept.chmod(mode)


def opened_to_all(kept: Path) -> None:
    kept.chmod(0o666)


def cut_short(kept: Path) -> None:
    kept.write_text(kept.read_text()[:40])


def of_another(kept: Path) -> None:
    kept.write_text(kept.read_text().replace("copied", "copies"))


@pytest.mark.parametrize("spoil", [tampered, opened_to_all, cut_short, of_another])
def test_a_copy_that_can_not_be_believed_is_not_served(
    author: Gateway, running: RunningGateway, home: Path, spoil: Any
) -> None:
    publish(author, "copied", 1)
    with Gateway(url=running.url, key="wbx-any") as nobody:
        with Gateway(url=running.url, key=running.issue_key()) as app:
            assert version_of(app, "copied") == 1
        (kept,) = (home / "served-prompts").iterdir()
        spoil(kept)
        nobody._get = unreachable  # type: ignore[method-assign]
        nobody._loader._get = unreachable
        with pytest.warns(UserWarning, match="not used"), pytest.raises(GatewayUnreachable):
            version_of(nobody, "copied")


def unreachable(*_: Any, **__: Any) -> Any:
    raise GatewayUnreachable("No gateway answers.")


class Liar:
    """Passes on what a gateway answers, or something else."""

    def __init__(self, app: Gateway) -> None:
        self._get = app._get
        self.template: str | None = None
        self.error: Exception | None = None
        self.asked = 0

    def __call__(self, path: str, query: Any, **how: Any) -> Any:
        self.asked += "@" in path
        if self.error is not None and "@" in path:
            raise self.error
        answer = self._get(path, query, **how)
        return {**answer, "template": self.template} if self.template and "template" in answer else answer


@pytest.fixture
def liar(app: Gateway) -> Liar:
    found = Liar(app)
    app._loader._get = found
    return found


def test_a_tampered_answer_is_refused_and_the_last_good_version_is_served_with_a_warning(
    author: Gateway, app: Gateway, liar: Liar, name: str
) -> None:
    publish(author, name, 1)
    assert version_of(app, name) == 1
    liar.template = "EVIL {{m}}"
    publish(author, name, 2)
    with pytest.warns(UserWarning, match=r"not what was published.*last good version is served: v1"):
        wait_until(lambda: state_of(app, name) == "last good", "the answer was believed", seconds=10)
    assert prompts.load(f"{name}@production", gateway=app).template == "v1 {{m}}"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert version_of(app, name) == 1, "each problem is told once"
    liar.template = None
    publish(author, f"{name}.other", 1)  # any word of the gateway lets it be asked again
    wait_until(lambda: state_of(app, name) == "live", "the loader does not recover", seconds=10)
    assert version_of(app, name) == 2


def state_of(app: Gateway, name: str) -> str:
    served = prompts.load(f"{name}@production", gateway=app).served
    assert served is not None
    return served.state


def test_a_lease_that_ran_out_is_renewed_in_the_background(author: Gateway, app: Gateway, name: str) -> None:
    publish(author, name, 1)
    loader = app._loader
    loader._watch, loader._lease, liar = None, 0.0, Liar(app)
    loader._get = liar
    assert version_of(app, name) == 1
    publish(author, name, 2)
    assert state_of(app, name) in ("stale", "live"), "and not waited for"
    wait_until(lambda: version_of(app, name) == 2, "the lease is not renewed", seconds=10)
    liar.error = GatewayUnreachable("No gateway answers.")
    with pytest.warns(UserWarning, match="No gateway answers"):
        wait_until(lambda: state_of(app, name) == "last good", "a failure is not told", seconds=10)
    liar.error = None
    wait_until(lambda: state_of(app, name) != "last good", "the loader does not recover", seconds=10)


def test_a_load_within_the_lease_asks_nobody(author: Gateway, app: Gateway, liar: Liar, name: str) -> None:
    publish(author, name, 1)
    for _ in range(50):
        version_of(app, name)
    assert liar.asked == 1


def test_what_the_record_can_not_tell_is_no_reason_to_stop(
    author: Gateway, app: Gateway, liar: Liar, name: str
) -> None:
    publish(author, name, 1)
    assert version_of(app, name) == 1
    liar.error = IntegrityError("The record is not what was written.")
    publish(author, name, 2)
    with pytest.warns(UserWarning, match="record is not what was written"):
        wait_until(lambda: state_of(app, name) == "last good", "a failure is not told", seconds=10)
    assert version_of(app, name) == 1


def test_a_key_files_folder_keeps_copies_where_the_home_can_not(
    author: Gateway, running: RunningGateway, home: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from workbench.wire.key_file import MountedKey, write_key_file

    mount = home.parent / "mount"
    write_key_file(mount / "key.json", MountedKey(running.issue_key(), None, running.url))
    monkeypatch.setenv("WORKBENCH_KEY_FILE", str(mount / "key.json"))
    (home / "served-prompts").write_text("a file stands where the folder would be")
    publish(author, name, 1)
    with Gateway() as app:
        assert version_of(app, name) == 1
    assert len(list((mount / "served-prompts").iterdir())) == 1


def test_the_answer_for_other_languages_has_hash_tags_and_an_etag(
    author: Gateway, running: RunningGateway, name: str
) -> None:
    publish(author, name, 1)
    author.publish(name, 2, "v2 {{m}}", alias="canary", reason="try")
    import httpx

    with httpx.Client(base_url=running.url, headers={"authorization": f"Bearer {running.issue_key()}"}) as client:
        answer = client.get(f"/v1/prompts/{name}@production")
        body = answer.json()
        assert body["hash"] == prompt_hash(body["template"], body["parameters"], body["schema"])
        assert answer.headers["x-workbench-tags"] == f"prompt={name},prompt_version=1,prompt_alias=production"
        etag = {"if-none-match": answer.headers["etag"]}
        assert client.get(f"/v1/prompts/{name}@production", headers=etag).status_code == 304
        assert client.get(f"/v1/prompts/{name}@production?user=a&user_hash=b").status_code == 400
        waited = time.monotonic()
        assert client.get(f"/v1/prompts/changes?after={body['seq']}&wait=0").json()["changed"] == []
        assert time.monotonic() - waited < 10
