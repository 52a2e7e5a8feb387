from __future__ import annotations

import inspect

import pytest

from workbench.client import AsyncGateway, Gateway
from workbench.client.requests import batches, chat_arguments
from workbench.client.sdk import CHAT_PARAMETERS
from workbench.errors import InvalidInput


def arguments(prompt, *, tags=None, stream=False, **parameters):
    return chat_arguments(prompt, model="m", tags=tags, parameters=parameters, known=CHAT_PARAMETERS, stream=stream)


def test_a_text_becomes_one_user_message():
    assert arguments("hi")["messages"] == [{"role": "user", "content": "hi"}]


def test_messages_are_copied_and_never_changed():
    mine = [{"role": "user", "content": "hi"}]
    arguments(mine)["messages"][0]["content"] = "other"
    assert mine == [{"role": "user", "content": "hi"}]


def test_no_messages_are_refused():
    with pytest.raises(InvalidInput, match="no messages"):
        arguments([])


def test_a_misspelt_parameter_names_the_one_that_was_meant():
    with pytest.raises(InvalidInput, match="'temperature'") as caught:
        arguments("hi", temprature=0)
    assert caught.value.param == "temprature"


def test_what_only_a_provider_knows_is_pointed_to_extra_body():
    with pytest.raises(InvalidInput, match="extra_body"):
        arguments("hi", top_k=5)


def test_a_stream_asks_for_its_usage_beside_the_callers_own_options():
    sent = arguments("hi", stream=True, stream_options={"include_obfuscation": False})
    assert sent["stream"] is True
    assert sent["stream_options"] == {"include_obfuscation": False, "include_usage": True}


def test_a_whole_answer_can_not_be_asked_for_as_a_stream():
    with pytest.raises(InvalidInput, match=r"stream\(\)"):
        chat_arguments("hi", model="m", tags=None, parameters={"stream": True}, known=CHAT_PARAMETERS)


def test_tags_stand_beside_the_callers_own_headers():
    sent = arguments("hi", tags={"a": "1", "b": "x=y z"}, extra_headers={"traceparent": "t"})
    assert sent["extra_headers"] == {"traceparent": "t", "x-workbench-tags": "a=1,b=x=y z"}


@pytest.mark.parametrize("tags", [{"a b": "1"}, {"": "1"}, {"a": "x" * 257}])
def test_tags_that_the_gateway_would_not_take_are_refused(tags):
    with pytest.raises(InvalidInput):
        arguments("hi", tags=tags)


def test_batches_keep_order_and_lose_nothing():
    assert list(batches(["a", "b", "c", "d", "e"], 2)) == [["a", "b"], ["c", "d"], ["e"]]


def test_a_single_text_is_not_taken_for_a_list_of_letters():
    with pytest.raises(InvalidInput, match="list"):
        list(batches("abc", 2))


def test_a_batch_has_at_least_one_text():
    with pytest.raises(InvalidInput, match="batch_size"):
        list(batches(["a"], 0))


def test_what_both_clients_do_takes_the_same_arguments():
    def taken(client):
        return {
            name: list(inspect.signature(member).parameters)
            for name, member in inspect.getmembers(client, inspect.isfunction)
            if not name.startswith("_")
        }

    sync, awaited = taken(Gateway), taken(AsyncGateway)
    shared = sync.keys() & awaited.keys()
    assert "publish" in shared
    assert {name: awaited[name] for name in shared} == {name: sync[name] for name in shared}
