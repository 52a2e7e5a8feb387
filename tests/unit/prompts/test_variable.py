import math

import numpy as np
import pytest

from workbench.errors import InvalidInput
from workbench.prompts import Prompt, Variable
from workbench.wire.prompt_hash import prompt_hash

PNG = b"\x89PNG\r\n\x1a\n" + b"x"


@pytest.mark.parametrize(
    ("kind", "good", "shown"),
    [
        ("text", "3", "3"),
        ("integer", 3, "3"),
        ("integer", np.int64(3), "3"),
        ("number", 2.5, "2.5"),
        ("number", np.float64(2.5), "2.5"),
        ("boolean", True, "true"),
        ("boolean", np.bool_(False), "false"),
        ("json", {"a": [None]}, '{"a": [null]}'),
        ("list", ("a", 1), '["a", 1]'),
        ("image", "https://x.example/y.png", "https://x.example/y.png"),
        ("image", PNG, "data:image/png;base64,iVBORw0KGgp4"),
    ],
)
def test_a_value_of_its_type_is_put_in(kind, good, shown):
    assert Prompt("p", "{{v}}", declared={"v": kind}).render(v=good)[0]["content"] == shown


@pytest.mark.parametrize(
    ("kind", "bad", "expected", "found"),
    [
        ("text", 3, "a text", "3, a int"),
        ("integer", "3", "an integer", "'3', a str"),
        ("integer", True, "an integer", "True"),
        ("integer", 3.0, "an integer", "3.0, a float"),
        ("number", math.nan, "a finite number", "nan, a float"),
        ("number", "1", "a finite number", "'1', a str"),
        ("boolean", 1, "true or false", "1, a int"),
        ("boolean", None, "true or false", "None"),
        ("json", {1, 2}, "a JSON value", "{1, 2}, a set"),
        ("list", "abc", "a list", "'abc', a str"),
        ("image", "file:///etc/passwd", "an image", "'file:///etc/passwd', a str"),
        ("image", b"text", "an image", "b'text', a bytes"),
    ],
)
def test_a_value_of_another_type_is_refused_with_what_was_expected_and_found(kind, bad, expected, found):
    with pytest.raises(InvalidInput) as caught:
        Prompt("p", "{{v}}", declared={"v": kind}).render(v=bad)
    assert str(caught.value).startswith(f"The variable 'v' is to be {expected}")
    assert f"is {found}" in str(caught.value)


def test_an_enum_takes_its_values_alone():
    prompt = Prompt("p", "{{tone}}", declared={"tone": {"type": "enum", "values": ["dry", "warm"]}})
    assert prompt.render(tone="dry")[0]["content"] == "dry"
    with pytest.raises(InvalidInput, match="to be one of 'dry', 'warm', and is 'cold'"):
        prompt.render(tone="cold")


def test_a_default_stands_in_and_need_not_be_given():
    prompt = Prompt("p", "{{n}} {{m}}", declared={"n": {"type": "integer", "default": 3, "description": "how many"}})
    assert (prompt.variables, prompt.required) == (("n", "m"), ("m",))
    assert prompt.render(m="x")[0]["content"] == "3 x"
    assert prompt.described("n") == "n (integer, default 3: how many)"


def test_all_that_is_wrong_is_told_at_once():
    prompt = Prompt("p", "{{a}} {{b}}", declared={"a": "integer", "b": "boolean"})
    with pytest.raises(InvalidInput) as caught:
        prompt.render(a="x", b="y")
    assert "'a'" in str(caught.value)
    assert "'b'" in str(caught.value)


@pytest.mark.parametrize(
    ("declared", "what"),
    [
        ({"w": "text"}, r"'w' is declared and not in the template"),
        ({"valeu": "text"}, r"did you mean 'value'"),
        ({"value": "string"}, r"'value': No variable has the type 'string'. Known: text"),
        ({"value": {"typ": "text"}}, r"'value' has unknown 'typ'. Known: type"),
        ({"value": 3}, r"'value' is declared by a int"),
        ({"value": {"type": "enum"}}, r"needs `values`"),
        ({"value": {"type": "text", "values": ["a"]}}, r"needs `values`"),
        ({"value": {"type": "integer", "default": "3"}}, r"The default of the variable 'value' is to be an integer"),
    ],
)
def test_a_declaration_that_does_not_hold_together_is_refused(declared, what):
    with pytest.raises(InvalidInput, match=what):
        Prompt("p", "{{value}}", declared=declared)


def test_what_is_declared_is_part_of_the_version_and_what_is_not_changes_no_hash():
    plain = Prompt("p", "{{v}}")
    assert plain.hash == prompt_hash("{{v}}", {}, None)
    typed = Prompt("p", "{{v}}", declared={"v": "integer"})
    assert typed.form == {"variables": {"v": {"type": "integer"}}}
    assert typed.hash == Prompt("p", "{{v}}", declared={"v": Variable("integer")}).hash != plain.hash
