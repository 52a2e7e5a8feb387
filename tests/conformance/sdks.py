"""The SDKs, a row each: its driver, the provider that it belongs to, and the lanes by which it is driven.

`direct` goes to the simulator, `native` through the gateway's reverse proxy, `unified` through the gateway's /v1.
"""

from __future__ import annotations

import ast
import importlib
import json
import re
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from driver import Cases, Target
from driver import run as run_case

DRIVERS = Path(__file__).with_name("drivers")
THROUGH = ("native", "unified")


@dataclass(frozen=True)
class Sdk:
    """One SDK."""

    name: str
    """What it is called in the table."""
    driver: str
    """Its file in `drivers`."""
    provider: str
    """The provider whose protocol it speaks, and the first segment of its native path."""
    path: str = ""
    """What follows the host in its base URL."""
    flavour: str = ""
    """See `Target.flavour`."""
    lanes: tuple[str, ...] = ("direct", "native")
    """How it is driven."""
    without: tuple[str, ...] = ()
    """Cases of its driver that its provider has nothing for."""

    @property
    def protocol(self) -> str:
        """Return the family of errors and finish reasons that it knows."""
        family = {"azure": "openai"}
        return family.get(self.provider, self.provider)

    def __str__(self) -> str:
        return self.name

    def places(self, cases: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Yield each lane with each of the cases that are for it."""
        for lane in self.lanes:
            yield from ((lane, case) for case in cases if case not in self.without)


_ALL = ("direct", "native", "unified")
IN_PROCESS = (
    Sdk("openai-python", "openai_python", "openai", "/v1", lanes=_ALL),
    Sdk("AzureOpenAI", "openai_python", "azure", flavour="azure", without=("models", "moderation", "completion")),
    Sdk("anthropic", "anthropic_python", "anthropic"),
    Sdk("boto3", "bedrock_boto3", "bedrock"),
    Sdk("google-genai (Gemini)", "google_genai", "gemini", flavour="gemini", without=("image",)),
    Sdk("google-genai (Vertex)", "google_genai", "vertex", flavour="vertex"),
    Sdk("LangChain (OpenAI)", "langchain_chat", "openai", "/v1", lanes=_ALL),
    Sdk("LangChain (Anthropic)", "langchain_chat", "anthropic", flavour="anthropic", without=("embeddings",)),
    Sdk("LlamaIndex", "llamaindex_openai", "openai", "/v1", lanes=_ALL),
    Sdk("litellm (OpenAI)", "litellm_client", "openai", "/v1", lanes=_ALL),
    Sdk(
        "litellm (Anthropic)", "litellm_client", "anthropic", flavour="anthropic", without=("embeddings", "cancel")
    ),  # its stream has no close
)
"""Those that run in this process."""
OPENAI_3 = Sdk("openai-python 3", "openai_python", "openai", "/v1", lanes=_ALL)
NODE = Sdk("openai-node", "openai_node", "openai", "/v1", lanes=_ALL)
JAVA = Sdk("Java", "java_client", "openai", "/v1", lanes=_ALL)


@cache
def case_names(driver: str) -> tuple[str, ...]:
    """Return the names of a driver's cases without importing it: the SDKs take seconds, and collecting is for all."""
    path = DRIVERS / f"{driver}.py"
    if not path.exists():
        text = (DRIVERS / f"{driver}.mjs").read_text("utf-8")
        table = text.partition("const cases = {")[2].partition("\n};")[0]
        return tuple(re.findall(r"^  (?:async )?(\w+)[(:]", table, re.MULTILINE))
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "CASES" and isinstance(node.value, ast.Dict):
            return tuple(ast.literal_eval(key) for key in node.value.keys if key is not None)
    raise LookupError(f"{path} has no table CASES")


class InProcess:
    """Runs a driver's cases here."""

    def __init__(self, driver: str) -> None:
        self._cases: Cases = importlib.import_module(driver).CASES

    def run(self, case: str, target: Target) -> dict[str, Any]:
        return run_case(self._cases, case, target)


class Program:
    """A driver that runs as a program of its own, in another environment or another language."""

    def __init__(self, command: list[str]) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8", cwd=DRIVERS
        )

    def cases(self) -> list[str]:
        return list(self._ask({"case": "?"}))

    def run(self, case: str, target: Target) -> dict[str, Any]:
        told = {**vars(target), "models": dict(target.models)}
        return dict(self._ask({"case": case, "target": told}))

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()

    def _ask(self, order: Any) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, f"the driver ended with exit code {self._process.wait(timeout=10)}"
        return json.loads(line)
