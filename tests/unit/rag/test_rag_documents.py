import os

import pytest

from workbench.errors import InvalidInput
from workbench.rag.documents import Limits, load_folder


def paths(folder, **options):
    return [document.path for document in load_folder(folder, **options).documents]


def test_documents_are_sorted_and_other_files_are_passed_over(folder):
    (folder / "picture.png").write_bytes(b"\x89PNG")
    assert paths(folder) == ["delivery/times.md", "returns.md", "warranty.txt"]


def test_hidden_files_and_folders_are_passed_over(folder):
    (folder / ".draft.md").write_text("secret")
    (folder / ".git").mkdir()
    (folder / ".git" / "notes.md").write_text("secret")
    assert len(paths(folder)) == 3


def test_a_link_that_leaves_the_folder_is_refused(folder, tmp_path):
    (tmp_path / "secret.md").write_text("secret")
    (folder / "link.md").symlink_to(tmp_path / "secret.md")
    (folder / "away").symlink_to(tmp_path)
    with pytest.raises(InvalidInput) as caught:
        load_folder(folder)
    assert "link.md: a link that leaves the folder" in caught.value.message
    assert "away: a link that leaves the folder" in caught.value.message


def test_a_link_inside_the_folder_is_read_once(folder):
    (folder / "same.md").symlink_to(folder / "returns.md")
    (folder / "round").symlink_to(folder)
    assert len(paths(folder)) == 3


def test_all_files_that_are_not_utf8_are_told_at_once_with_the_byte(folder):
    (folder / "a.md").write_bytes(b"caf\xe9")
    (folder / "b.txt").write_bytes(b"nul\x00")
    with pytest.raises(InvalidInput) as caught:
        load_folder(folder)
    assert "a.md: not UTF-8 at byte 3 (0xe9)" in caught.value.message
    assert "b.txt: holds NUL bytes" in caught.value.message


def test_unreadable_files_can_be_left_out_and_are_listed(folder):
    (folder / "a.md").write_bytes(b"caf\xe9")
    loaded = load_folder(folder, on_error="skip")
    assert len(loaded.documents) == 3
    assert [skipped.path for skipped in loaded.skipped] == ["a.md"]


def test_a_file_over_the_limit_is_not_read(folder):
    (folder / "big.md").write_text("x" * 2000)
    with pytest.raises(InvalidInput, match=r"big\.md: larger than 1,000 bytes"):
        load_folder(folder, limits=Limits(file_bytes=1000))


def test_too_many_documents_are_refused(folder):
    with pytest.raises(InvalidInput, match="more than 2 documents"):
        load_folder(folder, limits=Limits(files=2))


def test_a_pipe_with_the_name_of_a_document_is_refused_without_waiting(folder):
    os.mkfifo(folder / "pipe.md")
    with pytest.raises(InvalidInput, match=r"pipe\.md: not a regular file"):
        load_folder(folder)


def test_the_text_is_what_python_reads(folder):
    (folder / "windows.md").write_bytes("\ufeffone\r\ntwo\r".encode())
    document = next(d for d in load_folder(folder).documents if d.path == "windows.md")
    assert document.text == (folder / "windows.md").read_text("utf-8-sig") == "one\ntwo\n"


@pytest.mark.parametrize("name", ["missing", "docs/returns.md"])
def test_what_is_no_folder_is_refused(folder, name):
    with pytest.raises(InvalidInput, match=r"does not exist|is a file"):
        load_folder(folder.parent / name)
