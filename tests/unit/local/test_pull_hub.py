from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from workbench.errors import Conflict, IntegrityError, InvalidInput, NotFound, Unavailable
from workbench.local import weights
from workbench.local.hub import HubFile

NAME = "hf:acme/tiny/tiny-Q8_0.gguf"


def test_both_ways_of_writing_a_hub_file_mean_the_same() -> None:
    assert HubFile.parse("hf:acme/tiny:sub/x.gguf") == HubFile.parse("hf:acme/tiny/sub/x.gguf")
    assert HubFile.parse("hf:acme/tiny/sub/X-Q4.gguf").model_name == "x-q4"
    for wrong in ("hf:acme", "hf:acme/tiny", "hf:acme/tiny/x.bin", "hf:/tiny/x.gguf", "hf:acme/tiny/../x.gguf"):
        with pytest.raises(InvalidInput):
            HubFile.parse(wrong)


def test_a_file_of_a_hub_becomes_a_model(home: Path, hub: Any, content: bytes) -> None:
    done = weights.pull(NAME, home=home, endpoint=hub.url, progress=False)
    assert done.changed
    assert done.installed.model.name == "tiny-q8_0"
    assert done.installed.path.read_bytes() == content
    assert done.installed.sha256 == hashlib.sha256(content).hexdigest()
    assert done.installed.source == f"{NAME}@c0ffee{'0' * 34}"
    hub.down = True
    assert not weights.pull(NAME, home=home, endpoint=hub.url, progress=False).changed


def test_a_name_of_ones_own_can_be_given(home: Path, hub: Any) -> None:
    weights.pull(NAME, home=home, endpoint=hub.url, save_as="little", progress=False)
    assert weights.path("little", home).is_file()
    hub.files["other.gguf"] = b"GGUF other"
    with pytest.raises(Conflict):
        weights.pull("hf:acme/tiny/other.gguf", home=home, endpoint=hub.url, save_as="little", progress=False)
    with pytest.raises(InvalidInput, match="is a model of the catalogue"):
        weights.pull(NAME, home=home, endpoint=hub.url, save_as="smollm2-135m")


def test_a_cut_download_is_no_model_and_the_next_pull_goes_on_from_there(home: Path, hub: Any, content: bytes) -> None:
    large = content * 12
    hub.files["tiny-Q8_0.gguf"] = large
    hub.cut_after = len(large) - 1_000_000
    with pytest.raises(Unavailable) as failure:
        weights.pull(NAME, home=home, endpoint=hub.url, progress=False)
    assert failure.value.error_code == "download_failed"
    with pytest.raises(NotFound):
        weights.path("tiny-q8_0", home)
    assert "tiny-q8_0" not in weights.known(home)
    hub.down, hub.cut_after, hub.asked = False, None, []
    done = weights.pull(NAME, home=home, endpoint=hub.url, progress=False)
    assert done.installed.path.read_bytes() == large
    ranges = [wanted for method, _, wanted in hub.asked if method == "GET"]
    # huggingface_hub writes pieces of 10 MiB: what a cut piece held comes again.
    assert ranges == [f"bytes={10 * 1024 * 1024}-"]


def test_a_file_that_changed_since_the_cut_starts_over(home: Path, hub: Any, content: bytes) -> None:
    hub.cut_after = 400_000
    with pytest.raises(Unavailable):
        weights.pull(NAME, home=home, endpoint=hub.url, progress=False)
    newer = content[::-1]
    newer = b"GGUF" + newer
    hub.files["tiny-Q8_0.gguf"] = newer
    hub.down, hub.cut_after = False, None
    assert weights.pull(NAME, home=home, endpoint=hub.url, progress=False).installed.path.read_bytes() == newer


def test_bytes_that_are_not_what_the_hub_states_are_refused_and_thrown_away(home: Path, hub: Any) -> None:
    hub.stated_sha256 = "ab" * 32
    with pytest.raises(IntegrityError, match="is not what the hub holds"):
        weights.pull(NAME, home=home, endpoint=hub.url, progress=False)
    assert not list((home / "models" / "tiny-q8_0").rglob("*.part"))
    hub.stated_sha256 = None
    assert weights.pull(NAME, home=home, endpoint=hub.url, progress=False).changed


def test_a_file_that_the_hub_has_not_is_not_found(home: Path, hub: Any) -> None:
    with pytest.raises(NotFound, match=r"hf:acme/tiny/absent\.gguf"):
        weights.pull("hf:acme/tiny/absent.gguf", home=home, endpoint=hub.url, progress=False)


def test_a_hub_that_does_not_answer_is_said_so(home: Path) -> None:
    with pytest.raises(Unavailable, match="could not be fetched"):
        weights.pull(NAME, home=home, endpoint="http://127.0.0.1:9", progress=False)
