"""Jupyter's contents managers, real ones: whatever way a notebook takes to the disk, no key comes with it."""

import asyncio
import base64
import inspect
import json
import logging

import pytest
from jupyter_server.services.contents.filecheckpoints import GenericFileCheckpoints
from jupyter_server.services.contents.filemanager import AsyncFileContentsManager, FileContentsManager
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager, LargeFileManager
from jupyter_server.services.contents.manager import ContentsManager
from nbformat import v4
from tornado.web import HTTPError
from traitlets.config import Config

from workbench.wire.key_format import new_secret
from workbench_jupyter.scrubbing.guard import LeakGuard
from workbench_jupyter.scrubbing.secrets import ServerSecrets

KEY = new_secret("wbx-")
MANAGERS = (FileContentsManager, LargeFileManager, AsyncFileContentsManager, AsyncLargeFileManager)
PATH = "menu.ipynb"


def notebook(source="ask()", text=KEY, **metadata):
    output = v4.new_output("stream", text=f"{text}\n")
    return v4.new_notebook(cells=[v4.new_code_cell(source, outputs=[output])], metadata=metadata)


def model(**options):
    return {"type": "notebook", "format": "json", "content": json.loads(json.dumps(notebook(**options)))}


def done(result):
    """Return the result of a manager that is asynchronous or not."""
    return asyncio.run(wait(result)) if inspect.isawaitable(result) else result


async def wait(result):
    return await result


def holders(folder):
    """Return the files below a folder that hold the key."""
    return [file for file in folder.rglob("*") if file.is_file() and KEY.encode() in file.read_bytes()]


def files(folder):
    return [file for file in folder.rglob("*.ipynb") if "[removed]" in file.read_text()]


def guarded(contents, *secrets):
    LeakGuard(lambda: secrets).install(contents)
    return contents


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "files").mkdir()
    return tmp_path / "files"


@pytest.fixture(params=MANAGERS, ids=lambda made: made.__name__)
def contents(request, folder):
    return guarded(request.param(root_dir=str(folder)))


def test_a_saved_notebook_and_its_checkpoint_hold_no_key(contents, folder):
    done(contents.save(model(), PATH))
    done(contents.create_checkpoint(PATH))
    assert holders(folder) == []
    assert len(files(folder)) == 2


def test_save_as_copy_and_rename_bring_no_key_along(contents, folder):
    done(contents.save(model(), PATH))
    done(contents.save(model(), "other.ipynb"))
    done(contents.copy(PATH))
    done(contents.rename("other.ipynb", "named.ipynb"))
    assert holders(folder) == []
    assert (folder / "named.ipynb").exists()
    assert (folder / "menu-Copy1.ipynb").exists()


def test_a_copy_of_a_file_that_a_program_wrote_holds_no_key(contents, folder):
    (folder / PATH).write_text(json.dumps(notebook()))
    done(contents.copy(PATH, "copied.ipynb"))
    assert holders(folder) == [folder / PATH]


def test_a_checkpoint_of_a_file_that_a_program_wrote_holds_no_key(contents, folder):
    (folder / PATH).write_text(json.dumps(notebook()))
    done(contents.create_checkpoint(PATH))
    assert holders(folder) == [folder / PATH]


def test_an_old_checkpoint_loses_its_keys_when_it_is_restored(contents, folder):
    done(contents.save(model(text="new"), PATH))
    [checkpoint] = folder.rglob("*-checkpoint.ipynb")
    checkpoint.write_text(json.dumps(notebook(text=f"old {KEY}")))
    done(contents.restore_checkpoint("checkpoint", PATH))
    assert "old wbx-[removed]" in (folder / PATH).read_text()


def test_an_old_checkpoint_loses_its_keys_at_the_first_save(contents, folder):
    (folder / ".ipynb_checkpoints").mkdir()
    checkpoint = folder / ".ipynb_checkpoints" / "menu-checkpoint.ipynb"
    checkpoint.write_text(json.dumps(notebook(text=f"old {KEY}")))
    checkpoint.chmod(0o640)
    done(contents.save(model(), PATH))
    assert "old wbx-[removed]" in checkpoint.read_text()
    assert checkpoint.stat().st_mode & 0o777 == 0o640


def test_a_notebook_that_is_saved_as_a_file_holds_no_key(contents, folder):
    text = json.dumps(notebook())
    as_bytes = base64.b64encode(text.encode()).decode()
    done(contents.save({"type": "file", "format": "text", "content": text}, "text.ipynb"))
    done(contents.save({"type": "file", "format": "base64", "content": as_bytes}, "bytes.ipynb"))
    assert holders(folder) == []
    assert len(files(folder)) == 2


def test_a_file_that_only_is_called_a_notebook_is_kept_to_the_byte(contents, folder):
    for name, text in (("broken.ipynb", f"{{ {KEY}"), ("clean.ipynb", '{"cells":[ ]}')):
        done(contents.save({"type": "file", "format": "text", "content": text}, name))
        assert (folder / name).read_text() == text


def test_what_somebody_wrote_into_a_text_file_stays(contents, folder):
    for name in ("call.py", "notes.txt", "data.json"):
        done(contents.save({"type": "file", "format": "text", "content": f'{{"key": "{KEY}"}}'}, name))
    assert len(holders(folder)) == 3


@pytest.mark.parametrize("made", [LargeFileManager, AsyncLargeFileManager])
def test_a_notebook_that_is_uploaded_in_pieces_holds_no_key_once_it_is_whole(made, folder):
    contents = guarded(made(root_dir=str(folder)))
    raw = json.dumps(notebook()).encode()
    middle = raw.index(KEY.encode()) + 9
    for chunk, piece in ((1, raw[:middle]), (-1, raw[middle:])):
        upload = {"type": "file", "format": "base64", "chunk": chunk, "content": base64.b64encode(piece).decode()}
        done(contents.save(upload, PATH))
    assert holders(folder) == []
    assert files(folder) == [folder / PATH]


# -- hooks of others ---------------------------------------------------------------------------------------------------


def sign(model, path, contents_manager):
    """Leave a trace in what is saved, and a key too: a hook that the user configured."""
    if model["type"] == "notebook":
        model["content"]["metadata"]["signed"] = f"{path} {KEY}"


@pytest.mark.filterwarnings("ignore:Overriding existing pre_save_hook")  # traitlets sets it twice
@pytest.mark.parametrize("made", MANAGERS)
def test_a_configured_hook_works_on_and_what_it_adds_is_scrubbed_too(made, folder):
    contents = guarded(made(root_dir=str(folder), pre_save_hook=sign))
    done(contents.save(model(), PATH))
    assert json.loads((folder / PATH).read_text())["metadata"]["signed"] == f"{PATH} wbx-[removed]"


def test_a_hook_that_is_configured_by_its_name_works_on(folder, tmp_path, monkeypatch):
    (tmp_path / "hooks_of_the_user.py").write_text(
        "def sign(model, **_):\n    model['content']['metadata']['signed'] = 'yes'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    config = Config(FileContentsManager={"pre_save_hook": "hooks_of_the_user.sign"})
    contents = guarded(FileContentsManager(root_dir=str(folder), config=config))
    contents.save(model(), PATH)
    assert json.loads((folder / PATH).read_text())["metadata"]["signed"] == "yes"
    assert holders(folder) == []


def test_registered_hooks_work_on_and_one_that_refuses_still_does(contents, folder):
    contents.register_pre_save_hook(sign)

    def refuse(model, path, **_):
        if path == "no.ipynb":
            raise HTTPError(400, "not this one")

    contents.register_pre_save_hook(refuse)
    done(contents.save(model(text="x"), PATH))
    assert "signed" in json.loads((folder / PATH).read_text())["metadata"]
    with pytest.raises(HTTPError, match="not this one"):
        done(contents.save(model(), "no.ipynb"))
    assert not (folder / "no.ipynb").exists()


class Shelf(ContentsManager):
    """A manager of another kind: it keeps models in memory and runs no hooks."""

    checkpoints_class = GenericFileCheckpoints

    def __init__(self, **options):
        super().__init__(**options)
        self.kept = {}

    def save(self, model, path):
        self.kept[path] = json.dumps(model)
        return {"path": path, "type": model["type"]}


def test_a_manager_that_runs_no_hooks_saves_no_key_either(folder):
    shelf = guarded(Shelf(root_dir=str(folder)))
    assert shelf.save(model(), PATH) == {"path": PATH, "type": "notebook"}
    assert KEY not in shelf.kept[PATH]
    assert "wbx-[removed]" in shelf.kept[PATH]


def test_a_guard_stands_once_at_a_manager(folder):
    guard, contents = LeakGuard(tuple), FileContentsManager(root_dir=str(folder))
    seen = []
    guard.before_save = lambda **arguments: seen.append(arguments["path"])
    guard.install(contents)
    guard.install(contents)
    contents.save(model(), PATH)
    assert seen == [PATH]


# -- sources, and what the server knows -----------------------------------------------------------------------------


def test_a_key_in_a_cell_becomes_a_mark_on_the_disk_and_the_log_says_so_once(contents, folder, caplog):
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            done(contents.save(model(source=f"Gateway(key='{KEY}')", text="x"), PATH))
    assert json.loads((folder / PATH).read_text())["cells"][0]["source"] in (
        ["Gateway(key='wbx-[removed]')"],
        "Gateway(key='wbx-[removed]')",
    )
    told = [record.getMessage() for record in caplog.records if "mark in the place of a key" in record.getMessage()]
    assert len(told) == 1
    assert PATH in told[0]
    assert KEY not in caplog.text


def test_secrets_of_the_server_are_scrubbed_by_value(folder, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", "credential-of-a-provider")
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "token-of-the-hub-0123456789")
    secrets = ServerSecrets(credentials=lambda: ["ANTHROPIC_API_KEY"], token=lambda: "token-of-this-server")
    secrets.add_key(KEY)
    contents = FileContentsManager(root_dir=str(folder))
    LeakGuard(secrets.all).install(contents)
    shown = f"credential-of-a-provider token-of-the-hub-0123456789 token-of-this-server {KEY[10:]}"
    contents.save(model(text=shown), PATH)
    text = "".join(json.loads((folder / PATH).read_text())["cells"][0]["outputs"][0]["text"])
    assert text == "[removed] [removed] [removed] wbx-[removed]\n"


def test_of_many_keys_the_newest_are_known_by_value(monkeypatch):
    secrets = ServerSecrets(credentials=tuple, token=str)
    for number in range(40):
        secrets.add_key(f"key-{number}")
    assert "key-39" in secrets.all()
    assert len(secrets.all()) < 40
