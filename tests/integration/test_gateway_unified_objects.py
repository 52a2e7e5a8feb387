"""Files, batches, jobs, vector stores and responses: they find their provider again, and nobody else reads them."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from workbench.testing.gateway import RunningGateway, running_gateway
from workbench.testing.simulator import SimulatedProviders

Maker = Callable[..., openai.OpenAI]


def configuration(url: str) -> str:
    return f"""
[providers.acme]
kind = "openai"
base_url = "{url}/v1"
credential = {{ env = "ACME_KEY" }}
[providers.other]
kind = "openai_compatible"
base_url = "{url}/v1"
credential = {{ env = "ACME_KEY" }}
[[models]]
name = "fast"
deployments = [{{ provider = "other", model = "gpt-4o-mini" }}, {{ provider = "acme", model = "gpt-4o-mini" }}]
[[models]]
name = "hidden"
deployments = [{{ provider = "acme", model = "gpt-4o" }}]
[[models]]
name = "elsewhere"
deployments = [{{ provider = "other", model = "gpt-4o-mini" }}]
"""


@pytest.fixture(scope="module")
def gateway(providers: SimulatedProviders, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    home = tmp_path_factory.mktemp("gateway")
    with running_gateway(
        home, config=configuration(providers.url), environ={"ACME_KEY": providers.credential}
    ) as running:
        yield running


@pytest.fixture(autouse=True)
def _nothing_left_over(providers: SimulatedProviders) -> None:
    providers.clear()


def admin_key(gateway: RunningGateway, **wish: Any) -> str:
    answer = httpx.post(
        f"{gateway.url}/admin/v1/keys",
        json={"kind": "exploration", **wish},
        headers={"authorization": f"Bearer {gateway.owner_token}"},
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["key"])


@pytest.fixture
def person(gateway: RunningGateway) -> Iterator[Maker]:
    """A client with a key of its own, as wished."""
    made: list[openai.OpenAI] = []

    def make(**wish: Any) -> openai.OpenAI:
        key = admin_key(gateway, **{"owner": f"somebody-{uuid.uuid4()}", **wish})
        client = openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0)
        made.append(client)
        return client

    yield make
    for client in made:
        client.close()


def batch_file(model: str = "fast", count: int = 2) -> bytes:
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
    lines = [
        {"custom_id": f"c{n}", "method": "POST", "url": "/v1/chat/completions", "body": body} for n in range(count)
    ]
    return "\n".join(json.dumps(line) for line in lines).encode()


def upload(client: openai.OpenAI, content: bytes = b'{"a": 1}\n', purpose: Any = "fine-tune") -> str:
    return client.files.create(file=("data.jsonl", content), purpose=purpose).id


def test_a_file_is_its_owners_alone(person: Maker, providers: SimulatedProviders) -> None:
    ana, ben = person(), person()
    content = bytes(range(256)) * 10_000
    file = upload(ana, content, "user_data")
    assert file.startswith("file-wb")
    assert ana.files.content(file).read() == content
    assert ana.files.retrieve(file).bytes == len(content)
    assert [one.id for one in ana.files.list()] == [file]
    assert list(ben.files.list()) == []
    upstream = json.loads(
        httpx.get(f"{providers.url}/v1/files", headers={"authorization": f"Bearer {providers.credential}"}).content
    )
    raw = upstream["data"][0]["id"]
    said = set()
    changed = file[:-1] + ("A" if file[-1] != "A" else "B")
    for who, presented in ((ben, file), (ana, changed), (ana, raw), (ben, "file-nothing"), (ana, "file-wb")):
        providers.clear()
        for verb in (who.files.retrieve, who.files.delete, who.files.content):
            with pytest.raises(openai.NotFoundError) as caught:
                verb(presented)
            said.add(caught.value.message.replace(presented, "ID").partition("'request_id'")[0])
        assert providers.requests == []
    assert len(said) == 1
    assert ana.files.delete(file).deleted
    assert list(ana.files.list()) == []
    with pytest.raises(openai.NotFoundError):
        ana.files.retrieve(file)


def test_a_use_case_shares_what_its_keys_make(person: Maker) -> None:
    one, other, alone = person(use_case="menus"), person(use_case="menus"), person()
    file = upload(one)
    assert other.files.retrieve(file).id == file
    with pytest.raises(openai.NotFoundError):
        alone.files.retrieve(file)


def test_a_list_says_nothing_of_a_provider_that_was_not_asked(
    gateway: RunningGateway, person: Maker, providers: SimulatedProviders
) -> None:
    ana = person()

    def state() -> str:
        answer = httpx.get(f"{gateway.url}/v1/status", headers={"authorization": f"Bearer {ana.api_key}"})
        return str(next(one["state"] for one in answer.json()["data"] if one["provider"] == "acme"))

    providers.fail("status", status=401)
    with pytest.raises(openai.APIStatusError):
        upload(ana)
    assert state() == "down"
    assert list(ana.files.list()) == []
    assert state() == "down"
    upload(ana)
    assert state() == "ok"


def test_files_of_a_purpose_are_found_behind_others(person: Maker) -> None:
    ana = person()
    first, second = upload(ana, b"x", "user_data"), upload(ana, b"y", "user_data")
    for _ in range(3):
        upload(ana)
    assert [one.id for one in ana.files.list(purpose="user_data", limit=1)] == [second, first]


def test_a_batch_goes_from_file_to_file(person: Maker, providers: SimulatedProviders) -> None:
    ana, ben = person(), person()
    file = upload(ana, batch_file(), "batch")
    assert b'"model":"gpt-4o-mini"' in providers.requests[0].raw
    assert b'"fast"' not in providers.requests[0].raw
    batch = ana.batches.create(input_file_id=file, endpoint="/v1/chat/completions", completion_window="24h")
    assert batch.input_file_id == file
    assert (batch.status, batch.id.startswith("batch_wb")) == ("completed", True)
    assert ana.batches.retrieve(batch.id) == batch
    assert [one.id for one in ana.batches.list()] == [batch.id]
    assert batch.output_file_id is not None
    lines = ana.files.content(batch.output_file_id).read().splitlines()
    assert [json.loads(line)["custom_id"] for line in lines] == ["c0", "c1"]
    assert {one.id for one in ana.files.list()} == {file, batch.output_file_id}
    more: Any = {"input_file_id": file, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    for verb in (
        lambda: ben.batches.retrieve(batch.id),
        lambda: ben.files.content(batch.output_file_id or ""),
        lambda: ben.batches.create(**more),
    ):
        with pytest.raises(openai.NotFoundError):
            verb()


def test_an_unfinished_batch_is_cancelled_and_seen_as_it_is_now(person: Maker) -> None:
    ana = person()
    batch = ana.batches.create(
        input_file_id=upload(ana, batch_file(), "batch"),
        endpoint="/v1/chat/completions",
        completion_window="24h",
        metadata={"simulator": "pending"},
    )
    assert batch.status == "in_progress"
    assert ana.batches.cancel(batch.id).status == "cancelled"
    assert [one.status for one in ana.batches.list()] == ["cancelled"]


@pytest.mark.parametrize("ids", [{"a": 1}, [["file-x"]], [5], 5])
def test_what_is_no_id_goes_to_no_provider(person: Maker, providers: SimulatedProviders, ids: Any) -> None:
    ana = person()
    providers.clear()
    with pytest.raises(openai.BadRequestError) as caught:
        ana.vector_stores.create(file_ids=ids)
    assert caught.value.param == "file_ids"
    assert providers.requests == []


@pytest.mark.parametrize(("content", "said"), [
    (batch_file("nothing"), "Line 1"), (batch_file() + b"\n" + batch_file("nothing", 1), "Line 3"),
    (batch_file("hidden"), "may not use"), (batch_file("elsewhere"), "not served by"),
    (b"", "file"), (b"\n\n", "no lines"),
    (b"{", "Line 1"), (batch_file().replace(b"/v1/chat/completions", b"/v1/files"), "no operation"),
    (batch_file(count=1) + b"\n" + batch_file(count=1), "stands twice"),
    (batch_file().replace(b'"hello"', b'[{"type": "file", "file": {"file_id": "file-x"}}]'), "Line 1"),
    (batch_file().replace(b'"hello"', b'[{"type": "file", "file": {"f\\u0069le_id": "file-x"}}]'), "Line 1"),
    (batch_file().replace(b"hello", b"\xff file_id"), "Line 1"), (batch_file().replace(b"hello", b"\xff"), "Line 1"),
    (batch_file().replace(b'"hello"', b'{"my_file_id": ' + b"[" * 950 + b"]" * 950 + b"}"), "Line 1"),
])  # fmt: skip
def test_a_wrong_line_of_a_batch_is_told_by_its_number(
    person: Maker, providers: SimulatedProviders, content: bytes, said: str
) -> None:
    ana = person(scopes={"models": ["fast", "elsewhere", "nothing"]})
    with pytest.raises(openai.BadRequestError, match=said) as caught:
        upload(ana, content, "batch")
    assert caught.value.param == "file"
    assert providers.requests == []


def test_the_model_of_a_finished_job_is_its_makers_without_a_configuration(
    person: Maker, providers: SimulatedProviders
) -> None:
    ana, ben = person(use_case="tuning"), person()
    mate = person(use_case="tuning", scopes={"models": ["fast"]})
    training = upload(ana)
    job = ana.fine_tuning.jobs.create(model="fast", training_file=training, suffix="menus")
    assert (job.status, job.training_file) == ("succeeded", training)
    assert providers.requests[-1].body["model"] == "gpt-4o-mini"
    assert job.fine_tuned_model is not None
    assert [one.id for one in mate.fine_tuning.jobs.list()] == [job.id]
    assert list(mate.fine_tuning.jobs.list_events(job.id))
    answer = mate.chat.completions.create(model=job.fine_tuned_model, messages=[{"role": "user", "content": "hello"}])
    assert answer.model == job.fine_tuned_model
    assert job.fine_tuned_model in [model.id for model in mate.models.list()]
    assert job.fine_tuned_model not in [model.id for model in ben.models.list()]
    with pytest.raises(openai.PermissionDeniedError):  # what it was made from is not allowed there
        person(use_case="tuning", scopes={"models": ["hidden"]}).chat.completions.create(
            model=job.fine_tuned_model, messages=[{"role": "user", "content": "hello"}]
        )
    with pytest.raises(openai.NotFoundError):
        ben.chat.completions.create(model=job.fine_tuned_model, messages=[{"role": "user", "content": "hello"}])
    with pytest.raises(openai.NotFoundError):
        ben.fine_tuning.jobs.retrieve(job.id)


def test_a_running_job_is_cancelled(person: Maker) -> None:
    ana = person()
    job = ana.fine_tuning.jobs.create(model="fast", training_file=upload(ana), metadata={"simulator": "pending"})
    assert ana.fine_tuning.jobs.retrieve(job.id).status == "running"
    assert ana.fine_tuning.jobs.cancel(job.id).status == "cancelled"


def test_a_vector_store_is_searched_by_its_owner(person: Maker) -> None:
    ana, ben = person(), person()
    file = upload(ana, b"The green menu has peas.\n", "assistants")
    store = ana.vector_stores.create(name="menus", file_ids=[file])
    hits = list(ana.vector_stores.search(store.id, query="peas"))
    assert [hit.file_id for hit in hits] == [file]
    with pytest.raises(openai.NotFoundError):
        ben.vector_stores.search(store.id, query="peas")
    with pytest.raises(openai.NotFoundError):
        ben.vector_stores.create(name="theirs", file_ids=[file])


def test_a_prompt_may_name_its_owners_files(person: Maker, providers: SimulatedProviders) -> None:
    ana, ben = person(), person()
    file = upload(ana, b"hello", "user_data")
    providers.clear()

    def ask(client: openai.OpenAI, name: str, *, field: str = "file_id") -> None:
        content: Any = [{"type": "file", "file": {field: name}}, {"type": "text", "text": "what is it?"}]
        client.chat.completions.create(model="fast", messages=[{"role": "user", "content": content}])

    ask(ana, file)
    (seen,) = providers.requests
    assert seen.body["messages"][0]["content"][0]["file"]["file_id"].startswith("file-")
    assert "wb" not in seen.body["messages"][0]["content"][0]["file"]["file_id"]
    providers.clear()
    for who, name in ((ben, file), (ana, "file-1")):
        with pytest.raises(openai.NotFoundError):
            ask(who, name)
    with pytest.raises(openai.BadRequestError, match="not served by"):
        ana.responses.create(
            model="elsewhere",
            input=[{"role": "user", "content": [{"type": "input_file", "file_id": file}]}],
        )
    assert providers.requests == []


def test_another_spelling_of_a_field_opens_no_strangers_file(
    gateway: RunningGateway, providers: SimulatedProviders, person: Maker
) -> None:
    body = (
        b'{"model": "hidden", "messages": [{"role": "user", "content": '
        b'[{"type": "file", "file": {"\\u0066ile_id": "file-1"}}]}]}'
    )
    answer = httpx.post(
        f"{gateway.url}/v1/chat/completions", content=body, headers={"authorization": f"Bearer {person().api_key}",
                                                                    "content-type": "application/json"}
    )  # fmt: skip
    assert answer.status_code == 404
    assert providers.requests == []


class TestResponses:
    def test_one_is_read_gone_on_with_and_deleted_by_its_owner_alone(
        self, person: Maker, providers: SimulatedProviders
    ) -> None:
        ana, ben = person(), person()
        first = ana.responses.create(model="fast", input="remember peas")
        assert ana.responses.retrieve(first.id) == first
        assert list(ana.responses.input_items.list(first.id))
        second = ana.responses.create(model="fast", input="what?", previous_response_id=first.id)
        assert second.previous_response_id == first.id
        providers.clear()
        for who, previous in ((ben, first.id), (ana, "resp_nothing")):
            with pytest.raises(openai.NotFoundError):
                who.responses.create(model="fast", input="x", previous_response_id=previous)
        for verb in (
            ben.responses.retrieve,
            ben.responses.delete,
            ben.responses.input_items.list,
            ben.responses.cancel,
        ):
            with pytest.raises(openai.NotFoundError):
                verb(first.id)
        assert providers.requests == []
        ana.responses.delete(first.id)
        with pytest.raises(openai.NotFoundError):
            ana.responses.retrieve(first.id)

    def test_what_goes_on_from_one_goes_where_it_was_made(self, person: Maker) -> None:
        ana = person()
        for _ in range(4):
            first = ana.responses.with_raw_response.create(model="fast", input="hello")
            at = first.headers["x-workbench-deployment"]
            for _ in range(2):
                more = ana.responses.with_raw_response.create(
                    model="fast", input="x", previous_response_id=first.parse().id
                )
                assert more.headers["x-workbench-deployment"] == at

    def test_a_streamed_one_has_an_owner_too(self, person: Maker) -> None:
        ana, ben = person(), person()
        events = list(ana.responses.create(model="fast", input="hello", stream=True))
        made = events[-1].response.id  # type: ignore[union-attr]
        assert ana.responses.retrieve(made).id == made
        with pytest.raises(openai.NotFoundError):
            ben.responses.retrieve(made)

    def test_what_nobody_can_own_is_refused(self, person: Maker, providers: SimulatedProviders) -> None:
        ana = person()
        with pytest.raises(openai.BadRequestError) as caught:
            ana.responses.create(model="fast", input="x", conversation="conv_1")
        assert caught.value.param == "conversation"
        with pytest.raises(openai.BadRequestError) as caught:
            ana.responses.create(model="fast", input="x", tools=[{"type": "code_interpreter", "container": "cntr_1"}])
        assert caught.value.param == "tools"
        assert providers.requests == []


class TestRepeats:
    def post(self, gateway: RunningGateway, key: str, body: Any, *, name: str = "once") -> httpx.Response:
        return httpx.post(
            f"{gateway.url}/v1/batches",
            json=body,
            headers={"authorization": f"Bearer {key}", "idempotency-key": name},
            timeout=30,
        )

    def test_the_same_request_gets_the_same_answer(
        self, gateway: RunningGateway, person: Maker, providers: SimulatedProviders
    ) -> None:
        ana, ben = person(), person()
        body = {"input_file_id": upload(ana, batch_file(), "batch"), "endpoint": "/v1/chat/completions",
                "completion_window": "24h"}  # fmt: skip
        first = self.post(gateway, ana.api_key, body)
        again = self.post(gateway, ana.api_key, body)
        assert first.status_code == again.status_code == 200
        assert first.content == again.content
        assert again.headers["idempotency-replayed"] == "true"
        assert [seen.path for seen in providers.requests].count("/v1/batches") == 1
        other = self.post(gateway, ana.api_key, {**body, "metadata": {"x": "y"}})
        assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_key_reused")
        assert self.post(gateway, ana.api_key, body, name="twice").json()["id"] != first.json()["id"]
        assert self.post(gateway, ben.api_key, body).status_code == 404

    def test_one_that_is_on_its_way_is_not_sent_twice(
        self, gateway: RunningGateway, person: Maker, providers: SimulatedProviders
    ) -> None:
        ana = person()
        body = {"input_file_id": upload(ana, batch_file(), "batch"), "endpoint": "/v1/chat/completions",
                "completion_window": "24h"}  # fmt: skip
        providers.clear()
        providers.fail("latency", seconds=2, path="/v1/batches")
        with ThreadPoolExecutor() as pool:
            first = pool.submit(self.post, gateway, ana.api_key, body)
            providers.wait_until(lambda seen: len(seen) == 1)
            again = self.post(gateway, ana.api_key, body)
            assert (again.status_code, again.json()["error"]["code"]) == (409, "idempotency_in_flight")
            assert first.result().status_code == 200
        assert len(providers.requests) == 1

    def test_one_that_failed_may_be_sent_again(
        self, gateway: RunningGateway, person: Maker, providers: SimulatedProviders
    ) -> None:
        ana = person()
        body = {"input_file_id": upload(ana, batch_file(), "batch"), "endpoint": "/v1/chat/completions",
                "completion_window": "24h"}  # fmt: skip
        providers.fail("status", status=500)
        assert self.post(gateway, ana.api_key, body).status_code == 502
        assert self.post(gateway, ana.api_key, body).status_code == 200

    def test_a_form_is_known_again_whatever_its_boundary(
        self, gateway: RunningGateway, person: Maker, providers: SimulatedProviders
    ) -> None:
        ana = person()
        more = {"Idempotency-Key": "form"}
        one = ana.files.create(file=("a.txt", b"hello"), purpose="user_data", extra_headers=more)
        assert ana.files.create(file=("a.txt", b"hello"), purpose="user_data", extra_headers=more) == one
        assert len(providers.requests) == 1
        with pytest.raises(openai.ConflictError):
            ana.files.create(file=("a.txt", b"hullo"), purpose="user_data", extra_headers=more)


def test_a_key_with_a_budget_begins_no_work_of_unknown_price(person: Maker, providers: SimulatedProviders) -> None:
    ana = person(budget={"usd_total": 1})
    file = upload(ana, b'{"messages": []}\n', "fine-tune")
    providers.clear()
    with pytest.raises(openai.PermissionDeniedError) as caught:
        ana.fine_tuning.jobs.create(model="hidden", training_file=file)
    assert caught.value.code == "billed_later"
    with pytest.raises(openai.PermissionDeniedError) as caught:
        ana.responses.create(model="hidden", input="x", background=True)
    assert caught.value.code == "billed_later"
    assert providers.requests == []


def test_ids_stay_good_over_a_restart(providers: SimulatedProviders, tmp_path: Path) -> None:
    config, environ = configuration(providers.url), {"ACME_KEY": providers.credential}
    with running_gateway(tmp_path / "home", config=config, environ=environ) as gateway:
        key = gateway.issue_key()
        with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0) as client:
            file = upload(client)
            response = client.responses.create(model="fast", input="hello").id
            job = client.fine_tuning.jobs.create(model="fast", training_file=file)
        gateway.stop()
    assert (tmp_path / "home" / "state.db").stat().st_mode & 0o077 == 0
    with (
        running_gateway(tmp_path / "home", config=config, environ=environ) as gateway,
        openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key, max_retries=0) as client,
    ):
        assert client.files.retrieve(file).id == file
        assert client.responses.retrieve(response).id == response
        assert job.fine_tuned_model
        client.chat.completions.create(model=job.fine_tuned_model, messages=[{"role": "user", "content": "hello"}])


def test_every_request_leaves_a_row(gateway: RunningGateway, person: Maker) -> None:
    ana = person()
    file = upload(ana)
    with pytest.raises(openai.NotFoundError):
        ana.files.retrieve("file-nothing")
    rows = httpx.get(f"{gateway.url}/me/calls", headers={"authorization": f"Bearer {ana.api_key}"}).json()["data"]
    assert [(row["path"], row["status"], row["outcome"], row["cost_usd"]) for row in rows] == [
        ("/v1/files/file-nothing", 404, "refused", 0), ("/v1/files", 200, "ok", 0),
    ]  # fmt: skip
    assert file
