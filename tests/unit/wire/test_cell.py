"""Which cell a call is tagged with."""

import pytest

from workbench.gateway.ledger.tags import read_tags
from workbench.wire.cell import Cell, CellFile, as_tag, with_tags


@pytest.fixture
def cell_file(tmp_path):
    return CellFile(tmp_path / "k.json")


def test_what_a_kernel_tells_is_what_calls_are_tagged_with(cell_file, tmp_path):
    assert cell_file.tags == {}
    cell_file.write(Cell("/home/ana/first.ipynb", "c1", 1))
    assert cell_file.tags == {"notebook": "/home/ana/first.ipynb", "cell": "c1"}
    CellFile(tmp_path / "k.json").write(Cell("/home/ana/first.ipynb", "c2", 2))
    assert cell_file.tags["cell"] == "c2"
    assert cell_file.read() == Cell("/home/ana/first.ipynb", "c2", 2)


def test_a_kernel_without_a_notebook_tags_nothing(cell_file):
    cell_file.write(Cell(None, None, 1))
    assert cell_file.tags == {}


def test_a_file_of_another_shape_tags_nothing(cell_file):
    for text in ("", "[]", "{}", "null", '{"notebook": 1'):
        cell_file.path.write_text(text)
        assert cell_file.tags == {}


def test_only_the_owner_reads_it(cell_file):
    cell_file.write(Cell("n", "c", 1))
    assert cell_file.path.stat().st_mode & 0o777 == 0o600


def test_nothing_is_told_once_the_folder_is_gone(tmp_path):
    CellFile(tmp_path / "gone" / "k.json").write(Cell("n", "c", 1))
    assert not (tmp_path / "gone").exists()


@pytest.mark.parametrize(
    "name", ["a,b=c.ipynb", "Menü für Zürich.ipynb", "50%.ipynb", "n\nx", "ü" * 300, " ", "a" * 999]
)
def test_any_name_of_a_notebook_makes_a_tag_that_the_gateway_takes(name):
    header = with_tags("", {"notebook": as_tag(name)})
    assert header.isascii()
    read_tags(header.encode())


def test_what_the_caller_tagged_stays(cell_file):
    tags = {"notebook": "n", "cell": "c"}
    assert with_tags("team=menu, cell=mine", tags) == "team=menu, cell=mine,notebook=n"
    assert with_tags("", tags) == "notebook=n,cell=c"
    assert with_tags("notebook=a,cell=b", tags) == "notebook=a,cell=b"
