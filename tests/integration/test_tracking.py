"""A real MLflow store: what the tracker writes, MLflow itself reads, and the other way round."""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.request
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from workbench import tracking
from workbench.errors import Conflict, InvalidInput, NotFound, TrackingError
from workbench.settings import load_settings
from workbench.testing.simulator import wait_until
from workbench.tracking import RunRecord, TraceRecord
from workbench.wire.usage import Usage

NOW = datetime(2026, 5, 4, 12, 0, 0, 123000, tzinfo=UTC)


def png(shade: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    head = (1).to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0])
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes([0, shade])))
        + chunk(b"IEND", b"")
    )


def a_trace(**fields) -> TraceRecord:
    whole = {
        "name": "chat",
        "inputs": {"q": "?"},
        "outputs": "!",
        "started_at": NOW,
        "ended_at": NOW + timedelta(seconds=2),
    }
    return TraceRecord(**{**whole, **fields})


@pytest.fixture(scope="module")
def mlflow_client(tracker):
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=tracker.uri, registry_uri=tracker.uri)


# -- prompts


def test_an_identical_prompt_makes_no_new_version(tracker):
    first = tracker.register_prompt("same", "Hi {{name}}", parameters={"temperature": 0, "stop": "#"}, message="one")
    again = tracker.register_prompt("same", "Hi {{name}}", parameters={"stop": "#", "temperature": 0}, message="two")
    other = tracker.register_prompt("same", "Hi {{name}}", parameters={"temperature": 0.0, "stop": "#"})
    assert (first.version, again.version, other.version) == (1, 1, 2)
    assert again.message == "one"
    back = tracker.register_prompt("same", "Hi {{name}}", parameters={"temperature": 0, "stop": "#"})
    assert back.version == 3, "what is the same as an older version is a new one: the numbers tell the order"


def test_a_version_comes_back_as_it_was_registered(tracker):
    template = [{"role": "system", "content": "Grüße {{wer}}"}, {"role": "user", "content": "{{m}}"}]
    parameters = {
        "model": "fast",
        "temperature": 0,
        "max_tokens": 64,
        "seed": 7,
        "stop": ["\n"],
        "extra_body": {"a": [1]},
    }
    schema = {"type": "object", "properties": {"z": {"type": "string"}, "a": {"type": "number"}}}
    made = tracker.register_prompt("whole", template, parameters=parameters, schema=schema, tags={"team": "ads"})
    for found in (
        made,
        tracker.get_prompt("whole"),
        tracker.get_prompt("whole", 1),
        tracker.list_prompt_versions("whole")[0],
    ):
        assert (found.template, found.parameters, found.schema) == (template, parameters, schema)
        assert type(found.parameters["temperature"]) is int
        assert (found.tags, found.intact, found.version) == ({"team": "ads"}, True, 1)
    assert "whole" in tracker.list_prompts()


def test_mlflow_shows_parameters_in_its_own_words(tracker, mlflow_client):
    tracker.register_prompt("shown", "x", parameters={"model": "fast", "temperature": 0, "stop": "#", "seed": 1})
    config = mlflow_client.get_prompt_version("shown", 1).model_config
    assert config == {"model_name": "fast", "temperature": 0.0, "stop_sequences": ["#"], "seed": 1}


def test_a_prompt_that_mlflow_registered_is_read_too(tracker, mlflow_client):
    mlflow_client.create_prompt("foreign")
    mlflow_client.create_prompt_version("foreign", "Hi", model_config={"model_name": "fast", "temperature": 0.5})
    found = tracker.get_prompt("foreign")
    assert (found.template, found.parameters, found.intact) == ("Hi", {"model": "fast", "temperature": 0.5}, True)


def test_a_text_that_was_rewritten_in_the_registry_is_noticed(tracker, mlflow_client):
    tracker.register_prompt("tampered", "Be kind to {{name}}")
    mlflow_client.set_prompt_version_tag("tampered", 1, "mlflow.prompt.text", "Be rude to {{name}}")
    found = tracker.get_prompt("tampered", 1)
    assert found.template == "Be rude to {{name}}"
    assert not found.intact
    assert tracker.register_prompt("tampered", "Be rude to {{name}}").version == 2, "the forged one is not built upon"


def test_parameters_that_were_rewritten_in_the_registry_are_noticed(tracker, mlflow_client):
    tracker.register_prompt("heated", "x", parameters={"temperature": 0, "model": "fast"})
    config = json.dumps({"temperature": 2.0, "model_name": "fast"})
    mlflow_client.set_prompt_version_tag("heated", 1, "_mlflow_prompt_model_config", config)
    found = tracker.get_prompt("heated", 1)
    assert found.parameters["temperature"] == 2.0
    assert not found.intact


def test_an_alias_points_and_moves(tracker):
    tracker.register_prompt("aliased", "one")
    tracker.register_prompt("aliased", "two")
    tracker.set_alias("aliased", "production", 1)
    tracker.set_alias("aliased", "production", 2)
    tracker.set_alias("aliased", "champion", 1)
    assert tracker.aliases("aliased") == {"production": 2, "champion": 1}
    assert tracker.get_prompt("aliased", alias="production").template == "two"


def test_a_prompt_that_is_not_there_is_told_with_what_is(tracker):
    tracker.register_prompt("summary", "one")
    with pytest.raises(NotFound, match=r"No prompt named 'sumary'. Known: .*summary"):
        tracker.get_prompt("sumary")
    with pytest.raises(NotFound, match=r"no version 9. Versions: 1"):
        tracker.get_prompt("summary", 9)
    with pytest.raises(NotFound, match=r"no alias 'live'"):
        tracker.get_prompt("summary", alias="live")


def test_a_parameter_that_can_not_be_is_refused_before_anything_is_written(tracker):
    with pytest.raises(InvalidInput, match="'temperature' of a prompt can't be 'hot'"):
        tracker.register_prompt("hot", "x", parameters={"temperature": "hot"})
    assert "hot" not in tracker.list_prompts()


# -- runs


def test_a_run_is_written_whole(tracker, tracking_settings):
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().plot([1, 2])
    tracker.register_prompt("used", "x")
    records = [a_trace(request_id=f"whole-{i}", prompt=("used", 1)) for i in range(3)]
    cells = pd.DataFrame(
        {
            "example_id": ["1", "2", "3"],
            "output": ["007", "2026-01-01", "NaN"],
            "trace_id": [record.trace_id for record in records],
            "score.exact": [1.0, None, 0.0],
            "note": [None, "x", None],
        }
    )
    run_id = tracker.write_run(
        RunRecord(
            "whole run: it's one / two",
            "candidate A",
            parameters={"model": "fast", "limits": {"a": 1}, "long": "x" * 9000},
            metrics={**{f"m{i}": i / 7 for i in range(230)}, "nothing": None, "nan": float("nan")},
            tags={"workbench.candidate": "A"},
            tables={"cells.json": cells},
            figures={"plots/scores.png": figure},
            files={"report/notes.md": b"# Notes"},
            traces=records,
            prompt=("used", 1),
            started_at=NOW,
            ended_at=NOW + timedelta(minutes=3),
        )
    )
    run = tracker.run(run_id)
    assert (run.experiment, run.name, run.status) == ("whole run: it's one / two", "candidate A", "FINISHED")
    assert (run.started_at, run.ended_at) == (NOW, NOW + timedelta(minutes=3))
    assert (run.parameters["model"], run.parameters["limits"]) == ("fast", '{"a": 1}')
    assert len(run.metrics) == 230
    assert run.metrics["m229"] == pytest.approx(229 / 7)
    assert run.tags == {"workbench.candidate": "A"}
    table = tracker.table(run_id)
    assert table["output"].tolist() == ["007", "2026-01-01", "NaN"], "text stays text"
    assert table["score.exact"].tolist()[::2] == [1.0, 0.0]
    assert table["score.exact"].isna().tolist() == [False, True, False]
    assert sorted(tracker.artifacts(run_id)) == ["cells.json", "plots", "report"]
    assert tracker.artifact(run_id, "report/notes.md") == b"# Notes"
    assert tracker.artifact(run_id, "plots/scores.png").startswith(b"\x89PNG")
    assert [trace.request_id for trace in tracker.traces(run_id)].count("whole-1") == 1
    assert any((tracking_settings.home / "artifacts").rglob("notes.md")), "artefacts lie below home"
    frame = tracker.runs("whole run: it's one / two")
    assert frame.loc[0, "run_id"] == run_id
    assert frame.loc[0, "tags.workbench.candidate"] == "A"


def test_a_table_may_mix_text_and_images(tracker):
    red, blue = png(80), png(200)
    cells = pd.DataFrame({"example_id": ["1", "2", "3"], "output": ["text", red, [red, blue]], "more": [[], None, 1]})
    run_id = tracker.write_run(RunRecord("images", "A", tables={"cells.json": cells}))
    shown = tracker.table(run_id)
    assert shown["output"][0] == "text"
    assert shown["output"][1]["type"] == "image"
    assert tracker.artifact(run_id, shown["output"][1]["filepath"]) == red
    assert tracker.table(run_id, images=True)["output"].tolist() == ["text", red, [red, blue]]


def test_bytes_that_are_no_image_are_refused(tracker):
    with pytest.raises(InvalidInput, match="no PNG, JPEG or WebP"):
        tracker.write_run(RunRecord("images", "B", tables={"cells.json": pd.DataFrame({"output": [b"exe"]})}))


def test_a_run_with_a_key_is_written_once(tracker):
    first = tracker.write_run(RunRecord("keyed", "A", metrics={"x": 1.0}, key="it's-a"))
    assert tracker.write_run(RunRecord("keyed", "A", metrics={"x": 1.0}, key="it's-a")) == first
    assert tracker.write_run(RunRecord("keyed", "A", key="b")) != first
    assert len(tracker.runs("keyed")) == 2


def test_a_run_that_was_cut_off_is_written_anew(tracker, mlflow_client):
    done = tracker.write_run(RunRecord("cut", "A", key="k"))
    mlflow_client.update_run(done, status="RUNNING")
    again = tracker.write_run(RunRecord("cut", "A", key="k"))
    assert again != done
    assert tracker.runs("cut")["run_id"].tolist() == [again]


def test_runs_are_found_by_their_tags(tracker):
    for name in ("A", "B"):
        tracker.write_run(RunRecord("tagged", name, tags={"workbench.prompt": name, "who": "it's me"}))
    assert [run.name for run in tracker.find_runs("tagged", tags={"workbench.prompt": "B", "who": "it's me"})] == ["B"]


def test_an_experiment_that_is_not_there_is_told_with_what_is(tracker):
    tracker.write_run(RunRecord("known one", "A"))
    with pytest.raises(NotFound, match=r"No experiment named 'knwon'. Known: .*'known one'"):
        tracker.runs("knwon")


def test_an_experiment_that_was_deleted_is_not_written_to(tracker, mlflow_client):
    run_id = tracker.write_run(RunRecord("gone", "A"))
    mlflow_client.delete_experiment(mlflow_client.get_run(run_id).info.experiment_id)
    with pytest.raises(Conflict, match="'gone' was deleted"):
        tracker.write_run(RunRecord("gone", "B"))


# -- traces


def test_mlflow_reads_tokens_cost_and_prompt_of_a_trace(tracker, mlflow_client):
    tracker.register_prompt("linked", "x")
    record = a_trace(
        inputs={"message": "Wo bleibt mein Päckchen?"},
        outputs="delivery",
        usage=Usage(input_tokens=30, output_tokens=4, cached_input_tokens=10),
        cost_usd=0.00125,
        model="fast",
        request_id="req-linked",
        prompt=("linked", 1),
        tags={"arm": "A"},
        scores={"exact": 1.0, "judge": None},
    )
    run_id = tracker.write_run(RunRecord("traced", "A", traces=[record]))
    seen = mlflow_client.get_trace(record.trace_id, display=False)
    assert seen.info.token_usage["input_tokens"] == 30
    assert seen.info.token_usage["total_tokens"] == 34
    assert seen.info.cost["total_cost"] == 0.00125
    assert seen.data.spans[0].get_attribute("mlflow.chat.tokenUsage")["output_tokens"] == 4
    assert seen.info.execution_duration == 2000
    experiment = mlflow_client.get_run(run_id).info.experiment_id
    for query in (
        "prompt = 'linked/1'",
        "trace.client_request_id = 'req-linked'",
        "tag.arm = 'A'",
        "feedback.exact > 0.5",
    ):
        found = mlflow_client.search_traces(locations=[experiment], filter_string=query)
        assert [each.info.trace_id for each in found] == [record.trace_id], query
    trace = tracker.trace(record.trace_id)
    assert trace.usage == record.usage
    assert (trace.inputs, trace.text, trace.cost_usd, trace.model) == (record.inputs, "delivery", 0.00125, "fast")
    assert (trace.run_id, trace.prompt, trace.tags, trace.status) == (run_id, ("linked", 1), {"arm": "A"}, "OK")
    assert (trace.started_at, trace.latency_ms) == (NOW, 2000)
    assert tracker.trace_of_request("req-linked") == record.trace_id
    assert tracker.trace_of_request("it's none") is None


def test_a_failed_call_says_why(tracker):
    record = a_trace(outputs=None, status="ERROR", error="no such model")
    tracker.write_run(RunRecord("failed", "A", traces=[record]))
    trace = tracker.trace(record.trace_id)
    assert (trace.status, trace.error, trace.outputs) == ("ERROR", "no such model", None)


def test_images_are_kept_beside_the_trace(tracker):
    record = a_trace(outputs="a picture", images=(png(10), png(20)))
    only = a_trace(outputs=None, images=(png(30),))
    tracker.write_run(RunRecord("pictures", "A", traces=[record, only]))
    trace = tracker.trace(record.trace_id)
    assert trace.text == "a picture"
    assert [tracker.image(reference) for reference in trace.images] == [png(10), png(20)]
    assert [tracker.image(reference) for reference in tracker.trace(only.trace_id).images] == [png(30)]


def test_a_trace_that_is_written_twice_is_there_once(tracker, mlflow_client):
    records = [
        a_trace(scores={"exact": 1.0}, images=(png(1), png(2))),
        a_trace(scores={"exact": 0.0}, prompt=("used", 1)),
    ]
    run_id = tracker.write_run(RunRecord("twice", "A", traces=records))
    tracker.write_traces(records, run_id)
    assert len(tracker.traces(run_id)) == 2
    for record in records:
        assert len(mlflow_client.get_trace(record.trace_id, display=False).data.spans) == 1
        assert len(tracker.ratings([record.trace_id])) == 1
        found = tracker.trace(record.trace_id)
        assert [tracker.image(reference) for reference in found.images] == list(record.images)


def test_traces_of_a_run_that_was_cut_off_belong_to_the_one_that_replaces_it(tracker, mlflow_client):
    record = a_trace(scores={"exact": 1.0})
    cut = tracker.write_run(RunRecord("cut traces", "A", traces=[record], key="k"))
    mlflow_client.update_run(cut, status="RUNNING")
    again = tracker.write_run(RunRecord("cut traces", "A", traces=[record], key="k"))
    assert [trace.trace_id for trace in tracker.traces(again)] == [record.trace_id]
    assert tracker.trace(record.trace_id).run_id == again
    assert tracker.ratings([record.trace_id])["value"].tolist() == [1.0]


# -- assessments


def test_a_rating_finds_the_trace_that_was_written_just_before(tracker):
    record = a_trace(scores={"exact": 0.0})
    tracker.write_run(RunRecord("rated", "A", traces=[record]))
    tracker.rate(record.trace_id, "thumbs", True, source="HUMAN", source_id="ada", rationale="fine")
    said = tracker.ratings([record.trace_id]).set_index("name")
    assert said.loc["thumbs", "value"] is True
    assert (said.loc["thumbs", "source"], said.loc["thumbs", "source_id"]) == ("HUMAN", "ada")
    assert (said.loc["exact", "source"], said.loc["exact", "source_id"], said.loc["exact", "value"]) == (
        "CODE",
        "exact",
        0.0,
    )


def test_a_second_word_overrides_the_first_and_nothing_else(tracker, mlflow_client):
    record = a_trace()
    tracker.write_run(RunRecord("overridden", "A", traces=[record]))

    def rate(value, who="ada", **more):
        return tracker.rate(record.trace_id, "stars", value, source="HUMAN", source_id=who, **more)

    first = rate(3)
    assert rate(3) == first, "the same word again is the same word"
    rate(4, "bob")
    rate(2, about="pair-1")
    assert rate(5) != first
    said = tracker.ratings([record.trace_id])
    assert sorted(zip(said["source_id"], said["about"].fillna("-"), said["value"], strict=True)) == [
        ("ada", "-", 5),
        ("ada", "pair-1", 2),
        ("bob", "-", 4),
    ]
    kept = mlflow_client.get_trace(record.trace_id, display=False).info.assessments
    assert [each.value for each in kept if each.valid is False] == [3], "MLflow keeps what was overridden"


def test_true_and_one_are_two_words(tracker):
    record = a_trace()
    tracker.write_run(RunRecord("typed", "A", traces=[record]))
    tracker.rate(record.trace_id, "x", 1, source="CODE", source_id="rule")
    tracker.rate(record.trace_id, "x", True, source="CODE", source_id="rule")
    assert tracker.ratings([record.trace_id])["value"].tolist() == [True]
    assert tracker.ratings([record.trace_id])["value"].tolist()[0] is True


def test_nobodys_word_is_refused(tracker):
    with pytest.raises(InvalidInput, match="needs the name"):
        tracker.rate("tr-1", "x", 1, source="HUMAN", source_id=" ")
    with pytest.raises(InvalidInput, match="not 'ROBOT'"):
        tracker.rate("tr-1", "x", 1, source="ROBOT", source_id="r2")
    with pytest.raises(NotFound):
        tracker.rate("tr-" + "0" * 32, "x", 1, source="CODE", source_id="rule")


def test_no_traces_have_no_ratings_but_all_columns(tracker):
    assert list(tracker.ratings([]).columns)[:4] == ["trace_id", "name", "value", "source"]


# -- the store itself

WRITER = """
import sys
from datetime import datetime, UTC
from workbench import tracking
from workbench.tracking import RunRecord, TraceRecord
tracker = tracking.connect()
who, shared = sys.argv[1:]
traces = [TraceRecord("chat", {"n": n}, who, datetime.now(UTC), datetime.now(UTC)) for n in range(12)]
tracker.write_run(RunRecord("crowd", who, traces=traces, metrics={f"m{n}": n for n in range(20)}))
for n in range(12):
    tracker.rate(shared, "seen", n, source="CODE", source_id=who)
tracker.register_prompt("crowd", "the same for all")
"""


def python(code: str, *arguments: str, home: Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "WORKBENCH_HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_processes_that_write_at_once_lose_nothing(tracker, tracking_settings):
    record = a_trace()
    tracker.write_run(RunRecord("crowd", "first", traces=[record]))
    environment = {
        **os.environ,
        "WORKBENCH_HOME": str(tracking_settings.home),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, who, record.trace_id], env=environment) for who in "ab"]
    assert [writer.wait(timeout=240) for writer in writers] == [0, 0]
    runs = {run.name: run for run in tracker.find_runs("crowd")}
    assert {name: len(tracker.traces(runs[name].run_id)) for name in "ab"} == {"a": 12, "b": 12}
    assert all(len(runs[name].metrics) == 20 for name in "ab")
    assert sorted(tracker.ratings([record.trace_id])["source_id"]) == ["a", "b"], "one valid word for each"
    assert [version.version for version in tracker.list_prompt_versions("crowd")] == [1]


def test_mlflows_globals_and_the_working_folder_stay_the_users(tmp_path):
    code = """
import os, mlflow
mlflow.set_tracking_uri("sqlite:///mine.db")
from datetime import datetime, UTC
from workbench import tracking
from workbench.tracking import RunRecord, TraceRecord
tracker = tracking.connect()
tracker.register_prompt("p", "x")
trace = TraceRecord("chat", 1, 2, datetime.now(UTC), datetime.now(UTC), prompt=("p", 1))
run_id = tracker.write_run(RunRecord("e", "r", traces=[trace], prompt=("p", 1), files={"a.txt": b"a"}))
tracker.rate(trace.trace_id, "x", 1, source="CODE", source_id="rule")
tracker.artifact(run_id, "a.txt")
tracker.traces(run_id)
assert mlflow.get_tracking_uri() == "sqlite:///mine.db", mlflow.get_tracking_uri()
assert mlflow.active_run() is None
assert "MLFLOW_TRACKING_URI" not in os.environ or os.environ["MLFLOW_TRACKING_URI"] == "sqlite:///mine.db"
assert os.listdir() == [], os.listdir()
"""
    work = tmp_path / "work"
    work.mkdir()
    done = python(code, home=tmp_path / "home", cwd=work)
    assert done.returncode == 0, done.stderr
    assert (done.stdout, done.stderr) == ("", ""), "MLflow prints nothing"


def test_importing_the_room_loads_no_mlflow(tmp_path):
    code = "import sys, workbench.tracking, workbench.prompts, workbench.feedback; print(*sys.modules)"
    loaded = set(python(code, home=tmp_path).stdout.split())
    assert "workbench.tracking" in loaded
    assert not loaded & {"mlflow", "pandas", "sqlalchemy", "openai", "torch"}


def test_a_busy_file_is_waited_for(tracker):
    answers = iter([sqlite3.OperationalError("database is locked")] * 3)

    def write():
        from sqlalchemy.exc import OperationalError

        for error in answers:
            raise OperationalError("INSERT", {}, error)
        return "written"

    assert tracker._store.write(write) == "written"


def test_a_store_made_by_a_newer_mlflow_is_left_alone(tracker, tracking_settings, tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(tracking_settings.home / "mlflow.db", home / "mlflow.db")
    with sqlite3.connect(home / "mlflow.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'from_the_future'")
    before = (home / "mlflow.db").read_bytes()
    with pytest.raises(TrackingError, match="from_the_future"):
        tracking.connect(load_settings(home=home, environ={}))
    assert (home / "mlflow.db").read_bytes() == before


def test_a_file_that_is_no_database_is_told(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "mlflow.db").write_bytes(b"something else" * 100)
    with pytest.raises(TrackingError, match="not a database"):
        tracking.connect(load_settings(home=home, environ={}))


def test_a_process_of_its_own_is_led_to_the_same_store(tracking_settings):
    found = tracking.mlflow_environment(tracking_settings)
    assert found["MLFLOW_TRACKING_URI"] == tracking_settings.tracking_uri
    assert found["MLFLOW_DISABLE_TELEMETRY"] == "true"


@pytest.fixture(scope="module")
def server(tracking_settings, tracker, tmp_path_factory):
    """A real MLflow server on a copy of the store."""
    folder = tmp_path_factory.mktemp("server")
    with sqlite3.connect(tracking_settings.home / "mlflow.db") as source, sqlite3.connect(folder / "s.db") as copy:
        source.backup(copy)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    store = [
        "--backend-store-uri",
        f"sqlite:///{folder / 's.db'}",
        "--artifacts-destination",
        str(folder / "artifacts"),
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", *store, "--port", str(port), "--workers", "1"],
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
        stdout=(log := (folder / "log").open("w")),
        stderr=log,
        cwd=folder,
        start_new_session=True,
    )
    try:
        wait_until(lambda: answers(url), "the MLflow server is up", seconds=120)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=30)
        log.close()


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def test_a_tracking_server_holds_the_same(server, tmp_path):
    (tmp_path / "workbench.toml").write_text(f'[tracking]\nuri = "{server}"\n', "utf-8")
    tracker = tracking.connect(load_settings(tmp_path / "workbench.toml", home=tmp_path / "home", credentials=False))
    prompt = tracker.register_prompt("remote", "Hi {{name}}", parameters={"temperature": 0})
    assert tracker.register_prompt("remote", "Hi {{name}}", parameters={"temperature": 0}).version == prompt.version
    tracker.set_alias("remote", "production", prompt.version)
    assert tracker.aliases("remote") == {"production": prompt.version}
    record = a_trace(
        images=(png(5),),
        prompt=("remote", 1),
        scores={"exact": 1.0},
        request_id="req-remote",
        cost_usd=0.5,
        usage=Usage(3, 4),
    )
    cells = pd.DataFrame({"output": ["007", png(6)]})
    run_id = tracker.write_run(
        RunRecord(
            "remote",
            "A",
            tables={"cells.json": cells},
            traces=[record],
            metrics={"x": 1.0},
            prompt=("remote", 1),
            key="k",
        )
    )
    assert tracker.table(run_id, images=True)["output"].tolist() == ["007", png(6)]
    (trace,) = tracker.traces(run_id)
    assert (trace.text, trace.cost_usd, trace.usage, trace.prompt) == ("!", 0.5, Usage(3, 4), ("remote", 1))
    assert tracker.image(trace.images[0]) == png(5)
    assert tracker.trace_of_request("req-remote") == record.trace_id
    tracker.rate(record.trace_id, "stars", 3, source="HUMAN", source_id="ada")
    tracker.rate(record.trace_id, "stars", 5, source="HUMAN", source_id="ada")
    assert sorted(tracker.ratings([record.trace_id])["value"]) == [1.0, 5]
    with pytest.raises(NotFound, match=r"^Run with id=nope not found"):
        tracker.run("nope")


def test_a_server_that_is_not_there_is_told_at_once(tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"  # bound, and nobody listens
        (tmp_path / "workbench.toml").write_text(f'[tracking]\nuri = "{url}"\n', "utf-8")
        with pytest.raises(TrackingError, match="Is the tracking server up"):
            tracking.connect(load_settings(tmp_path / "workbench.toml", home=tmp_path, credentials=False))
