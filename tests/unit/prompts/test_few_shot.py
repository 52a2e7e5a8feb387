import pytest

from workbench.errors import InvalidInput
from workbench.evidence import Example
from workbench.prompts import FewShot, Prompt
from workbench.wire.few_shot import with_examples
from workbench.wire.filling import fill

CHAT = [{"role": "system", "content": "Label {{kind}}."}, {"role": "user", "content": "Message: {{m}}"}]
SHOTS = [{"inputs": {"m": "late"}, "output": "delivery"}, {"inputs": {"m": "refund"}, "output": {"label": "payment"}}]


def test_examples_are_turns_before_the_question():
    prompt = Prompt("p", CHAT, few_shot=SHOTS)
    assert prompt.variables == ("kind", "m")
    assert [(m["role"], m["content"]) for m in prompt.render(kind="mail", m="hi")] == [
        ("system", "Label mail."),
        ("user", "Message: late"),
        ("assistant", "delivery"),
        ("user", "Message: refund"),
        ("assistant", '{"label": "payment"}'),
        ("user", "Message: hi"),
    ]


def test_a_text_has_turns_too():
    roles = [m["role"] for m in Prompt("p", "Label {{m}}", few_shot=SHOTS[:1]).render(m="x")]
    assert roles == ["user", "assistant", "user"]


def test_examples_stand_as_text_where_the_place_is_marked():
    prompt = Prompt("p", "Label.\n{{few_shot}}\nNow: {{m}}", few_shot=SHOTS)
    assert prompt.variables == ("m",)
    assert prompt.render(m="hi")[0]["content"] == (
        'Label.\nm: late\noutput: delivery\n\nm: refund\noutput: {"label": "payment"}\nNow: hi'
    )


def test_how_an_example_is_written_can_be_said():
    block = FewShot(SHOTS[:1], each="Q {{m}}\nA {{output}}", separator="\n--\n")
    assert Prompt("p", "{{few_shot}}\n{{m}}", few_shot=block).render(m="hi")[0]["content"] == "Q late\nA delivery\nhi"


@pytest.mark.parametrize("template", [CHAT, "{{few_shot}} {{m}} {{kind}}"])
def test_what_the_gateway_hands_out_fills_in_to_what_the_prompt_renders(template):
    prompt = Prompt("p", template, few_shot=SHOTS)
    handed = with_examples(prompt.template, prompt.form)
    filled = [{**message, "content": fill(message["content"], {"kind": "mail", "m": "hi"})} for message in handed]
    assert filled == prompt.render(kind="mail", m="hi")


def test_jinja_fills_in_examples_by_its_own_rules():
    template = [{"role": "user", "content": "{% if m %}M: {{ m | upper }}{% endif %}"}]
    prompt = Prompt("p", template, format="jinja", few_shot=SHOTS[:1])
    assert [m["content"] for m in prompt.render(m="hi")] == ["M: LATE", "delivery", "M: HI"]
    marked = Prompt(
        "p", "{{ few_shot }}|{{ m }}", format="jinja", few_shot=FewShot(SHOTS[:1], each="{{ m }}={{ output }}")
    )
    assert marked.render(m="hi")[0]["content"] == "late=delivery|hi"


def test_an_example_of_a_dataset_can_be_shown():
    prompt = Prompt("p", "{{m}}", few_shot=[Example("a", {"m": "late"}, "delivery")])
    assert prompt.few_shot.examples == [{"inputs": {"m": "late"}, "output": "delivery"}]


def test_without_examples_the_mark_is_a_variable_as_it_always_was():
    assert Prompt("p", "{{few_shot}}").variables == ("few_shot",)


def test_examples_are_part_of_the_version():
    one, two = Prompt("p", CHAT, few_shot=SHOTS), Prompt("p", CHAT, few_shot=SHOTS[::-1])
    assert len({one.hash, two.hash, Prompt("p", CHAT).hash}) == 3
    assert Prompt("p", CHAT, few_shot=FewShot(SHOTS)).hash == one.hash


@pytest.mark.parametrize(
    ("template", "few_shot", "what"),
    [
        (CHAT, [], "at least one example"),
        (CHAT, [{"inputs": {"m": "x"}}], r"Example 1 of the prompt is no \{inputs, output\}"),
        (CHAT, [SHOTS[0], {"inputs": {"kind": "x"}, "output": "y"}], "Example 2 of the prompt lacks 'm'"),
        (CHAT, [{"inputs": {"m": "x", "n": 1}, "output": "y"}], "Example 1 of the prompt has 'n', which"),
        (CHAT, [{"inputs": {"m": "x"}, "output": None}], "needs inputs by name, and an output"),
        (CHAT, [{"inputs": {"m": {1}}, "output": "x"}], "Example 1 of the prompt is no JSON"),
        (CHAT, {"examples": SHOTS, "max": 3}, "few_shot has unknown 'max'"),
        (CHAT, {"examples": SHOTS, "each": 0}, "`each` of few_shot is a text, not 0"),
        (CHAT, {"examples": SHOTS, "separator": 5}, "`separator` of few_shot is a text, not 5"),
        (CHAT, {"examples": SHOTS, "max_tokens": "100"}, "`max_tokens` of few_shot is a whole number, not '100'"),
        (CHAT, FewShot(SHOTS, each="{{m}}"), "marks no place"),
        ([{"role": "system", "content": "{{m}}"}], SHOTS, "have no place"),
        ("{{few_shot}}{{m}}", FewShot(SHOTS, each="{{text}}"), "Example 1 of the prompt lacks 'text'"),
        (CHAT, [{"inputs": {"m": "see {{kind}}"}, "output": "x"}], "holds {{kind}}, which stands for a variable"),
    ],
)
def test_examples_that_can_not_be_shown_are_refused(template, few_shot, what):
    with pytest.raises(InvalidInput, match=what):
        Prompt("p", template, few_shot=few_shot)


def test_the_type_of_an_input_is_held_for_examples_too():
    with pytest.raises(InvalidInput, match=r"Example 1 of the prompt: The variable 'm' is to be an integer"):
        Prompt("p", "{{m}}", declared={"m": "integer"}, few_shot=SHOTS[:1])


def test_a_block_over_its_budget_of_tokens_is_refused():
    long = [{"inputs": {"m": "word " * 100}, "output": "x"}]
    assert 120 <= FewShot(long).tokens <= 150
    with pytest.raises(InvalidInput, match=r"take about 1.. tokens; max_tokens is 100"):
        FewShot(long, max_tokens=100)
