"""The app's page of keys, on a gateway that runs: issued once, listed, revoked."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from streamlit.testing.v1 import AppTest

from workbench.testing.gateway import running_gateway

PAGE = Path(__file__).parents[2] / "apps" / "workbench_app" / "views" / "keys.py"


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AppTest:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "visitor"))
    monkeypatch.delenv("WORKBENCH_GATEWAY_URL", raising=False)
    return AppTest.from_file(str(PAGE), default_timeout=60)


def test_without_a_gateway_the_page_says_so(page: AppTest) -> None:
    page.run()
    assert not page.exception
    assert "No gateway is running" in page.info[0].value


def test_a_visitor_issues_sees_and_ends_their_own_key(
    page: AppTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = '[providers.local]\nkind = "local"\ntrust = "in_house"\n'
    with running_gateway(tmp_path / "gateway", config=config) as gateway:
        monkeypatch.setenv("WORKBENCH_GATEWAY_URL", gateway.url)
        page.run()
        assert not page.code, "somebody unknown is shown a key"
        page.text_input[0].set_value("wbo-wrong").run()
        assert page.error
        page.text_input[0].set_value(gateway.owner_token).run()
        assert "no live key" in page.info[0].value
        note = next(each for each in page.text_input if each.label == "What is it for?")
        note.set_value("a demo")
        page.button[0].click().run()
        secret = page.code[0].value
        headers = {"authorization": f"Bearer {secret}"}
        assert httpx.get(f"{gateway.url}/me", headers=headers).json()["note"] == "a demo"
        page.run()
        assert not page.code, "a key is shown twice"
        next(each for each in page.button if each.label == "Revoke").click().run()
        assert not page.exception
        assert httpx.get(f"{gateway.url}/me", headers=headers).status_code == 401
