"""The difference of two prompts: word by word, told by elements and strokes as well as by colour, escaped."""

import re
import time

from workbench import widgets
from workbench.prompts import Prompt
from workbench.widgets.words import marked


def plain(marks):
    """Marks without their colours."""
    return re.sub(r'<(ins|del) style="[^"]*">', r"<\1>", marks)


def test_the_words_that_changed_are_marked_and_no_more():
    shown = plain(marked(["Be short and plain."], ["Be very short, plain."]))
    assert shown == "Be <ins>very </ins>short<del> and</del><ins>,</ins> plain."


def test_lines_that_came_and_went_are_marked_whole():
    shown = plain(marked(["one", "two", "three"], ["one", "three", "four"]))
    assert shown == "one\n<del>two</del>\nthree\n<ins>four</ins>"


def test_a_variable_and_a_character_of_chinese_are_words():
    assert (
        plain(marked(["{{ a }}文字"], ["{{b}}文本"]))
        == "<del>{{ a }}</del><ins>{{b}}</ins>文<del>字</del><ins>本</ins>"
    )


def test_removing_the_insertions_gives_the_first_text_and_the_deletions_the_second():
    before = ["You are terse.", "", "Answer {{q}} in <b>one</b> line", "& stop"]
    after = ["You are very terse.", "Answer {{q}} in <i>two</i> lines", "& stop", "now"]
    shown = plain(marked(before, after))
    unescape = {"&lt;": "<", "&gt;": ">", "&amp;": "&"}
    for text, gone, kept in ((before, "ins", "del"), (after, "del", "ins")):
        left = re.sub(f"</?{kept}>", "", re.sub(f"<{gone}>.*?</{gone}>", "", shown, flags=re.DOTALL))
        left = re.sub("&(lt|gt|amp);", lambda found: unescape[found[0]], left)
        assert [line for line in left.split("\n") if line] == [line for line in text if line]


def test_what_stands_in_a_prompt_is_never_markup():
    page = widgets.diff(Prompt("p", "<script>old</script> <ins>x</ins>"), Prompt("p", "<script>new</script>"))
    shown = page._repr_html_()
    assert "<script" not in shown
    assert "&lt;ins&gt;" in shown


def test_parameters_variables_and_schema_are_told_beside_the_text():
    a = Prompt("p", "Say {{x}}", parameters={"model": "fast", "temperature": 0}, version=1)
    b = Prompt("p", "Say {{y}}", parameters={"model": "fast", "temperature": 0.5}, schema={"type": "object"}, version=2)
    shown = widgets.diff(a, b)._repr_html_()
    assert "p v1 → p v2" in shown
    for words in (">temperature</td>", ">0.5</td>", ">variables</td>", ">schema</td>"):
        assert words in shown
    assert "model" not in shown


def test_prompts_that_are_the_same_are_said_to_be():
    same = widgets.diff(Prompt("p", "x", version=1), Prompt("p", "x", version=2))
    assert not same
    assert "are the same" in same._repr_html_()


def test_two_long_prompts_are_compared_soon():
    before = [f"line {i} of a rather long prompt that says many things" for i in range(1500)]
    after = [line.replace("many", "few") if i % 100 == 0 else line for i, line in enumerate(before)]
    began = time.process_time()
    assert plain(marked(before, after)).count("<ins>few</ins>") == 15
    assert time.process_time() - began < 20
