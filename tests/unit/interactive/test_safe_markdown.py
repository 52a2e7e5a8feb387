"""What a model wrote is shown as Markdown, and neither run nor fetched by the front end."""

import pytest

from workbench.interactive.markdown import bundle


def test_markup_is_kept() -> None:
    shown = bundle("# Fruit\n\n* **fig**\n\n| a | b |\n|---|---|\n| 1 | 2 |\n")["text/html"]
    assert "<h1>Fruit</h1>" in shown
    assert "<strong>fig</strong>" in shown
    assert "<table>" in shown


def test_code_is_shown_as_it_is() -> None:
    assert "<code>vector&lt;int&gt;</code>" in bundle("`vector<int>`")["text/html"]


@pytest.mark.parametrize(
    "evil",
    [
        "<script>alert(1)</script>",
        "a <img src=x onerror=alert(1)> b",
        "[a]: b \"\n\n```\n\"\n<script>alert(1)</script>",
        "- ```\n<iframe src=//evil></iframe>\n```",
    ],
)  # fmt: skip
def test_a_tag_is_text_in_every_representation_that_is_parsed(evil: str) -> None:
    shown = bundle(evil)
    for kind in ("text/html", "text/markdown"):
        assert not any(f"<{tag}" in shown[kind] for tag in ("script", "img", "iframe")), shown[kind]
    assert shown["text/plain"] == evil


def test_a_picture_is_a_link_and_a_script_is_none() -> None:
    shown = bundle("![x](http://evil.example/?leak) [y](javascript:alert(1))")
    assert "<img" not in shown["text/html"]
    assert 'href="http://evil.example/?leak"' in shown["text/html"]
    assert 'href="javascript' not in shown["text/html"]
    assert "![" not in shown["text/markdown"]


def test_a_note_stands_below_in_all_of_them() -> None:
    assert all("interrupted" in shown for shown in bundle("one", note="interrupted").values())
