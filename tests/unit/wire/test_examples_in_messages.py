from workbench.wire.few_shot import with_examples
from workbench.wire.filling import fill, names_in
from workbench.wire.prompt_hash import prompt_hash

SHOTS = {"examples": [{"inputs": {"m": "x"}, "output": {"a": 1}}]}


def test_a_template_without_a_form_is_its_messages():
    assert with_examples("Hi {{m}}", None) == [{"role": "user", "content": "Hi {{m}}"}]
    chat = [{"role": "system", "content": "a"}]
    assert with_examples(chat, {}) == chat


def test_examples_go_before_the_last_question():
    chat = [
        {"role": "user", "content": "first"},
        {"role": "user", "content": "{{m}}"},
        {"role": "assistant", "content": "So"},
    ]
    shown = with_examples(chat, {"few_shot": SHOTS})
    assert [message["content"] for message in shown] == ["first", "x", '{"a": 1}', "{{m}}", "So"]


def test_parts_of_a_message_are_filled_in_for_examples():
    chat = [{"role": "user", "content": [{"type": "text", "text": "see {{m}}"}]}]
    assert with_examples(chat, {"few_shot": SHOTS})[0]["content"] == [{"type": "text", "text": "see x"}]


def test_a_template_of_another_syntax_stays_as_it_is():
    form = {"format": "jinja", "few_shot": SHOTS}
    assert with_examples("{{ m | upper }}", form) == [{"role": "user", "content": "{{ m | upper }}"}]


def test_what_is_filled_in_is_not_read_again():
    assert fill({"a": ["{{x}} {{ y }} {{z}}"]}, {"x": "{{y}}", "y": "1"}) == {"a": ["{{y}} 1 {{z}}"]}
    assert names_in(["{{b}}", {"c": "{{ a }} {{b}} {{no-name}}"}, 3]) == ("b", "a")


def test_a_form_counts_in_the_hash_only_where_there_is_one():
    plain = prompt_hash("x", {}, None)
    assert prompt_hash("x", {}, None, {}) == prompt_hash("x", {}, None, None) == plain
    assert prompt_hash("x", {}, None, {"format": "jinja"}) != plain
