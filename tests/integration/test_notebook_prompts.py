"""What a data scientist types, in a real kernel before a real gateway: chat, the magics, a prompt for each row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from workbench import prompts
from workbench.client import Gateway
from workbench.interactive.prompt_cell import ask_cell
from workbench.testing.gateway import RunningGateway
from workbench.testing.kernel import Kernel, Ran, running_kernel
from workbench.testing.simulated_gateway import simulated_gateway
from workbench.testing.simulator import SimulatedProviders, wait_until
from workbench.tracking.tracker import Tracker
from workbench.wire.key_file import MountedKey, write_key_file

LONG = " ".join(f"word{number}" for number in range(120))


@pytest.fixture(scope="module")
def gateway(providers: SimulatedProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    with simulated_gateway(tmp_path_factory.mktemp("notebook") / "home", providers) as running:
        yield running


@pytest.fixture(scope="module")
def key(gateway: RunningGateway) -> str:
    return gateway.issue_key()


@pytest.fixture(scope="module")
def kernel(gateway: RunningGateway, key: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    folder = tmp_path_factory.mktemp("kernel")
    key_file = folder / "key" / "kernel.json"
    write_key_file(key_file, MountedKey(key, None, gateway.url))
    environ = {"WORKBENCH_KEY_FILE": str(key_file), "WORKBENCH_HOME": str(folder / "home")}
    with running_kernel(environ, arguments=()) as running:  # as one that no server of ours started
        ran = running.run("import workbench as wb, pandas as pd\n%load_ext workbench_jupyter.magics")
        assert ran.status == "ok", ran.told
        yield running


@pytest.fixture(autouse=True)
def _well(providers: SimulatedProviders) -> Iterator[None]:
    yield
    providers.clear()


@pytest.fixture(scope="module")
def client(gateway: RunningGateway, key: str) -> Iterator[Gateway]:
    with Gateway(url=gateway.url, key=key) as made:
        yield made


# -- chat --------------------------------------------------------------------------------------------------------------


def test_an_answer_grows_in_its_cell_and_stays_there_as_a_whole(kernel: Kernel, providers: SimulatedProviders) -> None:
    providers.fail("slow", seconds=0.02)
    ran = kernel.run(f"wb.chat({LONG!r}, model='chatty')")
    shown, answer = ran.outputs
    assert ran.updates >= 2
    assert shown["data"]["text/markdown"] == f"echo: {LONG}"
    assert LONG in shown["data"]["text/html"]
    assert re.fullmatch(
        r"ChatResult\('echo: word0 .*\.\.\.', .* tokens, \$0\.\d+, \d+ ms\)", answer["data"]["text/plain"]
    )
    assert "word5" not in answer["data"]["text/html"]  # the cell shows the text once


def test_outputs_are_not_drawn_more_than_ten_times_a_second(kernel: Kernel) -> None:
    ran = kernel.run(
        f"import time; began = time.monotonic(); wb.chat({LONG!r}, model='chatty'); time.monotonic() - began"
    )
    seconds = float(ran.texts()[-1])
    assert ran.updates <= 10 * seconds + 2


def test_an_interrupt_ends_the_call_and_keeps_what_came(
    kernel: Kernel, providers: SimulatedProviders, client: Gateway
) -> None:
    providers.fail("slow", seconds=0.2)

    def stop(ran: Ran) -> None:
        if ran.updates == 2:
            kernel.interrupt()

    ran = kernel.run(f"wb.chat({LONG!r}, model='chatty')", while_running=stop)
    assert ran.status == "error"
    kept = ran.texts()[0]
    assert kept.startswith("echo: word0")
    assert kept.endswith("[interrupted]")
    assert kernel.run("print(wb.last().interrupted, wb.last().text)").printed.startswith("True echo: word0")
    wait_until(lambda: client.calls()[0]["outcome"] == "client_left", lambda: f"{client.calls()[0]}", seconds=30)


def test_without_a_model_the_first_of_the_catalogue_answers(kernel: Kernel) -> None:
    assert kernel.run("wb.chat('hello').model").texts()[-1] == "'chatty'"


def test_outside_a_notebook_the_answer_is_printed(gateway: RunningGateway, key: str, capsys: pytest.CaptureFixture[str],
                                                  monkeypatch: pytest.MonkeyPatch, home: Path) -> None:  # fmt: skip
    import workbench as wb

    monkeypatch.setenv("WORKBENCH_GATEWAY_URL", gateway.url)
    monkeypatch.setenv("OPENAI_API_KEY", key)
    answer = wb.chat("hello", model="chatty")
    assert (answer.text, capsys.readouterr().out) == ("echo: hello", "echo: hello\n")
    assert wb.last() is answer


# -- magics ------------------------------------------------------------------------------------------------------------


def test_a_cell_is_a_prompt_with_the_notebooks_variables(kernel: Kernel) -> None:
    kernel.run("text = 'a fig'")
    ran = kernel.run("%%prompt --model chatty --max-tokens 50 --var 'tone=dry as dust'\nTell of {{text}}, {{tone}}\n")
    assert ran.texts()[0] == "echo: Tell of a fig, dry as dust"
    assert ran.status == "ok"


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("%%prompt --model chaty\nhello", "No model named 'chaty'. Did you mean 'chatty'?"),
        ("%%prompt --model chatty\nhello {{nobody}}", "{{nobody}}, and the notebook has no variable"),
        ("%%prompt --model chatty --var other=1\nhello", "no variable 'other'"),
        ("%%prompt --temprature 1\nhello", "unrecognized arguments: --temprature"),
        ("%%prompt --temperature hot\nhello", "invalid float value: 'hot'"),
        ("%%prompt --var nothing\nhello", "is not NAME=TEXT"),
        ("%%prompt --compare chatty\nhello", "nothing to compare with"),
        ("%%prompt --model chatty --compare a,b\nhello", "Both --model and --compare"),
        ("%prompt", "There is no prompt"),
        ("%usage now", "takes no arguments"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_words_and_ends_the_run(kernel: Kernel, cell: str, says: str) -> None:
    ran = kernel.run(cell)
    assert says in ran.printed
    assert "Traceback" not in ran.told
    assert ran.status == "error"


def test_answers_stand_side_by_side_and_one_that_fails_says_so(kernel: Kernel) -> None:
    ran = kernel.run("%%prompt --compare chatty,nosuch\nhello")
    (table,) = ran.texts("text/html")
    assert table.index("chatty") < table.index("nosuch") < table.index("echo: hello") < table.index("No model named")
    assert ran.status == "ok"
    assert kernel.run("wb.last()['chatty'].text").texts() == ["'echo: hello'"]


def test_usage_and_models_are_tables(kernel: Kernel) -> None:
    kernel.run("wb.chat('hello', model='chatty')")
    assert "<td>chatty</td>" in kernel.run("%usage").texts("text/html")[0]
    assert kernel.run("models = %models chat --task chat\nmodels.model.tolist()").texts() == ["['chatty']"]


def test_the_help_names_every_option(kernel: Kernel) -> None:
    text = kernel.run("print(get_ipython().find_cell_magic('prompt').__doc__)").printed
    assert all(
        option in text for option in ("--model", "--temperature", "--max-tokens", "--compare", "--var", "{{name}}")
    )


def test_a_named_cell_is_kept_as_a_version_and_asked_again_by_its_name(
    client: Gateway, tracker: Tracker, tracking_home: Path
) -> None:
    told: dict[str, Any] = {"variables": {"text": "a fig"}, "given": {}, "gateway": client}
    asked = {"model": "chatty", "parameters": {"max_tokens": 40}}
    for _ in range(2):
        assert ask_cell("Describe {{text}}", name="cell.fig", **asked, **told).text == "echo: Describe a fig"
    (kept,) = prompts.versions("cell.fig", tracker=tracker)  # the same text makes no second version
    assert kept.parameters == {"model": "chatty", "max_tokens": 40}
    assert ask_cell(None, name="cell.fig@1", parameters={}, **told).text == "echo: Describe a fig"
    assert client.calls(tags={"prompt": "cell.fig", "prompt_version": "1"}, limit=2)[0]["model"] == "chatty"


# -- a prompt for each row ---------------------------------------------------------------------------------------------

FRAME = "df = pd.DataFrame({'text': [f'%s {n}' for n in range(%d)]})"


def test_some_rows_come_first_with_what_the_others_will_cost(kernel: Kernel, providers: SimulatedProviders) -> None:
    kernel.run(FRAME % ("fig", 8))
    call = "df.wb.prompt('Say {{text}}', model='chatty', progress=False%s)"
    ran = kernel.run("out = " + call % "")
    assert len(providers.requests) == 3
    assert "3 of 8 rows cost" in ran.texts()[0]
    assert "5 rows cost about" in ran.texts()[0]
    assert "echo: Say fig 0" in ran.texts("text/html")[0]
    assert kernel.run("int(out.output.notna().sum())").texts() == ["3"]
    assert "not sent: 5 rows cost about" in kernel.run("out.error.iloc[-1]").texts()[0]
    kernel.run("out = " + call % ", confirm=True")
    assert len(providers.requests) == 8  # the three were not asked again
    assert kernel.run("out.output.tolist() == [f'echo: Say fig {n}' for n in range(8)]").texts() == ["True"]
    assert kernel.run("bool((out.cost_usd > 0).all() and out.error.isna().all())").texts() == ["True"]


def test_a_limit_of_money_lets_rows_pass_and_is_not_passed(kernel: Kernel, providers: SimulatedProviders) -> None:
    kernel.run(FRAME % ("plum", 9))
    call = "out = df.wb.prompt('Say {{text}}', model='chatty', progress=False, max_usd=%s)"
    kernel.run(call % "0.00001")
    assert len(providers.requests) == 3
    assert "max_usd is" in kernel.run("out.error.iloc[-1]").texts()[0]
    kernel.run(call % "0.01")
    assert kernel.run("int(out.output.notna().sum())").texts() == ["9"]


def test_a_row_that_fails_loses_no_other_and_is_asked_again(kernel: Kernel, providers: SimulatedProviders) -> None:
    kernel.run("df = pd.DataFrame({'text': ['kiwi', None, 'sloe', 'kiwi', 'date']}, index=list('abcde'))")
    call = (
        "out = df.wb.prompt('Say {{text}}', model='chatty', progress=False, confirm=True, concurrency=1, into='said')"
    )
    providers.fail("status", status=400, message="too hot")
    kernel.run(call)
    told = kernel.run("[str(error)[:24] for error in out.said_error.fillna('')]").texts()[0]
    assert "too hot" in kernel.run("out.said_error['a']").texts()[0]
    assert told.count("not sent: text is empty") == 1
    assert len(providers.requests) == 3  # rows that are alike are asked once
    kernel.run(call)
    assert len(providers.requests) == 4
    assert kernel.run("out.said.fillna('').tolist()").texts() == [
        "['echo: Say kiwi', '', 'echo: Say sloe', 'echo: Say kiwi', 'echo: Say date']"
    ]


def test_an_interrupt_keeps_the_rows_that_are_done(kernel: Kernel, providers: SimulatedProviders) -> None:
    kernel.run(FRAME % ("pear", 30))
    providers.fail("latency", times=0, seconds=0.1)
    call = "out = df.wb.prompt('Say {{text}}', model='chatty', confirm=%s, preview=0, concurrency=2)"
    seen = []

    def stop(_: Ran) -> None:
        if not seen and len(providers.requests) >= 4:
            seen.append(len(providers.requests))
            kernel.interrupt()

    ran = kernel.run(call % "True", while_running=stop)
    assert "none of them is paid twice" in ran.told
    paid = len(providers.requests)
    assert 4 <= paid < 30
    kernel.run(call % "False")
    assert len(providers.requests) == paid
    assert int(kernel.run("int(out.output.notna().sum())").texts()[0]) == paid
    kernel.run(call % "True")
    assert len(providers.requests) == 30


def test_a_column_that_is_not_there_is_named_with_the_nearest(kernel: Kernel) -> None:
    kernel.run(FRAME % ("lime", 2))
    ran = kernel.run("df.wb.prompt('Say {{txt}}', model='chatty')")
    assert "{{txt}}, and the DataFrame has no such column. Did you mean {{text}}?" in ran.told
