"""Every notebook as a file: short, promising something at its top, checking it at its end, with nothing left in it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import nbformat
import pytest

from workbench.cli.demo.stage import notebooks_folder

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
PATHS = sorted(FOLDER.glob("*.ipynb"))
TRIPS = ("01-first-call", "02-compare-prompts", "03-ingest-documents", "04-ask-with-sources", "05-rate-and-learn",
         "06-promote-a-prompt", "07-menu-images")  # fmt: skip
LEAKS = {
    "an absolute path": re.compile(r"""["'(\s](/(?:home|root|tmp|work|Users|usr|var)/|[A-Z]:\\)"""),
    "a key": re.compile(r"\b(wb[xpr]-\w{20}|sk-\w{10}|AKIA\w{12})"),
}


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def notebook(request: pytest.FixtureRequest) -> nbformat.NotebookNode:
    return nbformat.read(request.param, as_version=4)


def code(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_there_is_one_for_each_trip_and_the_demos() -> None:
    assert [path.stem for path in PATHS] == [*TRIPS, "demo"]


def test_the_wheel_carries_them_with_their_data_to_where_the_demo_looks() -> None:
    project = tomllib.loads((FOLDER.parent / "pyproject.toml").read_text("utf-8"))
    carried = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert carried["notebooks"] == "workbench/notebooks"
    assert notebooks_folder() == FOLDER  # in a clone; the same function finds them in the wheel


def test_it_is_valid(notebook: nbformat.NotebookNode) -> None:
    nbformat.validate(notebook)


def test_it_starts_with_its_title_and_what_the_reader_will_have(notebook: nbformat.NotebookNode) -> None:
    first = notebook.cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")
    assert "**At the end you will have**" in first.source


def test_it_has_at_most_twelve_code_cells(notebook: nbformat.NotebookNode) -> None:
    assert 1 <= len(code(notebook)) <= 12


def test_its_outputs_are_stripped(notebook: nbformat.NotebookNode) -> None:
    assert [cell.id for cell in code(notebook) if cell.outputs or cell.execution_count] == []


def test_its_last_cell_asserts_the_promise(notebook: nbformat.NotebookNode) -> None:
    assert notebook.cells[-1].cell_type == "code"
    assert re.search(r"^\s*assert ", notebook.cells[-1].source, flags=re.MULTILINE)


@pytest.mark.parametrize("what", LEAKS)
def test_it_holds_no(what: str, notebook: nbformat.NotebookNode) -> None:
    assert LEAKS[what].search(nbformat.writes(notebook)) is None


def test_what_it_reads_lies_beside_it(notebook: nbformat.NotebookNode) -> None:
    named = set(re.findall(r'"(data/[\w./-]+)"', "\n".join(cell.source for cell in code(notebook))))
    assert [name for name in named if not (FOLDER / name).exists()] == []
