"""The search from this side: start its process, answer what it asks, end it."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from workbench.errors import MissingComponent, Unavailable

Answer = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""What answers a message of the search; `{"stop": True}` ends it."""
PYTHON = (sys.executable, "-s", "-P")
"""Nothing of the user's site or of the folder is imported; `-I` would do so too, and ignore the environment."""
ENVIRONMENT = {"PYTHONHASHSEED": "0"}
"""All of it. Hashes of texts order some of the search's sets: the same seed is to search the same way."""
_GRACE = 5.0


def search(job: Mapping[str, Any], answer: Answer) -> None:
    """Run one search to its end. Raises MissingComponent without GEPA, Unavailable where its process fails.

    The process gets an environment and a folder of its own: no key, no gateway, no data but what `answer` gives it.
    """
    if find_spec("gepa") is None:
        raise MissingComponent("Optimising needs the package gepa.", hint="pip install 'genai-workbench[tracking]'")
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "errors").open("w+") as errors:
        process = subprocess.Popen(
            [*PYTHON, str(Path(__file__).with_name("searcher.py"))], env=ENVIRONMENT, cwd=folder, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
        )  # fmt: skip
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            _write(process, job)
            for line in process.stdout:
                told = answer(json.loads(line))
                _write(process, told)
                if told.get("stop"):
                    break
            process.stdin.close()
            if process.wait(_GRACE) != 0:
                errors.seek(0)
                said = errors.read().strip().splitlines()
                raise Unavailable(f"The search ended with an error: {said[-1] if said else 'no word'}.")
        except BrokenPipeError as error:
            errors.seek(0)
            raise Unavailable(f"The search's process died: {errors.read().strip()[-500:]}") from error
        except subprocess.TimeoutExpired:
            pass  # it has nothing more to say
        finally:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()


def _write(process: subprocess.Popen[str], message: Mapping[str, Any]) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(message) + "\n")
    process.stdin.flush()
