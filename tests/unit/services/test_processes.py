from __future__ import annotations

import sys

import psutil
import pytest

from workbench.errors import Unavailable
from workbench.services import Process, Program, free_port, stop_all
from workbench.services.guard import DETACHED
from workbench.services.ports import answers
from workbench.services.processes import Log

SERVE = """
import http.server, os, sys
print("listening with", os.environ.get("TOKEN"), os.environ.get("WORKBENCH_HOME"), flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


@pytest.fixture
def server() -> Program:
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    return Program(
        name="server",
        command=(sys.executable, "-c", SERVE, str(port)),
        url=url,
        ready_url=url,
        secret_url=url + "?token=s3cret",
        environment={"TOKEN": "s3cret"},
    )


def test_a_program_is_ready_when_it_answers_and_gone_when_it_was_stopped(server, tmp_path):
    with Process(server, home=tmp_path, cwd=tmp_path) as process:
        process.wait_ready(30)
        assert process.is_ready()
        family = psutil.Process(process.pid).children(recursive=True)
        assert f"listening with s3cret {tmp_path}" in process.log.tail()
    assert not answers(server.url)
    assert not any(member.is_running() for member in family)
    assert not process.is_ready()
    process.stop()


def test_no_secret_of_a_program_shows(server, tmp_path):
    assert "s3cret" not in repr(server)
    with Process(server, home=tmp_path, cwd=tmp_path) as process:
        assert "s3cret" not in repr(process)
        assert "s3cret" not in " ".join(psutil.Process(process.pid).cmdline())


def test_a_program_that_ends_too_early_is_told_with_the_tail_of_its_log(tmp_path):
    script = "import sys; print('first'); sys.exit('no such table: runs')"
    program = Program("broken", (sys.executable, "-c", script), ready_url="http://127.0.0.1:9/")
    with Process(program, home=tmp_path) as process, pytest.raises(Unavailable) as caught:
        process.wait_ready(30)
    told = str(caught.value)
    assert "broken ended with exit code 1" in told
    assert "| no such table: runs" in told
    assert str(tmp_path / "logs" / "broken.log") in told


def test_a_program_that_is_late_is_told(tmp_path):
    program = Program("late", (sys.executable, "-c", "import time; time.sleep(60)"), ready_url="http://127.0.0.1:9/")
    with Process(program, home=tmp_path) as process, pytest.raises(Unavailable, match="late was not ready"):
        process.wait_ready(0.2)


def test_a_program_that_ends_by_itself_is_waited_for(tmp_path):
    assert Process(Program("quick", (sys.executable, "-c", "")), home=tmp_path).wait(30) == 0
    slow = Program("slow", (sys.executable, "-c", "import time; time.sleep(60)"))
    with Process(slow, home=tmp_path) as process, pytest.raises(Unavailable, match="did not end"):
        process.wait(0.2)


def test_several_are_stopped_side_by_side(tmp_path):
    script = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    processes = [
        Process(Program(f"p{number}", (sys.executable, "-c", script)), home=tmp_path, grace=0.2) for number in range(3)
    ]
    stop_all(processes)
    assert all(process.exit_code is not None for process in processes)


def test_a_child_of_a_shared_process_is_not_taken_for_shared(tmp_path, monkeypatch):
    monkeypatch.setenv(DETACHED, "1")
    script = f"import os, sys; sys.exit({DETACHED!r} in os.environ)"
    assert Process(Program("p", (sys.executable, "-c", script)), home=tmp_path).wait(30) == 0


def test_a_log_tells_only_of_this_start_and_is_its_owners(tmp_path):
    first = Log(tmp_path, "x")
    with first.open() as file:
        file.write(b"old\n")
    second = Log(tmp_path, "x")
    assert second.tail() == ""
    with second.open() as file:
        file.write("".join(f"line {n}\n" for n in range(100)).encode())
    assert second.tail(2) == "line 98\nline 99"
    assert second.path.stat().st_mode & 0o777 == 0o600
    assert "old" in second.path.read_text()


def test_a_port_that_is_taken_is_replaced():
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port(port) not in (port, 0)
    assert free_port(port) == port


def test_nobody_answers_at_a_closed_port():
    assert not answers(f"http://127.0.0.1:{free_port()}/")
