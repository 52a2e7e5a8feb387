import pytest

from workbench.rag import Analyzer, Chunk, Hit
from workbench.rag.citations import judge
from workbench.rag.vectors import normalised

SOURCES = [
    ("returns.md", "Returns > How long you have", "You can return an item within 30 days after it was delivered."),
    ("delivery.md", "Delivery", "Standard delivery takes 3 to 5 working days. Express delivery takes 1 working day."),
]


def hits():
    return [
        Hit(
            Chunk(f"{path}#1", path, header, "", 100, 100 + len(text), text),
            score=1 / rank,
            rank=rank,
            bm25=1,
            vector=0.5,
        )
        for rank, (path, header, text) in enumerate(SOURCES, start=1)
    ]


@pytest.fixture
def check(embedder):
    terms = Analyzer().terms

    def check(text, question="How long do I have to return an item?"):
        def embed(texts):
            return normalised(embedder.embed(texts), count=len(texts), source="test")

        return judge(text, question, hits(), terms=terms, embed=embed)

    return check


def test_a_citation_that_the_model_wrote_is_confirmed(check):
    (statement,) = check("You can return an item within 30 days [1].")
    assert statement.text == "You can return an item within 30 days."
    assert [(c.number, c.origin) for c in statement.citations] == [(1, "model")]
    assert statement.rejected == ()


def test_a_missing_citation_is_attached_and_marked(check):
    (statement,) = check("You can return an item within 30 days.")
    assert [(c.number, c.path, c.origin) for c in statement.citations] == [(1, "returns.md", "check")]
    assert statement.cited_text == "You can return an item within 30 days [1]."


def test_a_wrong_citation_is_rejected_and_the_right_one_attached(check):
    (statement,) = check("You can return an item within 30 days [2].")
    assert statement.rejected == (2,)
    assert [(c.number, c.origin) for c in statement.citations] == [(1, "check")]


def test_a_source_that_does_not_exist_is_rejected(check):
    (statement,) = check("You can return an item within 30 days [7].")
    assert statement.rejected == (7,)
    assert statement.supported


@pytest.mark.parametrize("text", ["You can return an item within 14 days [1].", "Payment by cheque is fine [1][2]."])
def test_what_no_source_says_is_flagged_whatever_the_model_cites(check, text):
    (statement,) = check(text)
    assert not statement.supported
    assert statement.citations == ()
    assert statement.reason
    assert "[" not in statement.cited_text


def test_each_sentence_is_judged_alone(check):
    first, second = check("You can return an item within 30 days. Standard delivery takes 9 days.")
    assert first.supported
    assert not second.supported


@pytest.mark.parametrize(
    "text",
    [
        "You can return an item within 30 days. [1] Express delivery takes 1 working day. [2]",
        "You can return an item within 30 days [source 1]. Express delivery takes 1 working day [2].",
        "You can return an item within 30 days.[1]\nExpress delivery takes 1 working day [2]",
    ],
)
def test_citations_belong_to_the_sentence_before_them(check, text):
    first, second = check(text)
    assert [c.number for c in first.citations] == [1]
    assert [c.number for c in second.citations] == [2]
    assert {c.origin for c in first.citations + second.citations} == {"model"}


def test_one_sentence_may_cite_two_sources(check):
    (statement,) = check("You can return an item within 30 days, and express delivery takes 1 working day [1, 2].")
    assert not statement.supported  # the second clause leans on nothing of its own: "express" is no name
    (statement,) = check("You can return an item within 30 days, and the express delivery takes 1 working day [1, 2].")
    assert [(c.number, c.origin) for c in statement.citations] == [(1, "model"), (2, "model")]


def test_the_quote_is_found_again_at_its_place(check):
    (statement,) = check("Express delivery takes 1 working day.")
    (citation,) = statement.citations
    text = SOURCES[1][2]
    assert text[citation.start - 100 : citation.end - 100] == citation.quote == "Express delivery takes 1 working day."


def test_what_the_words_rule_out_is_not_embedded(check, embedder):
    check("Nothing of this is said anywhere.")
    assert embedder.texts == []


@pytest.mark.parametrize("text", ["", "   ", "[1]", "...", "[1]."])
def test_an_answer_without_words_has_no_statements(check, text):
    assert check(text) == []
