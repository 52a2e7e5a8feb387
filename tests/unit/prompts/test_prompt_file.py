import json

import pytest

from workbench.errors import InvalidInput
from workbench.prompts.prompt_file import read_prompt


def test_a_text_file_is_the_template(tmp_path):
    file = tmp_path / "p.md"
    file.write_text("Label {{m}}.\nShort.\n", "utf-8")
    assert read_prompt("p", file).template == "Label {{m}}.\nShort."


def test_json_and_toml_hold_parameters_and_schema(tmp_path):
    whole = {"template": "x {{m}}", "parameters": {"temperature": 0}, "schema": {"type": "object"}}
    (tmp_path / "p.json").write_text(json.dumps(whole), "utf-8")
    (tmp_path / "p.toml").write_text(
        'template = "x {{m}}"\n[parameters]\ntemperature = 0\n[schema]\ntype = "object"\n', "utf-8"
    )
    assert read_prompt("p", tmp_path / "p.json") == read_prompt("p", tmp_path / "p.toml")
    assert read_prompt("p", tmp_path / "p.json").parameters == {"temperature": 0}


def test_a_list_in_json_is_a_list_of_messages(tmp_path):
    messages = [{"role": "user", "content": "x"}]
    (tmp_path / "p.json").write_text(json.dumps(messages), "utf-8")
    assert read_prompt("p", tmp_path / "p.json").template == messages


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("p.json", "{", "not JSON"),
        ("p.toml", "=", "not TOML"),
        ("p.json", '{"templat": "x"}', "unknown 'templat'"),
        ("p.json", "{}", "no 'template'"),
        ("p.json", "7", "holds a int"),
        ("p.toml", "template = 'x'\nvariables = ['x']", "'variables' is of type list; expected a table"),
        ("p.toml", "template = 'x'\nparameters = [1]", "'parameters' is of type list; expected a table"),
        ("p.toml", "template = 'x'\nmessage = 5", "'message' is of type int; expected a text"),
        ("p.toml", "template = 'x'\n[parameters]\nsince = 2026-01-01", r"p\.toml: 'since' of the prompt is no JSON"),
        ("p.toml", "template = 'x'\n[parameters]\nseed = nan", r"p\.toml: 'seed' of the prompt is no JSON"),
        ("p.json", '{"template": "{{x}}", "few_shot": {"examples": 1}}', "list with at least one example"),
    ],
)
def test_a_file_that_holds_no_prompt_is_refused(tmp_path, name, text, what):
    (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises(InvalidInput, match=what):
        read_prompt("p", tmp_path / name)


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="can't be read"):
        read_prompt("p", tmp_path / "none.txt")
