"""What other workers change is taken over topic by topic."""

import asyncio
from pathlib import Path

import pytest

from workbench.gateway import following
from workbench.gateway.following import Follower
from workbench.gateway.parts import Parts
from workbench.gateway.state import KEYS, PROMPTS, State
from workbench.settings import Settings, StateSettings


async def test_a_topic_that_fails_keeps_no_other_from_being_followed(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.0)
    database = StateSettings(database=state.url.render_as_string(hide_password=False))
    parts = Parts(Settings(home=tmp_path, state=database))
    heard = asyncio.Event()

    async def fails() -> None:
        raise ValueError("a key can't be read")

    async def hears() -> None:
        heard.set()

    follower = Follower(parts)
    follower._take |= {KEYS: fails, PROMPTS: hears}
    follower.begin()
    for topic in (KEYS, PROMPTS):
        state.tell(topic)
    follower.follow()
    try:
        async with asyncio.timeout(10):
            await heard.wait()
    finally:
        await follower.close()
        parts.state.close()
    assert "keys was not taken over" in caplog.text
