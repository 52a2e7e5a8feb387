import pytest

from workbench.errors import InvalidInput
from workbench.prompts.rendering import names_of_template, render
from workbench.prompts.template import as_lines, check_template


def variables(template):
    return tuple(names_of_template(template, "braces"))


CHAT = [
    {"role": "system", "content": "You label {{kind}}."},
    {"role": "user", "content": "{{message}}"},
    {"role": "assistant", "content": '{"label": "{{ kind }}"}'},
]


def test_a_text_becomes_one_user_message():
    assert render("Hi {{name}}!", {"name": "Ada"}) == [{"role": "user", "content": "Hi Ada!"}]


def test_every_message_is_filled_in_and_keeps_its_role():
    filled = render(CHAT, {"kind": "mail", "message": "Where is it?"})
    assert [m["role"] for m in filled] == ["system", "user", "assistant"]
    assert [m["content"] for m in filled] == ["You label mail.", "Where is it?", '{"label": "mail"}']


def test_variables_are_named_in_the_order_in_which_they_first_stand():
    assert variables(CHAT) == ("kind", "message")


def test_what_is_put_in_is_never_read_as_a_template():
    assert render("{{a}} {{b}}", {"a": "{{b}}", "b": "x"})[0]["content"] == "{{b}} x"


def test_braces_of_json_are_text():
    text = 'Answer as {"a": {"b": 1}} for {{q}}'
    assert variables(text) == ("q",)
    assert render(text, {"q": "x"})[0]["content"] == 'Answer as {"a": {"b": 1}} for x'


@pytest.mark.parametrize(
    ("value", "shown"), [(3, "3"), (None, "null"), (["ä", 1], '["ä", 1]'), ({"a": True}, '{"a": true}')]
)
def test_what_is_no_text_stands_as_json(value, shown):
    assert render("{{v}}", {"v": value})[0]["content"] == shown


def test_missing_and_extra_variables_are_all_named_with_what_was_meant():
    with pytest.raises(InvalidInput) as caught:
        render("{{question}} {{context}}", {"questoin": "?", "tone": "dry"})
    said = str(caught.value)
    assert "missing 'question', 'context'" in said
    assert "'questoin' (did you mean 'question'?)" in said
    assert "'tone'" in said
    assert "takes: question, context" in said


def test_a_value_that_is_no_json_is_refused():
    with pytest.raises(InvalidInput, match="set can't stand in a prompt"):
        render("{{v}}", {"v": {1, 2}})


def test_parts_of_a_message_are_filled_in_too():
    parts = [{"type": "text", "text": "What is {{thing}}?"}, {"type": "image_url", "image_url": {"url": "{{picture}}"}}]
    template = [{"role": "user", "content": parts}]
    assert variables(template) == ("thing", "picture")
    filled = render(template, {"thing": "this", "picture": "data:image/png;base64,AA"})[0]["content"]
    assert filled[0]["text"] == "What is this?"
    assert filled[1]["image_url"]["url"] == "data:image/png;base64,AA"
    assert parts[0]["text"] == "What is {{thing}}?"


@pytest.mark.parametrize(
    ("template", "what"),
    [
        ("", "empty"),
        ("   ", "empty"),
        ([], "at least one"),
        ([{"role": "user", "content": ""}], "empty"),
        (["hello"], "list of messages"),
        ([{"role": "human", "content": "x"}], "Message 1 has the role 'human'"),
        ([{"role": "user", "content": "x"}, {"role": "user"}], "Message 2 has no content"),
        ([{"role": "user", "content": [1]}], "Message 1 has no content"),
        ([{"role": "user", "content": "x", "cost": 1}], "more than role and content: cost"),
        ("x" * 100_001, "longer than"),
        (7, "a text or a list"),
    ],
)
def test_what_is_no_template_is_refused(template, what):
    with pytest.raises(InvalidInput, match=what):
        check_template(template)


def test_a_template_is_kept_as_a_copy():
    mine = [{"role": "user", "content": "x"}]
    kept = check_template(mine)
    mine[0]["content"] = "y"
    assert kept == [{"role": "user", "content": "x"}]


def test_messages_read_as_lines():
    assert as_lines(CHAT[:2]) == ["[system]", "You label {{kind}}.", "[user]", "{{message}}"]
