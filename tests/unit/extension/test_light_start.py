"""Jupyter's start is not slowed, and neither is a kernel's."""

import json
import subprocess
import sys

import pytest

HEAVY = ("litellm", "mlflow", "torch", "openai", "pandas", "numpy", "faiss", "streamlit", "sentence_transformers")


def loaded_by(statement, names):
    code = f"import sys, json\n{statement}\nprint(json.dumps([n for n in {names!r} if n in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_loading_the_server_extension_loads_nothing_heavy():
    statement = "import workbench_jupyter\nworkbench_jupyter._jupyter_server_extension_points()"
    assert loaded_by(statement, (*HEAVY, "pydantic", "psutil")) == []


def test_loading_the_notice_into_a_kernel_loads_nothing_heavy():
    statement = "import workbench_jupyter.ipython"
    assert loaded_by(statement, (*HEAVY, "pydantic", "jupyter_server", "tornado")) == []


@pytest.mark.parametrize("module", ["workbench_jupyter.connection", "workbench.settings"])
def test_what_the_background_thread_loads_is_not_heavy_either(module):
    assert loaded_by(f"import {module}", HEAVY) == []
