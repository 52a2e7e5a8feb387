import json

import pytest

from workbench.errors import Conflict, IntegrityError, InvalidInput, NotFound
from workbench.rag import Analyzer, Convex, Index, ReciprocalRank, ingest
from workbench.rag.manifest import Manifest


@pytest.fixture
def index(folder, place, embedder):
    ingest(folder, place, embedder=embedder, progress=False)
    return Index.open(place, embedder=embedder)


def test_each_mode_finds_and_tells_what_each_leg_said(index):
    query = "How long is the warranty on furniture?"
    hybrid, words, meaning = (index.search(query, mode=mode) for mode in ("hybrid", "bm25", "vector"))
    assert {hits[0].chunk.path for hits in (hybrid, words, meaning)} == {"warranty.txt"}
    assert hybrid[0].bm25 == words[0].bm25 == words[0].score
    assert hybrid[0].vector == meaning[0].vector == meaning[0].score
    assert (words[0].vector, meaning[0].bm25) == (None, None)
    assert [hit.rank for hit in hybrid] == [1, 2, 3, 4]


def test_words_alone_give_only_what_matches_and_embed_nothing(index, embedder):
    embedder.texts = []
    assert [hit.chunk.path for hit in index.search("furniture", mode="bm25")] == ["warranty.txt"]
    assert index.search("the of and", mode="bm25") == []
    assert embedder.texts == []


def test_a_question_of_stop_words_is_still_answered_by_meaning(index):
    assert len(index.search("what is it", k=2)) == 2


@pytest.mark.parametrize("fusion", [None, Convex(0.3), ReciprocalRank()])
def test_scores_do_not_depend_on_how_many_are_asked_for(index, fusion):
    query = "express delivery of an item"
    scores = {hit.chunk.id: hit.score for hit in index.search(query, k=4, fusion=fusion)}
    for k in (1, 2, 3):
        hits = index.search(query, k=k, fusion=fusion)
        assert len(hits) == k
        assert all(hit.score == scores[hit.chunk.id] for hit in hits)


def test_the_same_search_gives_the_same_hits(index):
    assert index.search("return an item") == index.search("return an item")


def test_a_text_that_stands_in_many_documents_is_given_once(folder, place, embedder):
    for number in range(150):
        (folder / f"page{number}.md").write_text("All rights of the shop are reserved.", "utf-8")
    (folder / "rights.md").write_text("# Rights\n\nYou have the right to a refund by law.", "utf-8")
    ingest(folder, place, embedder=embedder, progress=False)
    hits = Index.open(place, embedder=embedder).search("rights of the shop", k=5)
    texts = [hit.chunk.text for hit in hits]
    assert len(texts) == len(set(texts)) == 5


def test_one_long_document_leaves_room_for_others(folder, place, embedder):
    sections = "".join(f"## Part {n}\n\nReturn case {n}.\n\n" for n in range(150))
    (folder / "cases.md").write_text(f"# Return cases\n\n{sections}", "utf-8")
    ingest(folder, place, embedder=embedder, progress=False)
    index = Index.open(place, embedder=embedder)
    for mode in ("hybrid", "vector"):
        hits = index.search("return", k=4, mode=mode, per_document=1)
        assert {hit.chunk.path for hit in hits} == {"cases.md", "returns.md", "warranty.txt", "delivery/times.md"}


@pytest.mark.parametrize(
    ("query", "options"), [(" ", {}), ("x", {"k": 0}), ("x", {"k": 101}), ("x", {"mode": "magic"})]
)
def test_what_can_not_be_served_is_refused(index, query, options):
    with pytest.raises(InvalidInput):
        index.search(query, **options)


def test_a_place_without_an_index_says_how_to_make_one(tmp_path):
    with pytest.raises(NotFound) as caught:
        Index.open(tmp_path / "nowhere")
    assert "workbench rag ingest" in caught.value.hint


def test_another_analyzer_is_refused(index, place, embedder):
    with pytest.raises(Conflict, match="another analyzer"):
        Index.open(place, embedder=embedder, analyzer=Analyzer("german"))


def test_another_model_is_refused(index, place, make_embedder):
    with pytest.raises(Conflict, match="embedding model 'hash', not 'other'"):
        Index.open(place, embedder=make_embedder("other"))


def test_a_model_that_changed_under_its_name_is_refused_at_the_first_query(index, place, make_embedder):
    opened = Index.open(place, embedder=make_embedder(salt="another"))
    assert opened.search("furniture", mode="bm25")
    with pytest.raises(Conflict, match="embeds a fixed text differently"):
        opened.search("furniture")


@pytest.mark.parametrize("kind", ["chunks", "terms", "vectors"])
def test_a_byte_that_changed_is_noticed(index, place, embedder, kind):
    path = place / index.manifest.parts[kind].name
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 1
    path.write_bytes(raw)
    with pytest.raises(IntegrityError, match="is not what was written"):
        Index.open(place, embedder=embedder)


def test_a_missing_file_is_noticed(index, place, embedder):
    (place / index.manifest.parts["terms"].name).unlink()
    with pytest.raises(IntegrityError, match="lacks its file"):
        Index.open(place, embedder=embedder)


def test_a_manifest_that_was_edited_is_refused(index, place, embedder):
    path = place / "manifest.json"
    path.write_text(path.read_text("utf-8").replace('"dimension": 512', '"dimension": 513'), "utf-8")
    with pytest.raises(IntegrityError, match="checksum does not fit"):
        Index.open(place, embedder=embedder)


def test_a_manifest_can_not_name_files_elsewhere(index):
    fields = json.loads(index.manifest.to_bytes())
    part = {"name": "../../etc/passwd", "sha256": "0", "size": 1}
    forged = Manifest(**{k: v for k, v in fields.items() if k not in ("format", "checksum", "parts")}, parts={})
    raw = json.loads(forged.to_bytes())
    raw["parts"] = {"chunks": part}
    from workbench.rag.manifest import _checksum

    del raw["checksum"]
    raw["checksum"] = _checksum(raw)
    with pytest.raises(IntegrityError, match="none of its own"):
        Manifest.from_bytes(json.dumps(raw).encode(), where="test")


def test_an_index_of_a_later_format_is_refused_with_a_way_out(index, place, embedder):
    path = place / "manifest.json"
    path.write_text(path.read_text("utf-8").replace('"format": 1', '"format": 2'), "utf-8")
    with pytest.raises(IntegrityError, match="format 2"):
        Index.open(place, embedder=embedder)


def test_the_chunks_are_a_frame(index):
    frame = index.to_frame()
    assert list(frame.columns) == ["id", "path", "title", "section", "start", "end", "text"]
    assert list(frame["id"]) == [chunk.id for chunk in index.chunks]
