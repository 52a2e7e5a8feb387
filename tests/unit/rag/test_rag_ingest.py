import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from filelock import FileLock

from workbench.errors import Conflict, InvalidInput
from workbench.rag import Chunking, Index, ingest
from workbench.rag.ingest import IngestReport


def run(folder, place, embedder, **options) -> IngestReport:
    return ingest(folder, place, embedder=embedder, progress=False, **options)


def files(place):
    return {
        path.name: (path.stat().st_mtime_ns, path.stat().st_ino) for path in place.iterdir() if path.suffix != ".lock"
    }


def found(place, embedder, query):
    return [hit.chunk.text for hit in Index.open(place, embedder=embedder).search(query, mode="bm25")]


def test_a_folder_is_ingested_and_found_again(folder, place, embedder):
    report = run(folder, place, embedder)
    assert report.added == ("delivery/times.md", "returns.md", "warranty.txt")
    assert (report.chunks, report.embedded) == (4, 4)
    assert found(place, embedder, "express")[0].endswith("Express delivery takes 1 working day.")


def test_second_ingest_of_an_unchanged_folder_writes_and_embeds_nothing(folder, place, embedder):
    run(folder, place, embedder)
    before, embedder.texts = files(place), []
    report = run(folder, place, embedder)
    assert not report.written
    assert len(report.unchanged) == 3
    assert files(place) == before
    assert embedder.texts == []


def test_only_what_changed_is_embedded(folder, place, embedder):
    run(folder, place, embedder)
    embedder.texts = []
    text = (folder / "returns.md").read_text("utf-8")
    (folder / "returns.md").write_text(text.replace("30 days", "45 days"), "utf-8")
    (folder / "new.md").write_text("# New\n\nA page about gift cards.\n", "utf-8")
    report = run(folder, place, embedder)
    assert (report.added, report.changed) == (("new.md",), ("returns.md",))
    assert report.embedded == 2
    assert [text.split("\n")[0] for text in embedder.texts[1:]] == ["New", "Returns > How long you have"]
    assert found(place, embedder, "45") == ["You can return an item within 45 days after it was delivered."]
    assert found(place, embedder, "30") == []


def test_vectors_stay_with_their_chunks_over_many_changes(folder, place, embedder):
    run(folder, place, embedder)
    (folder / "a.md").write_text("First in the order of paths.", "utf-8")
    (folder / "warranty.txt").unlink()
    run(folder, place, embedder)
    index = Index.open(place, embedder=embedder)
    for chunk in index.chunks:
        best = index.search(chunk.indexed_text, k=1, mode="vector")[0]
        assert best.chunk.id == chunk.id
        assert best.vector == pytest.approx(1)


def test_a_removed_document_is_gone_and_nothing_is_embedded(folder, place, embedder):
    run(folder, place, embedder)
    embedder.texts = []
    (folder / "warranty.txt").unlink()
    report = run(folder, place, embedder)
    assert report.removed == ("warranty.txt",)
    assert embedder.texts == []
    assert found(place, embedder, "furniture") == []
    assert len(list(place.glob("chunks-*"))) == 1


def test_another_chunking_cuts_everything_anew(folder, place, embedder):
    run(folder, place, embedder)
    report = run(folder, place, embedder, chunking=Chunking(size=50, overlap=0))
    assert len(report.changed) == 3
    assert report.chunks > 4
    assert run(folder, place, embedder).unchanged == report.changed  # the chunking is kept


def test_another_folder_does_not_replace_the_first_by_mistake(folder, place, embedder, tmp_path):
    run(folder, place, embedder)
    other = tmp_path / "other"
    other.mkdir()
    (other / "x.md").write_text("Other text.", "utf-8")
    with pytest.raises(Conflict, match="would remove its 3 documents"):
        run(other, place, embedder)
    report = run(other, place, embedder, replace=True)
    assert report.added == ("x.md",)
    assert Index.open(place, embedder=embedder).manifest.generation == 2


def test_another_model_is_refused_and_the_index_stays(folder, place, embedder, make_embedder):
    run(folder, place, embedder)
    with pytest.raises(Conflict, match="'hash', not 'other'"):
        run(folder, place, make_embedder("other"))
    assert len(Index.open(place, embedder=embedder)) == 4


def test_a_model_that_changed_under_its_name_is_noticed_when_something_is_embedded(
    folder, place, embedder, make_embedder
):
    run(folder, place, embedder)
    (folder / "new.md").write_text("Something new.", "utf-8")
    with pytest.raises(Conflict, match="not the one that made the index"):
        run(folder, place, make_embedder(salt="another"))


def test_a_folder_without_documents_does_not_empty_an_index(folder, place, embedder):
    run(folder, place, embedder)
    for path in folder.rglob("*.*"):
        path.unlink()
    with pytest.raises(InvalidInput, match="holds no documents"):
        run(folder, place, embedder)
    assert len(Index.open(place, embedder=embedder)) == 4
    assert len(run(folder, place, embedder, allow_empty=True).removed) == 3
    assert Index.open(place, embedder=embedder).search("refund") == []


def test_a_folder_with_other_files_becomes_no_index(folder, place, embedder):
    place.mkdir()
    (place / "thesis.docx").write_text("years of work")
    with pytest.raises(Conflict, match="holds other files"):
        run(folder, place, embedder)


def test_a_second_writer_waits_and_then_says_so(folder, place, embedder):
    run(folder, place, embedder)
    # In a thread, since a lock lets the thread that holds it in again.
    with FileLock(place / "writer.lock"), ThreadPoolExecutor(1) as other:
        waiting = other.submit(run, folder, place, embedder, lock_timeout=0.05)
        with pytest.raises(Conflict, match="Another process is writing"):
            waiting.result()


class Disk:
    """The machine's own file calls, of which the n-th fails."""

    def __init__(self, monkeypatch, fail_at):
        self.calls = 0
        self._fail_at = fail_at
        for name in ("fsync", "replace", "unlink"):
            monkeypatch.setattr(os, name, self._counted(getattr(os, name)))

    def _counted(self, call):
        def counted(*args, **kwargs):
            self.calls += 1
            if self.calls == self._fail_at:
                raise OSError(28, "No space left on device")
            return call(*args, **kwargs)

        return counted


def test_a_failure_at_any_write_leaves_the_old_index_or_the_new_one_whole(folder, place, embedder):
    run(folder, place, embedder)
    fail_at, seen = 1, set()
    while True:
        (folder / "new.md").write_text(f"A page that says {fail_at}.", "utf-8")
        with pytest.MonkeyPatch.context() as monkeypatch:
            disk = Disk(monkeypatch, fail_at)
            try:
                run(folder, place, embedder)
                break
            except OSError:
                pass
        index = Index.open(place, embedder=embedder)
        texts = {chunk.text for chunk in index.chunks}
        new = f"A page that says {fail_at}." in texts
        seen.add(new)
        assert len(texts) in (4, 5)
        assert all(index.search(text, k=1, mode="vector") for text in texts)
        assert disk.calls == fail_at
        fail_at += 1
    assert fail_at > 10
    assert seen == {False, True}
    assert len(list(place.iterdir())) == 5  # the next ingest has cleared away what the failed ones left


def test_readers_see_a_whole_index_while_it_is_written(folder, place, embedder):
    run(folder, place, embedder)
    done = threading.Event()
    errors = []

    def read():
        while not done.is_set():
            try:
                Index.open(place, embedder=embedder)
            except Exception as error:  # noqa: BLE001 - whatever it is, the reader must not have met it
                errors.append(error)
                return

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(30):
        (folder / "new.md").write_text(f"A page that says {number}.", "utf-8")
        run(folder, place, embedder)
    done.set()
    reader.join()
    assert errors == []


def test_an_embedder_that_fails_leaves_the_old_index(folder, place, embedder, make_embedder):
    run(folder, place, embedder)
    (folder / "new.md").write_text("Something new.", "utf-8")
    broken = make_embedder(limit=0)
    with pytest.raises(InvalidInput):
        run(folder, place, broken)
    assert len(Index.open(place, embedder=embedder)) == 4


def test_a_chunk_that_is_longer_than_the_model_reads_is_embedded_in_parts(folder, place, make_embedder):
    short = make_embedder(limit=14)
    (folder / "long.txt").write_text("alpha " * 20 + "omega " * 20, "utf-8")
    run(folder, place, short)
    index = Index.open(place, embedder=short)
    assert index.search("omega", k=1, mode="vector")[0].chunk.path == "long.txt"
    assert index.search("alpha", k=1, mode="vector")[0].chunk.path == "long.txt"


def test_unreadable_files_are_reported(folder, place, embedder):
    (folder / "bad.md").write_bytes(b"\xff\xfe")
    report = run(folder, place, embedder, on_error="skip")
    assert [skipped.path for skipped in report.skipped] == ["bad.md"]
    assert str(report) == "3 added, 0 changed, 0 removed, 0 unchanged; 4 chunks, 4 embedded; 1 skipped"
