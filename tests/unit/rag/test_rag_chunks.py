import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import InvalidInput
from workbench.rag.chunks import Chunking, cut
from workbench.rag.documents import Document
from workbench.rag.markdown import outline


def document(text, path="guide.md"):
    return Document(path, text, hashlib.sha256(text.encode()).hexdigest())


def test_the_title_is_the_first_heading_and_sections_keep_the_way_to_them():
    plan = outline(document("# Guide\nIntro.\n## Setup\nRun.\n### Linux\napt.\n## Use\nGo.\n"))
    assert plan.title == "Guide"
    assert [section.headings for section in plan.sections] == [(), ("Setup",), ("Setup", "Linux"), ("Use",)]


def test_front_matter_names_the_title_and_is_no_text():
    plan = outline(document('---\ntitle: "The guide"\nauthor: x\n---\nText.\n'))
    assert plan.title == "The guide"
    assert plan.sections[0].start == len('---\ntitle: "The guide"\nauthor: x\n---\n')


def test_a_document_without_headings_is_called_by_its_file():
    assert outline(document("Text.", "deep/return-policy.md")).title == "Return policy"


def test_headings_in_code_fences_are_code():
    plan = outline(document("# Guide\n```sh\n# not a heading\n```\n## Real\nText.\n"))
    assert [section.headings for section in plan.sections] == [(), ("Real",)]


def test_underlined_headings_are_read():
    plan = outline(document("Guide\n=====\n\nSetup\n-----\nText.\n"))
    assert (plan.title, plan.sections[0].headings) == ("Guide", ("Setup",))


def test_plain_text_has_no_headings():
    plan = outline(document("# not a heading\nText.", "notes.txt"))
    assert len(plan.sections) == 1
    assert plan.sections[0].headings == ()


def test_markup_is_left_out_of_headings():
    assert outline(document("# The **`big`** [guide](http://x)\nText.")).title == "The big guide"


def test_a_chunk_never_crosses_a_heading():
    chunks = cut(document("# Guide\n## A\nShort a.\n## B\nShort b.\n"), Chunking())
    assert [(chunk.header, chunk.text) for chunk in chunks] == [("Guide > A", "Short a."), ("Guide > B", "Short b.")]


def test_sentences_stay_whole_and_are_repeated_up_to_the_overlap():
    text = "One is first here. Two is second here. Three is third now. Four is fourth now."
    chunks = cut(document(text, "a.txt"), Chunking(size=60, overlap=22))
    assert [chunk.text for chunk in chunks] == [
        "One is first here. Two is second here. Three is third now.",
        "Three is third now. Four is fourth now.",
    ]


def test_a_sentence_longer_than_a_chunk_is_cut_at_a_space():
    chunks = cut(document("word " * 60, "a.txt"), Chunking(size=50, overlap=0))
    assert all(len(chunk.text) <= 50 and chunk.text.split() == ["word"] * len(chunk.text.split()) for chunk in chunks)
    assert sum(len(chunk.text.split()) for chunk in chunks) == 60


def test_a_chunk_keeps_its_id_when_another_section_changes():
    before = cut(document("# G\n## A\nText a.\n## B\nText b.\n"), Chunking())
    after = cut(document("# G\n## A\nOther words.\n## B\nText b.\n"), Chunking())
    assert before[1].id == after[1].id
    assert before[0].id != after[0].id


def test_chunks_that_say_the_same_have_ids_of_their_own():
    chunks = cut(document("# G\n## A\nSame.\n## A\nSame.\n"), Chunking())
    assert len({chunk.id for chunk in chunks}) == 2


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(["# H\n", "## S\n", "Word. ", "a bb ccc ", "\n\n", "- item\n", "x" * 70, "```\n"]), max_size=40
    ),
    st.integers(50, 90),
    st.integers(0, 49),
)
def test_chunks_are_stretches_of_the_text_within_the_size_and_hold_all_of_it(pieces, size, overlap):
    text = "".join(pieces)
    doc = document(text)
    chunks = cut(doc, Chunking(size=size, overlap=overlap))
    covered = set()
    for chunk in chunks:
        assert doc.text[chunk.start : chunk.end] == chunk.text
        assert 0 < len(chunk.text) <= size
        covered |= set(range(chunk.start, chunk.end))
    body = [i for section in outline(doc).sections for i in range(section.start, section.end) if not text[i].isspace()]
    assert set(body) <= covered


@pytest.mark.parametrize(("size", "overlap"), [(10, 0), (100, 100), (100, -1)])
def test_a_chunking_that_can_not_work_is_refused(size, overlap):
    with pytest.raises(InvalidInput, match="can't be cut"):
        Chunking(size=size, overlap=overlap)
