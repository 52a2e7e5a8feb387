"""Builds the panel of JupyterLab into the wheel, where there is Node.js; an install never fails for it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE = Path(__file__).resolve().parent / "panel"
BUILT = SOURCE.parent / "workbench_jupyter" / "labextension"
INSTALLED = "share/jupyter/labextensions/genai-workbench-panel"
MADE_OF = ".made-of"
_JLPM = "from jupyter_builder.jlpm import main; main()"
_PATIENCE = 240.0  # seconds for one step: a network that is closed keeps nobody


class PanelHook(BuildHookInterface):
    """What hatchling asks before it makes a wheel, editable or not."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the panel unless it stands there as its sources say, and have it installed where JupyterLab looks."""
        problem = build()
        if problem:
            self.app.display_warning(f"JupyterLab gets no panel: {problem}")
        if (BUILT / "package.json").exists():
            build_data["shared_data"][str(BUILT)] = INSTALLED


def build() -> str | None:
    """Build the panel; return why not, where it can't be built: then none stands there."""
    made_of = _sources()
    if (BUILT / MADE_OF).exists() and (BUILT / MADE_OF).read_text("utf-8") == made_of:
        return None
    shutil.rmtree(BUILT, ignore_errors=True)
    if not (shutil.which("node") or shutil.which("nodejs")):
        return "there is no Node.js to build it with."
    for step in (("install", "--immutable"), ("build",)):
        problem = _run(*step)
        if problem:
            shutil.rmtree(BUILT, ignore_errors=True)
            return problem
    (BUILT / MADE_OF).write_text(made_of, "utf-8")
    return None


def _run(*step: str) -> str | None:
    command = [sys.executable, "-c", _JLPM, *step]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    try:
        done = subprocess.run(
            command, cwd=SOURCE, env={**os.environ, "PATH": path, "CI": ""}, timeout=_PATIENCE, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"`jlpm {' '.join(step)}`: {error}"
    if done.returncode:
        return f"`jlpm {' '.join(step)}` ended with exit code {done.returncode}:\n{done.stdout[-2000:]}"
    return None


def _sources() -> str:
    """Return a hash of everything that the panel is made of."""
    digest = hashlib.sha256()
    for path in sorted([*SOURCE.glob("*.*"), *SOURCE.glob("src/*"), *SOURCE.glob("style/*"), SOURCE / ".yarnrc.yml"]):
        if path.is_file():
            digest.update(f"{path.relative_to(SOURCE)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(build())
