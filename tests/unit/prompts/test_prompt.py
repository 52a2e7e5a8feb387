import pytest

from workbench.errors import InvalidInput
from workbench.prompts import Prompt, diff
from workbench.wire.prompt_hash import prompt_hash

SCHEMA = {"type": "object", "properties": {"label": {"type": "string"}}}


def test_parameters_and_schema_go_with_the_messages():
    prompt = Prompt("my.label", "{{m}}", parameters={"model": "fast", "temperature": 0, "seed": 7}, schema=SCHEMA)
    form = {"type": "json_schema", "json_schema": {"name": "my_label", "schema": SCHEMA}}
    assert prompt.arguments() == {"model": "fast", "temperature": 0, "seed": 7, "response_format": form}


def test_a_model_that_is_asked_for_counts_before_the_prompts_own():
    assert Prompt("p", "x", parameters={"model": "fast"}).arguments(model="smart") == {"model": "smart"}


def test_a_prompt_without_a_model_says_so():
    with pytest.raises(InvalidInput, match=r"p v3 names no model"):
        Prompt("p", "x", version=3).arguments()


@pytest.mark.parametrize("bad", [{"messages": []}, {"stream": True}, {"response_format": {}}])
def test_what_belongs_to_the_call_is_no_parameter(bad):
    with pytest.raises(InvalidInput, match=f"Not parameters of a prompt: {next(iter(bad))}"):
        Prompt("p", "x", parameters=bad)


@pytest.mark.parametrize("name", ["", "a b", "a/b", "ä", "a@b"])
def test_a_name_that_no_registry_takes_is_refused(name):
    with pytest.raises(InvalidInput, match="can't name a prompt"):
        Prompt(name, "x")


def test_the_hash_covers_template_parameters_and_schema():
    one = Prompt("p", "x", version=1, parameters={"temperature": 0}, schema=SCHEMA)
    assert one.hash == prompt_hash("x", {"temperature": 0}, SCHEMA)
    others = [
        Prompt("p", "y", parameters={"temperature": 0}, schema=SCHEMA),
        Prompt("p", "x", parameters={"temperature": 1}, schema=SCHEMA),
        Prompt("p", "x", parameters={"temperature": 0}),
    ]
    assert len({one.hash, *(each.hash for each in others)}) == 4
    assert Prompt("q", "x", version=9, parameters={"temperature": 0}, schema=SCHEMA).hash == one.hash


def test_chat_refuses_a_variable_that_it_takes_for_itself():
    with pytest.raises(InvalidInput, match="variable named 'model'"):
        Prompt("p", "{{model}}", parameters={"model": "m"}).chat(object(), model="phone")


def test_a_diff_tells_text_variables_parameters_and_schema():
    before = Prompt("p", "Label {{m}}.\nBe short.", version=1, parameters={"temperature": 0, "seed": 1})
    after = Prompt("p", "Label {{m}} as {{kind}}.\nBe short.", version=2, parameters={"temperature": 1}, schema=SCHEMA)
    found = diff(before, after)
    assert found
    assert "-Label {{m}}." in found.text
    assert "+Label {{m}} as {{kind}}." in found.text
    assert (found.variables_added, found.variables_removed) == (("kind",), ())
    assert found.parameters == {"seed": (1, None), "temperature": (0, 1)}
    assert found.schema_changed
    assert "temperature: 0 -> 1" in str(found)
    assert found.as_dict()["a"] == "p v1"


def test_a_diff_of_what_is_the_same_is_false_and_says_so():
    found = diff(Prompt("p", "x", version=1), Prompt("p", "x", version=2))
    assert not found
    assert str(found) == "p v1 and p v2 are the same."


def test_a_diff_shown_in_a_notebook_runs_no_markup_of_the_prompt():
    shown = diff(Prompt("p", "<script>x</script>"), Prompt("p", "y"))._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown


def test_numbers_that_hash_apart_are_told_apart():
    found = diff(Prompt("p", "x", parameters={"temperature": 0}), Prompt("p", "x", parameters={"temperature": 0.0}))
    assert found.parameters == {"temperature": (0, 0.0)}
