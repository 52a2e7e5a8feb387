"""Ten thousand votes in chaos: double clicks, two tabs, reconnects, killed processes. None may be lost or doubled.

`python -m tests.benchmarks.votes [--votes N] [--processes N]` prints what was told to raters against what MLflow has,
and how long a vote takes. Each process rates for its share of the raters; some are killed with SIGKILL and begun anew.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles

import pandas as pd

from workbench import feedback, tracking
from workbench.feedback import review_queue
from workbench.feedback.booth import Booth
from workbench.feedback.standing import standing
from workbench.settings import load_settings
from workbench.tracking import RunRecord, TraceRecord
from workbench.tracking.tracker import Tracker

RATERS_PER_ITEM = 20
WORDS = [choice for choice, _ in feedback.CHOICES]


def main() -> None:
    """Run the benchmark, or one of its processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--votes", type=int, default=10_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--rate", nargs=4, metavar=("HOME", "QUEUE", "RATERS", "LOG"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.rate:
        home, queue, raters, log = options.rate
        _rate(Path(home), queue, raters.split(","), Path(log))
    else:
        _run(options.votes, options.processes, options.kills)


def _run(votes: int, processes: int, kills: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        settings = load_settings(home=home, environ={}, credentials=False)
        tracker = tracking.connect(settings)
        items = max(1, votes // RATERS_PER_ITEM)
        runs = [_write(tracker, name, items) for name in ("A", "B")]
        shared = feedback.share(runs, raters=RATERS_PER_ITEM, again=0, expires=None, settings=settings, tracker=tracker)
        raters = [f"rater-{number}" for number in range(RATERS_PER_ITEM)]
        begun = time.monotonic()
        logs = [Path(folder) / f"told-{number}.jsonl" for number in range(processes)]
        commands = [
            [sys.executable, "-m", "tests.benchmarks.votes", "--rate", str(home), shared.queue_id,
             ",".join(raters[number::processes]), str(log)]
            for number, log in enumerate(logs)
        ]  # fmt: skip
        running = [subprocess.Popen(command) for command in commands]
        killed = 0
        draw = random.Random(0)
        while any(process.poll() is None for process in running):
            time.sleep(draw.uniform(1, 3))
            done = sum(log.read_bytes().count(b"\n") for log in logs if log.exists())
            _tell(f"{done} votes told, {killed} kills, {time.monotonic() - begun:.0f} s")
            which = draw.randrange(processes)
            if killed < kills and done > votes * (killed + 1) / (kills + 1) and running[which].poll() is None:
                os.kill(running[which].pid, signal.SIGKILL)
                running[which].wait()
                running[which] = subprocess.Popen(commands[which])
                killed += 1
        assert all(process.returncode == 0 for process in running)
        _judge(tracker, shared.queue_id, runs, logs, items * RATERS_PER_ITEM, time.monotonic() - begun)


def _judge(tracker: Tracker, queue_id: str, runs: list[str], logs: list[Path], wanted: int, seconds: float) -> None:
    told: dict[str, str] = {}
    took: list[float] = []
    for line in (line for log in logs for line in log.read_text().splitlines()):
        said = json.loads(line)
        assert told.setdefault(said["ticket"], said["word"]) == said["word"], "one ballot was told two words"
        took.append(said["seconds"])
    booth = Booth(review_queue.by_id(queue_id, tracker=tracker), tracker=tracker)
    places = {place.ticket: place for place in booth._list.voted(queue_id)}
    in_mlflow = standing(booth.queue, booth._items.values(), tracker=tracker)
    kept = sorted((place.item, place.rater, place.word) for place in in_mlflow)
    lost = sum(ticket not in places or places[ticket].word != word for ticket, word in told.items())
    doubled = len(kept) - len({(item, rater) for item, rater, _ in kept})
    differ = kept != sorted((place.item, place.rater, place.word) for place in places.values())
    assessments = sum(len(tracker.ratings([t.trace_id for t in tracker.traces(run)])) for run in runs)
    _tell(f"{len(kept)} of {wanted} votes in MLflow ({assessments} assessments, 2 a vote), {len(told)} told to raters")
    _tell(f"lost {lost}, doubled {doubled}, work list and MLflow {'differ' if differ else 'agree'}")
    _tell(f"{seconds:.0f} s, {len(kept) / seconds:.0f} votes/s")
    _tell(f"next ballot and vote: median {median(took) * 1000:.0f} ms, p95 {quantiles(took, n=20)[-1] * 1000:.0f} ms")
    assert (lost, doubled, differ, len(kept), assessments) == (0, 0, False, wanted, 2 * wanted)


def _rate(home: Path, queue_id: str, raters: list[str], log: Path) -> None:
    """Rate as people do whose browsers, fingers and networks can't be trusted; tell each vote once it was taken."""
    tracker = tracking.connect(load_settings(home=home, environ={}, credentials=False))
    queue = review_queue.by_id(queue_id, tracker=tracker)
    booth = Booth(queue, tracker=tracker)
    draw = random.Random(os.getpid())
    with log.open("a", buffering=1) as out:
        left = list(raters)
        while left:
            rater = draw.choice(left)
            begun = time.monotonic()
            ballot = booth.next(rater)
            if ballot is None:
                left.remove(rater)
                continue
            if draw.random() < 0.05:
                assert booth.next(rater) == ballot  # a reconnect sees the same
            word = draw.choice(WORDS)
            if booth.cast(ballot.ticket, word, rater):
                seconds = time.monotonic() - begun
                out.write(json.dumps({"ticket": ballot.ticket, "word": word, "seconds": seconds}) + "\n")
            for _ in range(draw.choice([0, 0, 0, 1, 2])):  # a double click, or the other tab
                assert not booth.cast(ballot.ticket, draw.choice(WORDS), rater)


def _tell(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _write(tracker: Tracker, name: str, answers: int) -> str:
    now = datetime.now(UTC)
    records = [TraceRecord("votes", {"q": f"case {n}"}, f"{name} {n}", now, now) for n in range(answers)]
    rows = [
        {"example_id": f"e{n}", "repeat": 0, "output": r.outputs, "error": None, "trace_id": r.trace_id}
        for n, r in enumerate(records)
    ]
    return tracker.write_run(RunRecord("votes", name, tables={"cells.json": pd.DataFrame(rows)}, traces=records))


if __name__ == "__main__":
    main()
