"""The house keeps its own rules: light front hall, one door for each vendor, a map that names every room."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tomllib
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

import workbench

REPO = Path(__file__).resolve().parents[2]
SOURCES = [*(REPO / "workbench").rglob("*.py"), *(REPO / "extension").rglob("*.py"), *(REPO / "apps").rglob("*.py")]
HEAVY = ("torch", "mlflow", "litellm", "openai", "streamlit", "pandas", "numpy", "faiss", "sentence_transformers",
         "jupyter_server", "sqlalchemy", "pydantic")  # fmt: skip


def imported(code: str) -> set[str]:
    """Return the top-level packages that a fresh interpreter holds after `code`."""
    listing = "; import json, sys; print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", code + listing], capture_output=True, text=True, check=True, cwd=REPO)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_the_workbench_loads_nothing_heavy() -> None:
    assert imported("import workbench").isdisjoint(HEAVY)


def test_every_public_name_loads_where_it_is_used() -> None:
    for name in workbench.__all__:
        assert getattr(workbench, name) is not None, name


def test_an_unknown_name_is_an_attribute_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match="no attribute 'gatway'"):
        workbench.gatway  # noqa: B018 - looking it up is the test


def test_every_version_that_is_pinned_suits_the_oldest_python_that_is_named() -> None:
    """The first Python of a line is what stable systems ship; what asks for a later one can't be set up there."""
    project = tomllib.loads((REPO / "pyproject.toml").read_text("utf-8"))["project"]
    oldest = project["requires-python"].strip(">=") + ".0"
    lines = (REPO / "constraints.txt").read_text("utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    told = {f"{found.name}=={found.version.split('+')[0]}": found for found in distributions()}
    asked = {pin: told[pin].metadata.get("Requires-Python") or "" for pin in pins if pin in told}
    assert len(asked) > len(pins) * 0.9, sorted(set(pins) - set(told))
    assert {pin: wish for pin, wish in asked.items() if not SpecifierSet(wish).contains(oldest)} == {}


@cache
def imports_of(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.split(".")[0])
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("need", "import_module") and node.args:
            names.add(str(getattr(node.args[0], "value", "")).split(".")[0])
    return names


DOORS = {
    "litellm": ["workbench/gateway/providers/litellm_"],
    # One door on each side of the wire: the gateway signs, the simulator verifies.
    "botocore": [
        "workbench/gateway/providers/signin/aws.py",
        "workbench/simulator/bedrock/signature.py",
        "workbench/client/bedrock.py",
    ],
    "google": ["workbench/gateway/providers/signin/google.py"],
    "azure": ["workbench/gateway/providers/signin/entra.py"],
    "mlflow": ["workbench/tracking/"],
    "openai": ["workbench/client/"],
    "streamlit": ["apps/"],
    "jupyter_server": ["extension/"],
    "xllamacpp": ["workbench/local/"],
    "faiss": ["workbench/rag/"],
    "rank_bm25": ["workbench/rag/"],
}


@pytest.mark.parametrize("vendor", DOORS)
def test_a_vendor_has_one_door(vendor: str) -> None:
    users = [str(path.relative_to(REPO)) for path in SOURCES if vendor in imports_of(path)]
    assert users, f"nothing imports {vendor}: the rule would hold by accident"
    assert [user for user in users if not user.startswith(tuple(DOORS[vendor]))] == []


def test_the_map_names_every_room() -> None:
    text = (REPO / "ARCHITECTURE.md").read_text("utf-8")
    rooms = [path.name for path in (REPO / "workbench").iterdir() if (path / "__init__.py").is_file()]
    assert [room for room in rooms if f"`{room}/`" not in text] == []


def test_no_room_is_called_after_what_has_no_noun() -> None:
    homeless = {"utils", "helpers", "common", "misc", "util"}
    assert [path for path in SOURCES if path.stem in homeless or path.parent.name in homeless] == []
