"""From a mini-RFC to the environment of a running container: the whole way, by command line and over HTTP."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner, Result

from workbench.cli import main
from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.people import hub_of_people
from workbench.testing.simulated_gateway import KEY_VARIABLE, simulated_config
from workbench.testing.simulator import SimulatedProviders, wait_until
from workbench.tracking.run import RunRecord
from workbench.tracking.tracker import Tracker

PEOPLE: dict[str, dict[str, Any]] = {
    "ana": {}, "eve": {}, "ruth": {"groups": ["reviewers"]}, "rob": {"groups": ["reviewers"]},
    "adam": {"admin": True, "scopes": ["access:servers", "admin:users"]},
}  # fmt: skip
REVIEW = """
[identity.jupyterhub]
url = "{hub}"
[identity.roles.reviewer]
groups = ["reviewers"]
[review]
checklist = "checklist.yaml"
risk_text = "risks.md"
risk_version = "2026-1"
[review.groups.board]
"""
CHECKLIST = """
questions:
  - id: reader
    text: Who reads the answers?
    data_classes: [personal]
  - id: volume_known
    text: Is the volume measured?
    type: yes_no
    required: false
"""
RFC = """
name = "menu-images"
purpose = "Describe the dishes of a menu"
data_classes = ["personal"]
models = ["chatty"]
service_level = "online"
[volume]
calls_per_day = 1000
[answers]
reader = "The kitchen"
"""
APP = """
import json, os, openai, workbench
said = openai.OpenAI().chat.completions.create(model="chatty", messages=[{"role": "user", "content": "hello"}])
again = workbench.Gateway().chat("hello again", model="chatty")
mounted = json.load(open(os.environ["WORKBENCH_KEY_FILE"]))
same = mounted["key"] == os.environ["OPENAI_API_KEY"]
print(json.dumps([bool(said.choices[0].message.content), bool(again.text), same]))
"""


@pytest.fixture(scope="module")
def hub() -> Iterator[str]:
    with hub_of_people(PEOPLE) as url:
        yield url


@pytest.fixture(scope="module")
def gateway(
    providers: SimulatedProviders, hub: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningGateway]:
    home = tmp_path_factory.mktemp("company")
    (home / "checklist.yaml").write_text(CHECKLIST)
    (home / "risks.md").write_text("Models make mistakes; a person answers for what they say.")
    config = simulated_config(providers).replace("[providers.sim]", '[providers.sim]\ntrust = "assured"')
    with running_gateway(
        home, config=config + REVIEW.format(hub=hub), environ={KEY_VARIABLE: providers.credential}
    ) as running:
        yield running


class Shell:
    """The command line of several people at one gateway."""

    def __init__(self, gateway: RunningGateway) -> None:
        self._gateway = gateway
        self.said = ""

    def run(self, who: str, *words: str) -> Result:
        environ = {"WORKBENCH_GATEWAY_URL": self._gateway.url, "WORKBENCH_IDENTITY_TOKEN": f"token-of-{who}"}
        result = CliRunner().invoke(main, words, env=environ)
        self.said += result.output
        return result

    def does(self, who: str, *words: str) -> dict[str, Any]:
        """Return the JSON of a command that goes well."""
        result = self.run(who, *words, "--json")
        assert result.exit_code == 0, (words, result.output)
        return dict(json.loads(result.stdout))

    def fails(self, who: str, *words: str) -> str:
        """Return what a command says that does not."""
        result = self.run(who, *words)
        assert result.exit_code == 1, (words, result.output)
        return result.stderr


@pytest.fixture
def shell(gateway: RunningGateway) -> Shell:
    return Shell(gateway)


@pytest.fixture
def run_id(tracker: Tracker) -> str:
    """A run of four examples, two repeats each, that cost 1, 2, 3 and 4 thousandths of a dollar."""
    cells = pd.DataFrame(
        [
            {"example_id": str(number), "repeat": repeat, "error": None, "cost_usd": number / 1000, "latency_ms": 5.0}
            for number in (1, 2, 3, 4)
            for repeat in (0, 1)
        ]
    )
    return tracker.write_run(RunRecord(experiment="use-case", name="menu", tables={"cells.json": cells}))


def as_person(gateway: RunningGateway, who: str) -> httpx.Client:
    return httpx.Client(base_url=gateway.url, headers={"authorization": f"Bearer token-of-{who}"}, timeout=30)


def environment_of(path: Path) -> dict[str, str]:
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def environment_of_pod(secret: dict[str, Any], patch: dict[str, Any], mounts: Path) -> dict[str, str]:
    """Return what Kubernetes would make of a Secret and a Deployment; a mounted folder lies below `mounts`."""
    template = patch["spec"]["template"]["spec"]
    (container,) = template["containers"]
    volumes = {volume["name"]: volume["secret"] for volume in template["volumes"]}
    folders = {mount["mountPath"]: volumes[mount["name"]] for mount in container["volumeMounts"]}
    for folder, volume in folders.items():
        assert volume["secretName"] == secret["metadata"]["name"]
        (mounts / folder.lstrip("/")).mkdir(parents=True)
        for item in volume["items"]:
            (mounts / folder.lstrip("/") / item["path"]).write_text(secret["stringData"][item["key"]])
    environ: dict[str, str] = {}
    for variable in container["env"]:
        if "value" in variable:
            value = variable["value"]
            environ[variable["name"]] = str(mounts / value[1:]) if Path(value).parent.as_posix() in folders else value
        else:
            reference = variable["valueFrom"]["secretKeyRef"]
            assert reference["name"] == secret["metadata"]["name"]
            environ[variable["name"]] = secret["stringData"][reference["key"]]
    return environ


def run_app(environ: Mapping[str, str]) -> None:
    """Run the application with exactly this environment."""
    done = subprocess.run(
        [sys.executable, "-c", APP], check=False, env=dict(environ), capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [True, True, True]


def test_a_mini_rfc_becomes_the_environment_of_a_running_container(
    gateway: RunningGateway, shell: Shell, run_id: str, tracking_home: Path, tmp_path: Path
) -> None:
    (tmp_path / "rfc.toml").write_text(RFC)
    assert shell.does("ana", "usecase", "create", "--file", str(tmp_path / "rfc.toml"))["state"] == "draft"
    assert "has not acknowledged" in shell.fails("ana", "usecase", "submit", "menu-images", "--run", run_id)
    assert "Models make mistakes" in shell.run("ana", "usecase", "risks").stdout
    told = shell.does("ana", "usecase", "submit", "menu-images", "--run", run_id, "--acknowledge", "2026-1")
    assert (told["state"], told["risk_version"]) == ("submitted", "2026-1")
    projection = told["projection"]
    # Student's interval of 1, 2, 3, 4 with a pair added at the mean plus and minus 1.5: 2.5 +- 3.182 * sqrt(9.5) / 6.
    assert (projection["run_id"], projection["n"]) == (run_id, 4)
    assert projection["usd_per_call"] == pytest.approx(0.0025)
    assert projection["projected_usd_per_month"] == pytest.approx(2.5 * 30.4375)
    assert projection["high"] - projection["low"] == pytest.approx(2 * 3.18245 * 9.5**0.5 / 6 * 30.4375, rel=1e-4)

    assert shell.does("ruth", "usecase", "comment", "menu-images", "Who reads it?")["state"] == "in_review"
    changed = shell.does("ruth", "usecase", "request-changes", "menu-images", "--why", "Say when it ends")
    assert changed["state"] == "changes_requested"
    early = shell.fails("ruth", "usecase", "approve", "menu-images", "--why", "x")
    assert "is changes requested: approve can't be done" in early
    assert "its owner may edit or submit" in early
    shell.does("ana", "usecase", "edit", "menu-images", "--purpose", "Describe dishes until June", "--tier", "1")
    shell.does("ana", "usecase", "submit", "menu-images")
    first = shell.does("ruth", "usecase", "approve", "menu-images", "--why", "Fine", "--usd-total", "5", "--rpm", "600")
    assert first["state"] == "in_review"
    assert "needs another person" in shell.fails("ruth", "usecase", "approve", "menu-images", "--why", "Fine again")
    approved = shell.does("rob", "usecase", "approve", "menu-images", "--why", "Agreed")
    assert (approved["state"], approved["grant"]["budget"], approved["grant"]["tier"]) == (
        "approved",
        {"usd_total": 5.0},
        1,
    )

    deploy = ("deploy", "menu-images", "--output", str(tmp_path))
    env = shell.does("ana", *deploy, "--format", "env")
    kube = shell.does("ana", *deploy, "--format", "kubernetes", "--app", "menu")
    assert all(Path(path).stat().st_mode & 0o777 == 0o600 for told in (env, kube) for path in told["files"])
    assert "are there already" in shell.fails("ana", *deploy)
    run_app(environment_of(tmp_path / "menu-images.env"))
    secret = yaml.safe_load((tmp_path / "menu-images.secret.yaml").read_text())
    patch = yaml.safe_load((tmp_path / "menu-images.deployment.yaml").read_text())
    run_app(environment_of_pod(secret, patch, tmp_path / "pod"))

    with as_person(gateway, "adam") as admin:
        rows = admin.get("/admin/v1/calls", params={"use_case": "menu-images"}).raise_for_status().json()["data"]
    assert [(row["use_case"], row["owner"], row["status"]) for row in rows] == [("menu-images", "ana", 200)] * 4
    assert {row["key_id"] for row in rows} == {env["key_id"], kube["key_id"]}

    shown = shell.run("ana", "usecase", "show", "menu-images").stdout
    assert re.search(r"ruth +request-changes +changes_requested +Say when it ends", shown)
    shell.does("ana", "usecase", "retire", "menu-images", "--why", "The menu is done")
    key = environment_of(tmp_path / "menu-images.env")["OPENAI_API_KEY"]
    bearer = {"authorization": f"Bearer {key}"}
    wait_until(lambda: httpx.get(f"{gateway.url}/me", headers=bearer).status_code == 401, "its key lives", seconds=2)
    assert "is retired: key can't be done" in shell.fails("ana", "usecase", "key", "menu-images")
    secrets = re.findall(r"wbp-\w{20,}", shell.said)
    assert secrets == [], "a secret was printed"


def approved(shell: Shell, name: str) -> None:
    shell.does(
        "ana", "usecase", "create", name, "--purpose", "x", "--data-class", "internal", "--model", "chatty",
        "--calls-per-day", "1",
    )  # fmt: skip
    shell.does("ana", "usecase", "submit", name, "--acknowledge", "2026-1")
    shell.does("ruth", "usecase", "approve", name, "--why", "Fine")


def test_docker_compose_mounts_the_key_as_a_secret(shell: Shell, home: Path, tmp_path: Path) -> None:
    approved(shell, "compose")
    to = str(tmp_path / "out")
    result = shell.run("ana", "deploy", "compose", "--format", "docker-compose", "--output", to, "--app", "web")
    assert result.exit_code == 0, result.output
    assert "leads to this machine" in result.stderr
    assert "Rotate without a gap" in result.stdout
    document = yaml.safe_load((tmp_path / "out" / "compose.compose.yaml").read_text())
    service = document["services"]["web"]
    (mount,) = service["secrets"]
    assert service["environment"]["WORKBENCH_KEY_FILE"] == f"/run/secrets/{mount['target']}"
    mounted = json.loads((tmp_path / "out" / document["secrets"][mount["source"]]["file"]).read_text())
    assert set(mounted) == {"key", "expires_at", "gateway_url"}
    (env_file,) = service["env_file"]
    assert environment_of(tmp_path / "out" / env_file) == {"OPENAI_API_KEY": mounted["key"]}
    assert mounted["key"] not in (tmp_path / "out" / "compose.compose.yaml").read_text()
    assert mounted["key"] not in shell.said


def test_a_key_that_is_there_is_deployed_and_a_secret_is_printed_only_when_asked(
    shell: Shell, home: Path, tmp_path: Path
) -> None:
    approved(shell, "keyed")
    file = tmp_path / "key.json"
    issued = shell.does("ana", "usecase", "key", "keyed", "--key-file", str(file), "--model", "chatty")
    assert file.stat().st_mode & 0o777 == 0o600
    secret = json.loads(file.read_text())["key"]
    words = ("deploy", "keyed", "--key-file", str(file), "--gateway-url", "https://gateway.example.com")
    told = shell.does("ana", *words, "--output", str(tmp_path))
    assert told["key_id"] is None
    environ = environment_of(tmp_path / "keyed.env")
    assert (environ["OPENAI_API_KEY"], environ["OPENAI_BASE_URL"]) == (secret, "https://gateway.example.com/v1")
    assert secret not in shell.said
    assert secret in shell.run("ana", *words, "--print").stdout
    keys = shell.does("ana", "usecase", "show", "keyed")["keys"]
    assert [key["id"] for key in keys] == [issued["id"]], "no other key was issued"


def test_a_key_that_can_not_be_written_is_revoked_and_bad_names_issue_none(
    shell: Shell, home: Path, tmp_path: Path
) -> None:
    approved(shell, "unwritten")
    (tmp_path / "file").write_text("no folder")
    assert "was revoked" in shell.fails("ana", "deploy", "unwritten", "--output", str(tmp_path / "file" / "below"))
    assert "can't name a resource" in shell.fails("ana", "deploy", "unwritten", "--app", "No Name")
    assert "unquoted" in shell.fails("ana", "deploy", "unwritten", "--output", str(tmp_path / "with space"))
    for url in ("nowhere", "http://host/a b", "http://user:word@host"):
        assert "--gateway-url" in shell.fails("ana", "deploy", "unwritten", "--gateway-url", url)
    keys = shell.does("ana", "usecase", "show", "unwritten")["keys"]
    assert [key["revoked_at"] is not None for key in keys] == [True]
    assert "No use case" in shell.fails("eve", "deploy", "unwritten", "--output", str(tmp_path))


def test_what_was_granted_holds_for_all_its_keys_and_an_amendment_at_once(
    gateway: RunningGateway, shell: Shell, home: Path
) -> None:
    approved(shell, "amended")
    with as_person(gateway, "ana") as ana:
        keys = [ana.post("/use-cases/amended/keys", json={}).json()["key"] for _ in range(2)]

    def statuses() -> list[int]:
        body = {"model": "chatty", "messages": [{"role": "user", "content": "hello"}]}
        url = f"{gateway.url}/v1/chat/completions"
        return [httpx.post(url, json=body, headers={"authorization": f"Bearer {key}"}).status_code for key in keys]

    assert statuses() == [200, 200]
    shell.does("rob", "usecase", "amend", "amended", "--why", "Too dear", "--usd-total", "0")
    assert statuses() == [429, 429]
    shell.does("rob", "usecase", "amend", "amended", "--why", "Not so dear", "--usd-total", "5")
    assert statuses() == [200, 200]


def test_an_exploration_key_needs_the_text_on_risks_acknowledged_too(
    gateway: RunningGateway, shell: Shell, home: Path
) -> None:
    with as_person(gateway, "eve") as eve:
        refused = eve.post("/keys/exploration", json={})
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "acknowledgement_needed")
        shell.does("eve", "usecase", "acknowledge", "2026-1")
        assert eve.post("/keys/exploration", json={}).status_code == 201


def test_wrong_bodies_and_states_are_told_and_change_nothing(gateway: RunningGateway, shell: Shell, home: Path) -> None:
    approved(shell, "wrongs")
    with as_person(gateway, "ruth") as ruth, as_person(gateway, "ana") as ana:
        before = ana.get("/use-cases/wrongs").json()
        for path, body, status in (
            ("/use-cases", {"name": "Bad Name"}, 400),
            ("/use-cases", {"name": "ok", "nonsense": 1}, 400),
            ("/use-cases", {"name": "wrongs"}, 409),
            ("/use-cases/wrongs/submit", {}, 409),
            ("/use-cases/wrongs/comments", {"text": " "}, 400),
            ("/use-cases/wrongs/keys", {"models": ["*"]}, 403),
            ("/admin/v1/use-cases/wrongs/approve", {"why": "x", "tier": 9}, 400),
            ("/admin/v1/use-cases/wrongs/approve", {"why": "x", "budget": {"usd_total": -1}}, 400),
            ("/admin/v1/use-cases/wrongs/escalate", {"why": "x"}, 409),
            ("/admin/v1/use-cases/nothing/approve", {"why": "x"}, 404),
        ):
            answer = (ana if path.startswith("/use-cases") else ruth).post(path, json=body)
            assert answer.status_code == status, (path, body, answer.text)
        late = ruth.post("/admin/v1/use-cases/wrongs/approve", json={"why": "x"}).json()["error"]
        assert late["code"] == "wrong_state"
        assert "its owner may take a key" in late["message"]
        assert ana.get("/use-cases?state=nonsense").status_code == 400
        assert ana.get("/admin/v1/use-cases").status_code == 403
        assert len(ruth.get("/admin/v1/use-cases").json()["data"]) >= 1
        assert ana.get("/use-cases/wrongs").json() == before
