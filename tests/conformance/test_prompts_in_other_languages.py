"""Published prompts without our client: curl, and a Java program of one file with the JDK's own HTTP client."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest
from bench import Bench
from sdks import DRIVERS

from workbench.client import Gateway
from workbench.testing.simulator import wait_until
from workbench.wire.prompt_assignment import gets_candidate, unit_of, user_hash

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(120)]
NAME = "greeting.short"


def need(program: str, package: str) -> str:
    found = shutil.which(program)
    assert found, f"`{program}` is missing: `apt-get install {package}`."
    return found


@pytest.fixture
def published(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> str:
    """A prompt that is half rolled out; return the rollout's id."""
    monkeypatch.setenv("WORKBENCH_IDENTITY_TOKEN", bench.gateway.owner_token)
    with Gateway(url=bench.gateway.url, key=bench.gateway.issue_key()) as author:
        for version, alias in ((1, "production"), (2, "canary")):
            text = [{"role": "user", "content": f'v{version} "{{{{m}}}}"'}]
            author.publish(NAME, version, text, alias=alias, parameters={"model": "gpt-4o-mini"}, reason="test")
        return str(author.start_rollout(NAME, plan={"steps": [50, 100]}, reason="test")["id"])


def test_a_java_program_of_one_file_loads_asks_and_rates(bench: Bench, published: str) -> None:
    java, gateway, key = need("java", "default-jdk-headless"), bench.gateway, bench.gateway.issue_key()
    user = "zoë@example.com"
    program = [java, "-Xshare:auto", str(DRIVERS / "PublishedPrompt.java")]
    done = subprocess.run(
        [*program, gateway.url, f"{NAME}@production", user, 'a "quoted" word'],
        capture_output=True, encoding="utf-8", timeout=60, check=False,
        env={**os.environ, "GATEWAY_KEY": key, "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = dict(line.split("=", 1) for line in done.stdout.splitlines())
    unit = unit_of(published, user_hash(user))
    arm, version = ("canary", "2") if gets_candidate(unit, 50) else ("production", "1")
    tags = (
        f"prompt={NAME},prompt_version={version},prompt_alias=production,rollout={published},arm={arm},"
        f"rollout_user={unit}"
    )
    assert told.pop("content").startswith('"')
    request = told.pop("request")
    assert told == {
        "loaded": "200", "version": version, "tags": tags, "arm": arm, "chosen here": arm, "again": "304",
        "answered": "200", "rated": "201",
    }  # fmt: skip
    sent = bench.simulator.requests[-1].body["messages"]
    assert sent == [{"role": "user", "content": f'v{version} "a "quoted" word"'}]
    with Gateway(url=gateway.url, key=key) as client:
        wait_until(lambda: client.calls(request), "the call has no row", seconds=10)
        (row,) = client.calls(request)
        assert (row["tags"]["rollout"], row["tags"]["arm"]) == (published, arm)


def test_curl_loads_a_prompt_and_hears_of_its_changes(bench: Bench, published: str) -> None:
    curl, root, key = need("curl", "curl"), bench.gateway.url, bench.gateway.issue_key()

    def get(path: str) -> dict:
        command = [curl, "-sS", "--fail-with-body", "-H", f"Authorization: Bearer {key}", f"{root}{path}"]
        return dict(json.loads(subprocess.run(command, capture_output=True, timeout=60, check=True).stdout))

    body = get(f"/v1/prompts/{NAME}@production?user=u123")
    arm = "canary" if gets_candidate(unit_of(published, user_hash("u123")), 50) else "production"
    assert (body["rollout"]["arm"], body["tags"]["arm"]) == (arm, arm)
    assert get(f"/v1/prompts/{NAME}@production")["version"] == 1
    assert f"{NAME}@production" in get("/v1/prompts/changes?after=0&wait=20")["changed"]
