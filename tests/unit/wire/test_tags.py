"""Tags travel in a header, whatever their values hold."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import InvalidInput
from workbench.gateway.ledger.tags import read_tags
from workbench.wire.cell import as_tag
from workbench.wire.tags import decode_tag, encode_tag, parse_tags, write_tags

_VALUES = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=60)


@given(tags=st.dictionaries(st.from_regex(r"[A-Za-z0-9_.\-]{1,20}", fullmatch=True), _VALUES, max_size=4))
def test_tags_come_out_as_they_were_put_in(tags):
    header = write_tags(tags)
    assert header.isascii()
    assert header.isprintable()
    assert parse_tags(header) == tags
    assert json.loads(read_tags(header.encode()) or "{}") == tags


@pytest.mark.parametrize(
    "name", ["a, b=c.ipynb", "Menü für Zürich.ipynb", "50%.ipynb", "100%25", " a ", "日本語.ipynb"]
)
def test_the_name_of_a_notebook_is_the_same_in_the_ledger(name):
    assert parse_tags(f"notebook={as_tag(name)}") == {"notebook": name}


def test_what_was_written_without_codes_is_read_as_it_stands():
    assert parse_tags("team=menu, run=a b=c,share=50% off") == {"team": "menu", "run": "a b=c", "share": "50% off"}
    assert parse_tags("city=Zürich") == {"city": "Zürich"}


def test_a_control_character_reaches_no_log():
    assert encode_tag("a\nb") == "a%0Ab"
    assert decode_tag("a%0Ab%00") == "a%0Ab%00"
    assert parse_tags("k=a%0D%0Ab")["k"] == "a%0D%0Ab"


@pytest.mark.parametrize("text", ["k", "a b=1", "=1", "k=" + "v" * 257, "k=" + "%C3%BC" * 257, "k=a\x01b"])
def test_what_is_no_tag_is_refused(text):
    with pytest.raises(InvalidInput):
        parse_tags(text)
