"""The folder of key files, and what is left of it after a kill."""

import subprocess
import sys
from pathlib import Path

from workbench_jupyter.runtime_folder import RuntimeFolder

KILLED = """
import os, signal, sys
from pathlib import Path
from workbench_jupyter.runtime_folder import RuntimeFolder
folder = RuntimeFolder(Path(sys.argv[1]))
folder.key_file("k1").write_text("{}")
folder.name_key("k1", "key-1")
print(folder.path, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_only_the_owner_can_look_into_it(tmp_path):
    home = tmp_path / "home"
    folder = RuntimeFolder(home)
    for path in (folder.path, folder.path.parent, home / "run", home):
        assert path.stat().st_mode & 0o777 == 0o700
    folder.close()


def test_closing_leaves_nothing(tmp_path):
    folder = RuntimeFolder(tmp_path)
    folder.key_file("k1").write_text("{}")
    folder.close()
    folder.close()
    assert not folder.path.exists()


def test_what_a_killed_server_left_is_swept_and_its_keys_are_named(tmp_path):
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False, capture_output=True, text=True)
    left = Path(killed.stdout.strip())
    assert (left / "k1.json").exists()
    folder = RuntimeFolder(tmp_path)
    assert folder.leftovers == ("key-1",)
    assert not left.exists()
    folder.close()


def test_a_living_server_is_not_swept(tmp_path):
    living = RuntimeFolder(tmp_path)
    living.key_file("k1").write_text("{}")
    living.name_key("k1", "key-1")
    other = RuntimeFolder(tmp_path)
    assert other.leftovers == ()
    assert living.key_file("k1").exists()
    other.close()
    living.close()


def test_a_kernel_id_can_not_lead_out_of_it(tmp_path):
    folder = RuntimeFolder(tmp_path)
    assert folder.key_file("../../x").parent == folder.path
    folder.close()


def test_a_kernel_that_ended_leaves_no_file(tmp_path):
    folder = RuntimeFolder(tmp_path)
    folder.key_file("k1").write_text("{}")
    folder.name_key("k1", "key-1")
    folder.forget("k1")
    assert [path.name for path in folder.path.iterdir()] == ["server.lock"]
    folder.close()
