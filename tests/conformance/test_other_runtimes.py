"""SDKs that need more than this environment: openai-python 3, openai-node, and the JDK's own HTTP client.

.ci/run installs node, npm and a JDK and runs these; where one is missing here, the test says what to install.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import driver
import pytest
from bench import Bench
from expected import check
from sdks import DRIVERS, JAVA, NODE, OPENAI_3, InProcess, Program, Sdk, case_names

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(600)]

CACHE = Path(__file__).resolve().parents[2] / ".cache" / "conformance"
_NODE_PACKAGE = "openai@6.49.0"
_OPENAI_3 = "openai==3.54.0"


def need(program: str, package: str) -> str:
    found = shutil.which(program)
    assert found, f"`{program}` is missing: `apt-get install {package}`, or run .ci/run, which does."
    return found


@pytest.fixture(scope="session")
def openai_3(network: dict[str, str]) -> Iterator[Program]:
    """The driver of openai-python in an environment of its own, with openai 3."""
    folder = CACHE / "openai-3"
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, env=network)
        subprocess.run([str(python), "-m", "pip", "install", "-q", _OPENAI_3], check=True, env=network)
        (folder / "ready").touch()
    program = Program([str(python), str(DRIVERS / "openai_python.py")])
    yield program
    program.close()


@pytest.fixture(scope="session")
def node(network: dict[str, str]) -> Iterator[Program]:
    """The driver of openai-node."""
    folder = CACHE / "node"
    if not (folder / "node_modules" / "openai").exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"private": true}', "utf-8")
        install = [need("npm", "npm"), "install", "--no-audit", "--no-fund", "--silent", _NODE_PACKAGE]
        subprocess.run(install, check=True, cwd=folder, env=network)
    shared = {name: getattr(driver, name) for name in ("HELLO", "LETTERS", "SLOW", "TOOL_SCHEMA", "TOOL_NAMES")}
    shared |= {"PNG_BASE64": driver.PNG_BASE64, "WAV_BASE64": driver.WAV_BASE64}
    program = Program([need("node", "nodejs"), str(DRIVERS / "openai_node.mjs"), str(folder), json.dumps(shared)])
    yield program
    program.close()


def places(sdk: Sdk) -> list[Any]:
    return [pytest.param(lane, case, id=f"{lane}-{case}") for lane, case in sdk.places(case_names(sdk.driver))]


@pytest.mark.parametrize(("lane", "case"), places(OPENAI_3))
def test_openai_python_3_sees_what_its_protocol_promises(bench: Bench, openai_3: Program, lane: str, case: str) -> None:
    check(bench.see(OPENAI_3, lane, case, openai_3), case, "openai", lane)


def test_the_environment_of_openai_3_has_openai_3(openai_3: Program) -> None:
    assert openai_3.cases() == sorted(case_names("openai_python"))
    told = subprocess.run(
        [str(CACHE / "openai-3" / "bin" / "python"), "-c", "import openai; print(openai.__version__)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.startswith("3.")


@pytest.mark.parametrize(("lane", "case"), places(NODE))
def test_openai_node_sees_what_its_protocol_promises(bench: Bench, node: Program, lane: str, case: str) -> None:
    check(bench.see(NODE, lane, case, node), case, "openai-node", lane)


def test_no_case_of_openai_node_is_left_out(node: Program) -> None:
    assert node.cases() == sorted(case_names("openai_node"))


@pytest.mark.parametrize(("lane", "case"), places(JAVA))
def test_the_jdks_own_client_sees_what_the_protocol_promises(bench: Bench, lane: str, case: str) -> None:
    need("java", "default-jdk-headless")
    check(bench.see(JAVA, lane, case, InProcess("java_client")), case, "envelope", lane)
