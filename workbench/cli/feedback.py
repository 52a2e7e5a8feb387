"""`workbench feedback`: drain what applications say, ask colleagues by a link, see whom they prefer."""

from __future__ import annotations

import json
import signal
import sys
import time
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from workbench.cli.options import Duration, config_option, json_option
from workbench.cli.tables import print_table

if TYPE_CHECKING:
    from workbench.feedback import ReviewQueue
    from workbench.tracking.tracker import Tracker

_READY_WITHIN = 120.0  # seconds; a machine that does much else is slow to load MLflow


@click.group()
def command() -> None:
    """Drain what applications say of their calls, ask colleagues by a link, see whom they prefer."""


@command.command()
@config_option
@click.option("--follow", is_flag=True, help="Go on until Ctrl-C, looking again every few seconds.")
@json_option
def drain(*, config: Path | None, follow: bool, as_json: bool) -> None:
    """Bring the gateway's feedback into MLflow, from where the last drain ended; again changes nothing.

    The app that `workbench up` runs does so by itself. Asks as the local owner, or by WORKBENCH_IDENTITY_TOKEN. With
    --follow a gateway that is away is told once and waited for.
    """
    from workbench.errors import WorkbenchError
    from workbench.feedback.draining import EVERY_SECONDS, drain_own
    from workbench.settings import load_settings

    settings = load_settings(config, credentials=False)
    waits_for = ""
    try:
        while True:
            try:
                done = drain_own(settings)
            except WorkbenchError as error:
                if not (follow and error.retryable):
                    raise
                if error.message != waits_for:
                    click.echo(f"{error.message} Trying again every {EVERY_SECONDS:g} seconds.", err=True)
                waits_for = error.message
            else:
                waits_for = ""
                if as_json:
                    click.echo(json.dumps(asdict(done)))
                elif done.rows or not follow:
                    click.echo(f"{done.rows} words drained, {done.new_traces} of calls that MLflow knew nothing of.")
            if not follow:
                return
            time.sleep(EVERY_SECONDS)
    except KeyboardInterrupt:
        return


@command.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("--question", help="What the page asks.")
@click.option("--name", help="Name of the answers in MLflow; another question about the same runs needs another one.")
@click.option("--raters", type=click.IntRange(min=1), default=3, show_default=True, help="People for each item.")
@click.option("--rater", "named", multiple=True, help="Name of somebody who gets a link of their own; may be repeated.")
@click.option("--expires-in", type=Duration(), default="7d", show_default=True, help="How long the link holds.")
@config_option
@json_option
def share(
    *,
    runs: tuple[str, ...],
    question: str | None,
    name: str | None,
    raters: int,
    named: tuple[str, ...],
    expires_in: int,
    config: Path | None,
    as_json: bool,
) -> None:
    """Make a link by which colleagues compare the answers of MLflow runs blind, or rate those of one."""
    from workbench import tracking
    from workbench.feedback import share as make
    from workbench.settings import load_settings

    settings = load_settings(config, credentials=False)
    made = make(
        runs,
        question=question,
        name=name,
        raters=named or raters,
        expires=timedelta(seconds=expires_in),
        settings=settings,
        tracker=tracking.connect(settings),
    )
    if as_json:
        click.echo(json.dumps({"queue_id": made.queue_id, "url": made.url, "urls": dict(made.urls)}))
    else:
        click.echo(f"{made}\n`workbench feedback close {made.queue_id}` ends it.")


@command.command("list")
@click.option("--all", "every", is_flag=True, help="Those that have ended too.")
@config_option
@json_option
def list_(*, every: bool, config: Path | None, as_json: bool) -> None:
    """List the review queues whose links are open, newest first, with how many items are finished."""
    from workbench import tracking
    from workbench.feedback import queues
    from workbench.settings import load_settings

    tracker = tracking.connect(load_settings(config, credentials=False))
    found = [(each, _finished(each, tracker)) for each in queues(tracker=tracker) if every or not each.ended]
    if as_json:
        rows = [
            {"queue_id": each.queue_id, "question": each.question, "name": each.name, "runs": each.run_ids,
             **({"finished": done[0], "items": done[1]} if done else {}), "ended": each.ended,
             "created_by": each.created_by, "expires_at": each.expires_at}
            for each, done in found
        ]  # fmt: skip
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    if not found:
        click.echo("No open links. `workbench feedback share RUN...` makes one.")
        return
    from rich.table import Table

    table = Table("queue", "question", "name", "finished", "ends", "by", box=None, pad_edge=False)
    for each, done in found:
        ends = "ended" if each.ended else each.expires_at[:16].replace("T", " ") if each.expires_at else "never"
        finished = f"{done[0]} of {done[1]}" if done else "its runs are gone"
        table.add_row(each.queue_id, each.question, each.name, finished, ends, each.created_by)
    table.columns[0].no_wrap = True  # it is copied
    print_table(table)


@command.command()
@click.argument("queue_id")
@config_option
def close(*, queue_id: str, config: Path | None) -> None:
    """End the links of a review queue, on pages that are open within seconds; the votes that were given stay.

    `workbench feedback share` and `list` tell QUEUE_ID.
    """
    from workbench import tracking
    from workbench.feedback import close_queue
    from workbench.settings import load_settings

    close_queue(queue_id, tracker=tracking.connect(load_settings(config, credentials=False)))
    click.echo("Closed.")


@command.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("--name", default="preference", show_default=True, help="Name under which the question was shared.")
@config_option
@json_option
def leaderboard(*, runs: tuple[str, ...], name: str, config: Path | None, as_json: bool) -> None:
    """Show whom people prefer among MLflow runs, with intervals; ends with code 3 where no winner can be named."""
    from workbench import tracking
    from workbench.feedback import leaderboard as rank
    from workbench.settings import load_settings

    board = rank(runs, name=name, tracker=tracking.connect(load_settings(config, credentials=False)))
    if as_json:
        told = {"rows": board.ranking.rows(), "winner": board.winner, "verdict": board.verdict, "notes": board.notes()}
        click.echo(json.dumps(told))
    else:
        click.echo(str(board))
    if board.winner is None:
        sys.exit(3)


@command.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8502, show_default=True)
@config_option
def serve(*, host: str, port: int, config: Path | None) -> None:
    """Serve the page behind the links and nothing else, for colleagues who can't reach this machine's own app."""
    from workbench.services import Process
    from workbench.services.programs import rater_app
    from workbench.settings import load_settings

    # The end that a service manager asks for is the one of Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    settings = load_settings(config, credentials=False)
    with Process(rater_app(settings, host=host, port=port), home=settings.home) as process:
        try:
            process.wait_ready(_READY_WITHIN)
            click.echo(f"{process.program.url}/vote is where links lead whose `[app] url` is this address.")
            while process.exit_code is None:
                time.sleep(0.5)
        except KeyboardInterrupt:
            return
        raise process.ended()


def _finished(queue: ReviewQueue, tracker: Tracker) -> tuple[int, int] | None:
    """Return how many items are finished, of how many; None where MLflow has their runs no more."""
    from workbench.errors import NotFound
    from workbench.feedback import Booth

    try:
        return Booth(queue, tracker=tracker).finished()
    except NotFound:
        return None
