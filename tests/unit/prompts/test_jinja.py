import subprocess
import sys
import time

import pytest

from workbench.errors import InvalidInput
from workbench.prompts import Prompt, jinja_bounds

NESTED = "[" * 60 + "[1] * 4000" + "]" * 60


def jinja(template, **fields):
    return Prompt("p", template, format="jinja", **fields)


def rendered(template, **values):
    return jinja(template).render(**values)[0]["content"]


def test_a_template_has_conditions_loops_and_filters():
    text = "{% for each in items %}{{ loop.index }}. {{ each.name | upper }}{% if each.old %}!{% endif %}\n{% endfor %}"
    assert rendered(text, items=[{"name": "fig", "old": 1}, {"name": "é", "old": 0}]) == "1. FIG!\n2. É\n"


def test_nothing_is_escaped_and_what_is_no_text_stands_as_json():
    assert rendered("{{ a }} {{ b }} {{ b | tojson }}", a="<b>&", b=["é", None, True]) == (
        '<b>& ["é", null, true] ["é", null, true]'
    )


def test_what_is_put_in_is_never_read_as_a_template():
    assert rendered("{{ a }}", a="{{ b }}{% if %}") == "{{ b }}{% if %}"


def test_variables_stand_in_their_order_and_one_that_is_asked_about_need_not_be_given():
    prompt = jinja("{{ b }} {{ a }} {% if c is defined %}{{ c }}{% endif %}{{ d | default('none') }}")
    assert (prompt.variables, prompt.required) == (("b", "a", "c", "d"), ("b", "a"))
    assert prompt.render(a="1", b="2")[0]["content"] == "2 1 none"


def test_each_message_is_a_template():
    prompt = jinja(
        [{"role": "system", "content": "{% if dry %}Be dry.{% endif %}"}, {"role": "user", "content": "{{ q }}"}]
    )
    assert [m["content"] for m in prompt.render(dry=True, q="?")] == ["Be dry.", "?"]


def test_a_missing_and_an_unknown_variable_are_named():
    with pytest.raises(InvalidInput, match=r"missing 'question'; not in the template: 'questoin' \(did you mean"):
        jinja("{{ question }}").render(questoin="?")


def test_a_part_that_is_not_there_is_named():
    with pytest.raises(InvalidInput, match="'dict object' has no attribute 'nmae'"):
        rendered("{{ item.nmae }}", item={"name": "fig"})


def test_which_syntax_counts_is_never_guessed():
    text = "{% if x %}{{ y }}{% endif %}"
    assert Prompt("p", text).render(y="1")[0]["content"] == "{% if x %}1{% endif %}"
    assert Prompt("p", text).hash != jinja(text).hash
    with pytest.raises(InvalidInput, match=r"No format 'mustache'. Known: braces, jinja"):
        Prompt("p", text, format="mustache")


@pytest.mark.parametrize(
    ("text", "where", "why"),
    [
        ("one\n  {{ ok }} {{ bad bad }}", "line 2, column 12", "expected token"),
        ("{% endfor %}", "line 1, column 1", "unknown tag 'endfor'"),
        ("a\n{% if x %}", "line 2, column 1", "Unexpected end"),
        ("a {{ x | nofilter }}", "line 1, column 3", "No filter named 'nofilter'"),
        ("x\n {% macro f() %}{% endmacro %}", "line 2, column 2", "no {% macro %}"),
        ("{% include 'other' %}", "line 1, column 1", "no {% include %}"),
        ("{% for a in b recursive %}{% endfor %}", "line 1, column 1", "not recursive"),
    ],
)
def test_what_is_no_template_is_refused_with_its_place(text, where, why):
    with pytest.raises(InvalidInput) as caught:
        jinja(text)
    assert where in str(caught.value)
    assert why in str(caught.value)


def test_the_message_with_the_fault_is_named():
    with pytest.raises(InvalidInput, match=r"Message 2 of the template can't be read: line 1, column 1"):
        jinja([{"role": "system", "content": "fine"}, {"role": "user", "content": "{{ a b }}"}])


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ x['__class__'] }}",
        "{{ x.upper.__globals__ }}",
        "{{ range.__init__ }}",
        "{{ x | map(attribute='__class__') | list }}",
        "{{ 'a'.format(1) }}",
        "{{ cycler }}",
        "{{ self }}",
    ],
)
def test_nothing_of_python_can_be_reached(text):
    with pytest.raises(InvalidInput):
        jinja(f"{text}{{{{ x }}}}").render(x="x")


@pytest.mark.parametrize(
    "text",
    [
        "{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}{% endfor %}",
        "{{ 'a' * 10**9 }}",
        "{{ [1] * 10**9 }}",
        "{{ 10 ** (10 ** 9) }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ 'a'.ljust(10**9) }}",
        "{{ ('a' * 1000) | replace('', 'b' * 100000) }}",
        "{{ range(100000) | join('x' * 10000) }}",
        "{{ range(10**12) }}",
        "{% set ns = namespace(x='aaaa') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
        "{% set n = namespace(x='a') %}{% for i in range(60) %}{% set n.x %}{{ n.x }}{{ n.x }}{% endset %}{% endfor %}",
        "{% for a in range(50000) %}" + "text that is written again and again" * 100 + "{% endfor %}",
        "{{ ([[[0] * 300] * 300] * 300) | string | length }}",
        "{{ ([[0] * 900] * 900) | tojson | length }}",
        "{{ (['a' * 90000] * 90) | upper | length }}",
        "{{ ([2 ** 4000] * 9000) | string | length }}",
        "{{ ([[0] * 900] * 900) | sum(start=[]) | length }}",
        "{% set n = namespace(x=0) %}{% for i in range(60) %}{% set n.x = [n.x, (n.x,)] %}{% endfor %}",
        "{% set n = namespace(x=0) %}{% for i in range(60) %}{% set n.x = {'a': n.x, 'b': n.x} %}{% endfor %}",
        "{% set n = namespace(x=0) %}{% for i in range(60) %}{% set n.x = dict(a=n.x, b=n.x) %}{% endfor %}",
        f"{{% set n = namespace(x={NESTED}) %}}{{{{ n.x | tojson(16) | length }}}}",
        "{{ ([{}] * 900) | map(attribute='a', default='a' * 9000) | map('upper') | list | length }}",
        "{{ range(900) | join(['a' * 9000]) | length }}",
        "{{ 5 | round(-1000000) }}",
    ],
)
def test_a_template_that_would_run_or_grow_without_end_is_stopped(text):
    with pytest.raises(InvalidInput):
        jinja(text).render()


def test_the_time_is_looked_at_within_a_filter(monkeypatch):
    monkeypatch.setattr(jinja_bounds, "MOST_SECONDS", 0.05)
    begun = time.monotonic()
    with pytest.raises(InvalidInput, match=r"takes more than 0\.05 seconds"):
        rendered("{{ range(9000) | select('in', range(90000) | reverse | list) | list | length }}")
    assert time.monotonic() - begun < 3, "to try them all takes longer"


def test_what_is_put_together_within_bounds_is_as_jinja_has_it():
    items = [{"name": "b", "price": 2}, {"name": "a", "price": 1.5}]
    assert rendered("{{ items | map(attribute='name') | map('upper') | join('-') }}", items=items) == "B-A"
    assert rendered("{{ items | sum(attribute='price') }} {{ 2.456 | round(1) }}", items=items) == "3.5 2.5"
    assert rendered("{{ [[0] * 2] * 2 + [(1, 'x')] }}") == '[[0, 0], [0, 0], [1, "x"]]'
    assert rendered("{{ dict(a=[1]) | tojson }} {{ {'k': 1} | tojson(indent=1) }}") == '{"a": [1]} {\n "k": 1\n}'
    assert rendered("{% for a, b in [(1, 2), (3, 4)] %}{{ a }}{{ b }}{% endfor %}") == "1234"
    assert rendered("{{ 'a' ~ ('b' ~ ['c']) }}{% set x, y = 1, 2 %}{{ x + y }}") == 'ab["c"]3'


def test_a_long_text_that_is_given_can_be_trimmed_and_cut():
    docs = [{"text": "a " * 300_000, "score": n} for n in range(3)]
    assert len(rendered("{{ (docs | sort(attribute='score'))[0].text | trim }}", docs=docs)) == 599_999


def test_a_prompt_without_jinja_loads_no_jinja():
    code = "from workbench.prompts import Prompt; Prompt('p', '{{x}}')\nimport sys; print('jinja2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
