import random

import pytest

from workbench.errors import InvalidInput
from workbench.prompts import Prompt
from workbench.prompts.prompt_file import read_prompt
from workbench.prompts.prompt_toml import write_prompt

WHOLE = Prompt(
    "support.summary",
    [{"role": "system", "content": "You {{a}}.\nBe \\d \"\"\" ''' short."}, {"role": "user", "content": "Q: {{q}}"}],
    parameters={"temperature": 0, "model": "m", "stop": ["\n"]},
    schema={"properties": {"z": {"enum": [None, 1]}, "a": {}}, "type": "object"},
    declared={"a": {"type": "enum", "values": ["x", "y"], "default": "x", "description": "what"}, "q": "text"},
    few_shot={"examples": [{"inputs": {"q": "one\ntwo"}, "output": {"l": 1}}], "max_tokens": 99},
    message="what changed",
)


def back(prompt, tmp_path):
    file = tmp_path / "p.toml"
    file.write_bytes(write_prompt(prompt).encode())
    return read_prompt(prompt.name, file)


def test_a_prompt_comes_back_whole_and_gives_the_same_bytes(tmp_path):
    again = back(WHOLE, tmp_path)
    assert again == WHOLE
    assert again.hash == WHOLE.hash
    assert list(again.schema["properties"]) == ["z", "a"]
    assert write_prompt(again) == write_prompt(WHOLE)


def test_a_variable_of_any_name_comes_back(tmp_path):
    prompt = Prompt("p", "{{ größe }}", format="jinja", declared={"größe": "integer"})
    assert back(prompt, tmp_path) == prompt


def test_a_template_stands_in_it_as_it_reads():
    text = write_prompt(Prompt("p", "Label {{m}}.\nBe short: \\w+.\n", parameters={"temperature": 0.5}))
    assert text == "template = '''\nLabel {{m}}.\nBe short: \\w+.\n'''\n\n[parameters]\ntemperature = 0.5\n"


def test_parameters_are_written_in_one_order():
    one = Prompt("p", "x", parameters={"model": "m", "seed": 1})
    assert write_prompt(one) == write_prompt(Prompt("p", "x", parameters={"seed": 1, "model": "m"}))


def test_whatever_stands_in_a_prompt_comes_back(tmp_path):
    draw = random.Random(7)
    letters = list("ab \n\n\t\"\"\"'''\\\r\x00\x1f\x7f{}é😀%|[]=#")

    def text(most=60):
        return "".join(draw.choice(letters) for _ in range(draw.randrange(1, most)))

    def value(depth=2):
        kind = draw.randrange(7)
        if kind == 5 and depth:
            return [value(depth - 1) for _ in range(draw.randrange(3))]
        if kind == 6 and depth:
            return {text(5): value(depth - 1) for _ in range(draw.randrange(3))}
        return draw.choice([text(), text(), 1, 2**70, 1.5, 1e300, -0.0, 1e-7, True, None])

    for _ in range(300):
        parts = [{"type": "text", "text": text(), "more": value()}]
        chat = [{"role": draw.choice(["system", "user"]), "content": draw.choice([f"{text()}x", parts])} for _ in "12"]
        prompt = Prompt(
            "p",
            draw.choice([f"{text()}x", chat]),
            parameters={f"k{n}": value() for n in range(draw.randrange(3))},
            schema=draw.choice([None, {"type": "object", "a": value()}]),
            message=draw.choice([None, text()]),
        )
        again = back(prompt, tmp_path)
        assert (again, again.hash) == (prompt, prompt.hash)
        assert write_prompt(again) == write_prompt(prompt)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('template = "{% if %}"\nformat = "jinja"', r"p.toml: The template can't be read: line 1, column 1"),
        (
            'template = "x"\n[variables.y]\ntype = "text"',
            r"p.toml: The variable 'y' is declared and not in the template",
        ),
        ('template = "x"\nschema = "{"', "p.toml: 'schema' is a text and holds no JSON"),
        ('template = "x"\n[[messages]]\nrole = "user"\ncontent = "x"', "both 'template' and 'messages'"),
        ('messages = "x"', "'messages' is a list of tables"),
        ('template = ""', "p.toml: The template is empty"),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_the_file(tmp_path, text, what):
    (tmp_path / "p.toml").write_text(text)
    with pytest.raises(InvalidInput, match=what):
        read_prompt("p", tmp_path / "p.toml")
