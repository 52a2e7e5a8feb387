"""Versions with all that belongs to them: kept in a real MLflow, published by a real gateway, moved through files."""

from __future__ import annotations

import json
import os
import urllib.request
import warnings
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from workbench import prompts
from workbench.cli import main
from workbench.client import Gateway
from workbench.errors import InvalidInput, NotFound
from workbench.evidence import Dataset
from workbench.experiments import Optimisation, select_few_shot
from workbench.prompts import Prompt
from workbench.settings import Settings
from workbench.statistics import paired_difference
from workbench.testing.gateway import RunningGateway
from workbench.testing.simulated_gateway import simulated_gateway
from workbench.testing.simulator import simulated_providers
from workbench.tracking import RunRecord
from workbench.tracking.tracker import Tracker

SHOTS = [{"inputs": {"m": "where is it"}, "output": "delivery"}, {"inputs": {"m": "a refund"}, "output": "payment"}]
JINJA = {
    "format": "jinja",
    "variables": {"tone": {"type": "enum", "values": ["dry", "warm"], "default": "dry"}, "m": "text"},
    "few_shot": SHOTS,
    "parameters": {"model": "chatty", "temperature": 0},
    "schema": {"type": "object", "properties": {"z": {}, "a": {}}},
}
CHAT = [
    {"role": "system", "content": "Label.{% if tone == 'warm' %} Be kind.{% endif %}"},
    {"role": "user", "content": "{{ m | upper }}"},
]
numbers = count()


@pytest.fixture(scope="module")
def running(tracking_settings: Settings, tracker: Tracker) -> Iterator[RunningGateway]:
    with simulated_providers() as providers, simulated_gateway(tracking_settings.home, providers) as found:
        yield found


@pytest.fixture
def gateway(running: RunningGateway, tracking_home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    key = running.issue_key()
    monkeypatch.setenv("WORKBENCH_GATEWAY_URL", running.url)
    monkeypatch.setenv("OPENAI_API_KEY", key)
    monkeypatch.setenv("WORKBENCH_IDENTITY_TOKEN", running.owner_token)
    with Gateway(url=running.url, key=key) as found:
        yield found


@pytest.fixture
def folder() -> str:
    """A folder of prompts that no other test has."""
    return f"files-{os.getpid()}-{next(numbers)}"


def shell(*arguments: str | Path, code: int = 0) -> Result:
    done = CliRunner().invoke(main, ["prompts", *map(str, arguments)])
    assert done.exit_code == code, done.output
    return done


def publish(gateway: Gateway, kept: Prompt, alias: str = "production") -> None:
    gateway.publish(
        kept.name, kept.version or 0, kept.template, alias=alias, parameters=kept.parameters, schema=kept.schema,
        form=kept.form, reason="a test",
    )  # fmt: skip


# -- versions


def test_a_version_comes_back_with_its_form(tracker: Tracker, folder: str) -> None:
    made = prompts.register(f"{folder}.p", CHAT, tracker=tracker, message="first", **JINJA)
    own = {key: value for key, value in JINJA.items() if key != "variables"}
    draft = Prompt("x", CHAT, declared=JINJA["variables"], **own)
    for spec in (f"{folder}.p", f"{folder}.p@1"):
        found = prompts.load(spec, tracker=tracker)
        assert found == made
        assert found.hash == made.hash == draft.hash
    assert [m["content"] for m in found.render(m="hi", tone="warm")] == [
        "Label. Be kind.", "WHERE IS IT", "delivery", "A REFUND", "payment", "HI",
    ]  # fmt: skip


def test_a_form_that_was_rewritten_in_the_registry_is_noticed(tracker: Tracker, folder: str) -> None:
    prompts.register(f"{folder}.p", CHAT, tracker=tracker, **JINJA)
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=tracker.uri, registry_uri=tracker.uri)
    for said in (json.dumps({"format": "jinja"}), "no JSON"):
        client.set_prompt_version_tag(f"{folder}.p", "1", "workbench.form", said)
        assert not tracker.get_prompt(f"{folder}.p").intact


def test_what_an_older_version_says_makes_no_new_one_and_is_told(tracker: Tracker, folder: str) -> None:
    for text in ("one", "two"):
        prompts.register(f"{folder}.p", text, tracker=tracker)
    with pytest.warns(UserWarning, match=r"v1 says the same already, so no new version was made; the latest is v2"):
        assert prompts.register(f"{folder}.p", "one", tracker=tracker).version == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert prompts.register(f"{folder}.p", "two", tracker=tracker, tags={"team": "ads"}).version == 2
    assert prompts.tags_of(f"{folder}.p@2", tracker=tracker) == {"team": "ads"}
    assert [each.version for each in prompts.versions(f"{folder}.p", tracker=tracker)] == [2, 1]


def test_another_form_is_another_version(tracker: Tracker, folder: str) -> None:
    plain = prompts.register(f"{folder}.p", "{{m}}", tracker=tracker)
    typed = prompts.register(f"{folder}.p", "{{m}}", variables={"m": "text"}, tracker=tracker)
    shown = prompts.register(f"{folder}.p", "{{m}}", few_shot=SHOTS, tracker=tracker)
    assert [each.version for each in (plain, typed, shown)] == [1, 2, 3]
    found = prompts.diff(plain, shown)
    assert (found.examples_added, found.examples_removed, found.examples_changed) == (2, 0, True)
    assert prompts.diff(plain, typed).declared == {"m": (None, {"type": "text"})}


def test_what_mlflow_would_not_keep_whole_is_refused(tracker: Tracker, folder: str) -> None:
    long = [{"inputs": {"m": "x" * 60_000}, "output": "y"}] * 2
    with pytest.raises(InvalidInput, match=r"are 120,... characters; MLflow keeps 100,000"):
        prompts.register(f"{folder}.p", "{{m}}", few_shot=long, tracker=tracker)
    assert prompts.names(folder=folder, tracker=tracker) == []


# -- lineage, tags, folders


def test_lineage_tells_what_was_made_of_what_and_who_used_it(gateway: Gateway, tracker: Tracker, folder: str) -> None:
    name = f"{folder}.p"
    one = prompts.register(name, "one {{m}}", tracker=tracker)
    prompts.register(name, "two {{m}}", tracker=tracker)
    prompts.register(name, "three {{m}}", origin="optimiser", parent=one, tracker=tracker)
    run_id = tracker.write_run(RunRecord(name, "v1", tags={"workbench.prompt": name, "workbench.prompt_version": "1"}))
    publish(gateway, one)
    found = prompts.lineage(name, gateway=gateway, tracker=tracker).set_index("version")
    assert list(found["parent"]) == [f"{name}@1", f"{name}@1", None]
    assert list(found["origin"]) == ["optimiser", "hand", "hand"]
    assert found["runs"][1] == [run_id]
    assert (found["published"][1], found["live"][1], found["published"][2]) == (1, ["production"], 0)
    assert found["made_by"].notna().all()


def test_what_a_search_proposes_is_registered_as_made_of_its_prompt(tracker: Tracker, folder: str) -> None:
    name = f"{folder}.p"
    one = prompts.register(name, "Label {{m}}", parameters={"model": "chatty"}, tracker=tracker)
    prompts.register(name, "another {{m}}", tracker=tracker)
    train = Dataset.from_rows([{"inputs": {"m": "where is it"}, "expected": "delivery"}], name="mail/train")
    shown = select_few_shot(one, train, k=1, method="diverse").register(tracker=tracker)
    found = Optimisation(
        before=one, best=replace(one, template="Better: {{m}}", few_shot=SHOTS, version=None), steps=(), look=1,
        stopped="search", difference=paired_difference([1.0] * 20, [0.0] * 20), calls=40, spent_usd=0.1, holdout=None,
    )  # fmt: skip
    better = found.register(tracker=tracker)
    assert (shown.version, better.version) == (3, 4)
    assert better.form == {"few_shot": {"examples": SHOTS}}
    told = {each.version: each.lineage for each in tracker.list_prompt_versions(name)}
    assert (told[3].origin, told[3].parent) == ("few-shot", f"{name}@1")
    assert (told[4].origin, told[4].parent) == ("optimiser", f"{name}@1")


def test_lineage_without_a_gateway_says_what_it_does_not_know(tracker: Tracker, folder: str) -> None:
    prompts.register(f"{folder}.p", "one", tracker=tracker)
    with (
        Gateway(url="http://127.0.0.1:1", key="wbx-none", max_retries=0) as gone,
        pytest.warns(UserWarning, match="is not told"),
    ):
        found = prompts.lineage(f"{folder}.p", gateway=gone, tracker=tracker)
    assert found["published"].isna().all()


def test_tags_of_a_prompt_and_of_a_version_are_set_found_and_taken_away(tracker: Tracker, folder: str) -> None:
    for name in ("a", "b"):
        prompts.register(f"{folder}.{name}", "x", tracker=tracker)
    assert prompts.tag(f"{folder}.a", {"team": "ads", "state": "new"}, tracker=tracker)["team"] == "ads"
    assert prompts.names(folder=folder, tags={"team": "ads"}, tracker=tracker) == [f"{folder}.a"]
    assert prompts.tag(f"{folder}.a", {"team": None, "absent": None}, tracker=tracker) == {"state": "new"}
    assert prompts.tag(f"{folder}.b@1", {"good": "yes"}, tracker=tracker) == {"good": "yes"}
    for bad in ({"workbench.hash": "x"}, {"mlflow.prompt.text": "x"}, {"a": 1}):
        with pytest.raises(InvalidInput):
            prompts.tag(f"{folder}.b@1", bad, tracker=tracker)
    with pytest.raises(NotFound):
        prompts.tag(f"{folder}.none", {"a": "b"}, tracker=tracker)
    assert prompts.load(f"{folder}.b", tracker=tracker).template == "x"


def test_folders_and_patterns_choose(tracker: Tracker, folder: str) -> None:
    for name in ("mail.reply", "mail.label", "summary"):
        prompts.register(f"{folder}.{name}", "x", tracker=tracker)
    assert prompts.names(folder=f"{folder}.mail", tracker=tracker) == [f"{folder}.mail.label", f"{folder}.mail.reply"]
    assert prompts.names(match=f"{folder}*.reply", tracker=tracker) == [f"{folder}.mail.reply"]


# -- files


def test_prompts_go_into_files_and_back_byte_for_byte(
    gateway: Gateway, tracker: Tracker, folder: str, tmp_path: Path
) -> None:
    prompts.register(f"{folder}.a.one", CHAT, message="first", tracker=tracker, **JINJA)
    prompts.register(f"{folder}.two", "Hi {{name}},\nbye.\n", tracker=tracker)
    assert "written" in shell("export", tmp_path, "--folder", folder).output
    files = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in tmp_path.rglob("*.toml")}
    assert sorted(files) == [f"{folder}/a/one.toml", f"{folder}/two.toml"]
    assert b"Hi {{name}},\nbye.\n" in files[f"{folder}/two.toml"]

    moved = tmp_path / "moved"
    for path, held in files.items():
        (moved / "copy" / path).parent.mkdir(parents=True, exist_ok=True)
        (moved / "copy" / path).write_bytes(held)
    told = json.loads(shell("import", moved, "--json").output)
    assert [each["state"] for each in told["files"]] == ["registered", "registered"]
    assert (
        prompts.load(f"copy.{folder}.a.one", tracker=tracker).hash
        == prompts.load(f"{folder}.a.one", tracker=tracker).hash
    )
    assert tracker.get_prompt(f"copy.{folder}.two").lineage.origin == "import"
    shell("export", tmp_path / "again", "--folder", f"copy.{folder}")
    again = {
        path.relative_to(tmp_path / "again" / "copy").as_posix(): path.read_bytes()
        for path in (tmp_path / "again").rglob("*.toml")
    }
    assert again == files
    assert {each["state"] for each in json.loads(shell("import", moved, "--json").output)["files"]} == {"same"}


def test_a_check_says_what_differs_and_changes_nothing(
    gateway: Gateway, tracker: Tracker, folder: str, tmp_path: Path
) -> None:
    for name in ("same", "changed", "unwritten"):
        prompts.register(f"{folder}.{name}", f"{name} {{{{m}}}}", tracker=tracker)
    shell("export", tmp_path, "--folder", folder)
    shell("export", tmp_path, "--folder", folder, "--check")
    shell("import", tmp_path, "--check")
    here = tmp_path / folder
    (here / "unwritten.toml").unlink()
    (here / "changed.toml").write_text('template = "changed {{n}}"\n')
    (here / "new.toml").write_text('template = "new"\n')
    before = {path: path.read_bytes() for path in here.iterdir()}
    out = shell("export", tmp_path, "--folder", folder, "--check", code=1).output
    assert f"{folder}/unwritten.toml: {folder}.unwritten (v1) has no file yet" in out
    assert "variables: +{{m}} -{{n}}" in out
    assert f"{folder}/new.toml: {folder}.new a file without such a prompt" in out
    out = shell("import", tmp_path, "--check", code=1).output
    assert f"{folder}.changed (v1) differs" in out
    assert f"{folder}.new is not registered yet" in out
    assert {path: path.read_bytes() for path in here.iterdir()} == before
    assert len(prompts.versions(f"{folder}.changed", tracker=tracker)) == 1

    assert f"{folder}.changed (v2) registered" in shell("import", tmp_path).output
    shell("import", tmp_path, "--check")
    (here / "changed.toml").write_text('template = "changed {{m}}"\n')
    assert "(v1) an older version says this\nthe latest is v2" in shell("import", tmp_path, "--check", code=1).output


def test_files_that_are_wrong_are_all_named_and_nothing_is_registered(
    gateway: Gateway, tracker: Tracker, folder: str, tmp_path: Path
) -> None:
    here = tmp_path / folder
    (here / "deep").mkdir(parents=True)
    (here / "good.toml").write_text('template = "good"\n')
    (here / "bad.toml").write_text('template = "{% if %}"\nformat = "jinja"\n')
    (here / "deep" / "worse.toml").write_text("template = ")
    (here / "a.b.toml").write_text('template = "x"\n')
    out = shell("import", tmp_path, code=1).output
    assert "bad.toml: The template can't be read: line 1, column 1" in out
    assert "worse.toml is not TOML" in out
    assert f"belongs into {folder}/a/b.toml" in out
    assert prompts.names(folder=folder, tracker=tracker) == []
    assert "There is no folder" in shell("import", tmp_path / "none", code=1).output


def test_what_is_live_can_be_exported(gateway: Gateway, tracker: Tracker, folder: str, tmp_path: Path) -> None:
    one = prompts.register(f"{folder}.p", "one", tracker=tracker)
    prompts.register(f"{folder}.p", "two", tracker=tracker)
    prompts.register(f"{folder}.never", "x", tracker=tracker)
    publish(gateway, one)
    shell("export", tmp_path, "--folder", folder, "--alias", "production")
    (file,) = tmp_path.rglob("*.toml")
    assert file.read_text() == 'template = "one"\n'


# -- publishing


def test_an_application_gets_the_form_of_what_was_published(gateway: Gateway, tracker: Tracker, folder: str) -> None:
    kept = prompts.register(f"{folder}.p", CHAT, tracker=tracker, **JINJA)
    publish(gateway, kept)
    live = prompts.load(f"{folder}.p@production", gateway=gateway, tracker=tracker)
    assert (live.hash, live.form, live.alias) == (kept.hash, kept.form, "production")
    assert live.chat(gateway, m="where", model="chatty").text == '{"a":"echo: WHERE","z":"echo: WHERE"}'
    assert gateway.published(f"{folder}.p").form == kept.form


def test_messages_for_other_languages_have_the_examples_in_them(
    gateway: Gateway, tracker: Tracker, folder: str
) -> None:
    kept = prompts.register(f"{folder}.p", "Label {{m}}", few_shot=SHOTS, tracker=tracker)
    publish(gateway, kept)
    request = urllib.request.Request(
        f"{os.environ['WORKBENCH_GATEWAY_URL']}/v1/prompts/{folder}.p@production",
        headers={"authorization": f"Bearer {os.environ['OPENAI_API_KEY']}"},
    )
    with urllib.request.urlopen(request) as answer:
        body = json.load(answer)
    assert body["form"] == kept.form
    assert [message["content"] for message in body["messages"]] == [
        "Label where is it", "delivery", "Label a refund", "payment", "Label {{m}}",
    ]  # fmt: skip


def test_a_form_that_could_not_be_handed_out_is_not_published(gateway: Gateway, folder: str) -> None:
    for form in ({"few_shot": 3}, {"few_shot": {"examples": []}}, {"format": "php"}, {"unknown": 1}):
        with pytest.raises(InvalidInput):
            gateway.publish(f"{folder}.p", 1, "x", form=form, reason="a test")


def test_without_a_form_a_record_is_what_it_always_was(gateway: Gateway, tracker: Tracker, folder: str) -> None:
    publish(gateway, prompts.register(f"{folder}.p", "x", tracker=tracker))
    assert "form" not in gateway.history(f"{folder}.p")[0]


# -- the command line


def test_the_shell_registers_shows_tags_and_lists(
    gateway: Gateway, tracker: Tracker, folder: str, tmp_path: Path
) -> None:
    file = tmp_path / "p.toml"
    file.write_text(
        'format = "jinja"\ntemplate = "{{ n }} {% if m %}{{ m }}{% endif %}"\n'
        '[parameters]\nmodel = "chatty"\n[variables.n]\ntype = "integer"\ndefault = 3\ndescription = "how many"\n'
    )
    name = f"{folder}.mail.label"
    made = json.loads(shell("register", name, "--file", file, "--tag", "team=ads", "--json").output)
    assert (made["version"], made["form"]["format"], made["variables"]) == (1, "jinja", ["n", "m"])
    shown = shell("show", name).output
    assert "variables: n (integer, default 3: how many), m" in shown
    assert "format: jinja" in shown
    file.write_text('template = "other"\n')
    shell("register", name, "--file", file)
    file.write_text('template = "{% if %}"\nformat = "jinja"\n')
    assert (
        "p.toml: The template can't be read: line 1, column 1" in shell("register", name, "--file", file, code=1).output
    )
    assert "state=new" in shell("tag", name, "state=new").output
    assert "has no tags" in shell("tag", name, "--remove", "state").output
    assert shell("list", "--tree", "--folder", folder).output == f"{folder}/\n  mail/\n    label\n"
    assert json.loads(shell("list", "--match", f"{folder}*", "--json").output)[0]["latest"] == 2
    assert shell("lineage", name).output.count("hand") == 2
    assert json.loads(shell("lineage", name, "--json").output)[0]["parent"] == f"{name}@1"


def test_the_shell_shows_what_two_versions_do_on_a_dataset(
    gateway: Gateway, tracker: Tracker, folder: str, tmp_path: Path
) -> None:
    name = f"{folder}.p"
    for text in ("{{m}}", "{% if m == 'fig' %}plum{% else %}{{ m }}{% endif %}"):
        form = "jinja" if "%" in text else "braces"
        prompts.register(name, text, format=form, parameters={"model": "chatty"}, tracker=tracker)
    rows = [{"id": word, "inputs": {"m": word}, "expected": f"echo: {word}"} for word in ("fig", "kiwi", "date")]
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    arguments = ("diff", name, "1", "2", "--on", tmp_path / "data.jsonl", "--scorer", "exact_match")
    out = shell(*arguments, code=1).output
    assert "format: braces -> jinja" in out
    assert "answer 1 of 3 examples differently: 33%" in out
    assert "  - echo: fig\n  + echo: plum" in out
    told = json.loads(CliRunner().invoke(main, ["prompts", *map(str, arguments), "--json"]).stdout)
    assert told["behaviour"]["rows"][0]["exact_match.difference"] == -1
    shell("diff", f"{name}@1", f"{name}@1")
    assert "need a dataset" in shell("diff", name, "1", "2", "--model", "x", code=2).output
    assert "No scorer 'exact'" in shell(*arguments[:-1], "exact", code=2).output
