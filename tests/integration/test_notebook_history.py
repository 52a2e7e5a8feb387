"""`wb.history()` in a real kernel before a real gateway: what a notebook asked, as a table and as a dataset."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import workbench as wb
from workbench.testing.gateway import RunningGateway
from workbench.testing.kernel import Kernel, running_kernel
from workbench.testing.simulated_gateway import simulated_gateway
from workbench.testing.simulator import SimulatedProviders
from workbench.wire.key_file import MountedKey, write_key_file

FIRST, SECOND = "trips/müsli, café.ipynb", "other.ipynb"
SHOW = "history = wb.history(); print(history.frame[['model', 'outcome', 'cell']].to_string(index=False, header=False))"


@pytest.fixture(scope="module")
def gateway(providers: SimulatedProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    with simulated_gateway(tmp_path_factory.mktemp("history") / "home", providers) as running:
        yield running


@pytest.fixture(scope="module")
def kernel(gateway: RunningGateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    folder = tmp_path_factory.mktemp("kernel")
    key_file = folder / "key" / "kernel.json"
    write_key_file(key_file, MountedKey(gateway.issue_key(), None, gateway.url))
    environ = {"WORKBENCH_KEY_FILE": str(key_file), "WORKBENCH_HOME": str(folder / "home"), "JPY_SESSION_NAME": FIRST}
    with running_kernel(environ) as running:
        running.run("import os, workbench as wb, pandas as pd")
        yield running


def named(kernel: Kernel, notebook: str) -> None:
    kernel.run(f"os.environ['JPY_SESSION_NAME'] = {notebook!r}")


def test_calls_of_this_notebook_are_told_with_their_cells(kernel: Kernel, gateway: RunningGateway) -> None:
    named(kernel, FIRST)
    kernel.run("_ = wb.chat('one', model='chatty')", cell_id="cell-a")
    kernel.run("%%prompt -m chatty\ntwo", cell_id="cell-b")
    kernel.run("df = pd.DataFrame({'n': [1, 2]})")
    kernel.run("_ = df.wb.prompt('{{n}}', model='chatty', confirm=True, progress=False)", cell_id="cell-c")
    kernel.run("wb.chat('nobody', model='nosuch')", cell_id="cell-d")
    named(kernel, SECOND)
    kernel.run("_ = wb.chat('elsewhere', model='chatty')", cell_id="cell-e")
    named(kernel, FIRST)
    lines = [" ".join(line.split()) for line in kernel.run(SHOW).printed.splitlines()]
    assert lines == ["nosuch refused cell-d", *["chatty ok cell-c"] * 2, "chatty ok cell-b", "chatty ok cell-a"]
    shown = kernel.run("history")
    assert f"{FIRST}: 5 calls, 0.0" in shown.texts()[0]
    assert "cell-b" in shown.texts("text/html")[0]
    assert kernel.run(f"len(wb.history({SECOND!r}))").texts() == ["1"]


def test_history_becomes_a_dataset_of_what_was_asked_and_answered(kernel: Kernel) -> None:
    named(kernel, "dataset.ipynb")
    kernel.run("_ = wb.chat('what is a fig?', model='chatty'); _ = wb.Gateway().embed(['a fig'], model='vectors')")
    kernel.run(
        "asked = [{'role': 'system', 'content': 'be brief'}, {'role': 'user', 'content': 'a plum?'}]\n"
        "_ = wb.chat(asked, model='chatty')"
    )
    ran = kernel.run("data = wb.history().dataset('asked'); [(e.inputs['question'], e.expected) for e in data]")
    assert ran.texts() == ["[('what is a fig?', 'echo: what is a fig?'), ('a plum?', 'echo: a plum?')]"]
    assert kernel.run("data[1].inputs['messages'][0]['content'], data.name").texts() == ["('be brief', 'asked')"]


def test_a_notebook_that_asked_nothing_has_an_empty_history(kernel: Kernel) -> None:
    named(kernel, "silent.ipynb")
    assert kernel.run("h = wb.history(); len(h), len(h.frame), len(h.dataset())").texts() == ["(0, 0, 0)"]


def test_without_a_notebooks_name_they_are_the_kernels_calls(
    gateway: RunningGateway, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_file = home / "key" / "kernel.json"
    write_key_file(key_file, MountedKey(gateway.issue_key(), None, gateway.url))
    monkeypatch.setenv("WORKBENCH_KEY_FILE", str(key_file))
    wb.chat("one", model="chatty")
    assert repr(wb.history()).startswith("History(this kernel: 1 call, ")
