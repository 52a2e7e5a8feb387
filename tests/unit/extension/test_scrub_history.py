"""What IPython keeps of the cells that were run: no key, in no file; the cell itself runs as it was written."""

import sqlite3

import pytest
from IPython.core.interactiveshell import InteractiveShell

from workbench.wire.key_format import new_secret
from workbench_jupyter.scrubbing.history import guard_history

KEY = new_secret("wbx-")


@pytest.fixture
def shell(tmp_path):
    shell = InteractiveShell(ipython_dir=str(tmp_path))
    shell.history_manager.db_log_output = True
    guard_history(shell)
    yield shell
    shell.history_manager.end_session()


def kept(tmp_path, table, column):
    [file] = tmp_path.rglob("history.sqlite")
    with sqlite3.connect(file) as database:
        return [text for (text,) in database.execute(f"SELECT {column} FROM {table}")]


def test_a_typed_key_runs_and_neither_history_nor_the_list_of_inputs_keeps_it(shell, tmp_path, capsys):
    assert shell.run_cell(f"key = '{KEY}'\nkey", store_history=True).result == KEY
    assert "leave it out" in capsys.readouterr().err
    shell.history_manager.writeout_cache()
    assert kept(tmp_path, "history", "source_raw") == ["key = 'wbx-[removed]'\nkey"]
    assert kept(tmp_path, "output_history", "output") == ["'wbx-[removed]'"]
    assert KEY not in "".join([*shell.user_ns["In"], shell.user_ns["_i1"]])
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and KEY.encode() in file.read_bytes()]


def test_other_cells_are_kept_as_they_are_and_nothing_is_told(shell, tmp_path, capsys):
    shell.run_cell("%time 1 + 1", store_history=True)
    assert "leave it out" not in capsys.readouterr().err
    shell.history_manager.writeout_cache()
    assert kept(tmp_path, "history", "source_raw") == ["%time 1 + 1"]
    assert kept(tmp_path, "history", "source") == ["get_ipython().run_line_magic('time', '1 + 1')"]
