"""What passes between a browser and the gateway, and what ends at the Jupyter server."""

from tornado.httputil import HTTPHeaders

from workbench_jupyter.passed_headers import query_to_gateway, subprotocols_to_gateway, to_browser, to_gateway


def test_only_what_a_call_needs_goes_to_the_gateway():
    sent = HTTPHeaders({
        "Authorization": "token secret", "Cookie": "username=a", "X-XSRFToken": "mark", "Origin": "http://a",
        "Referer": "http://a/?token=secret", "X-Forwarded-For": "10.0.0.1", "X-Workbench-Tags": "a=b",
        "Content-Type": "application/json", "X-Api-Key": "sk-1", "X-Goog-Api-Key": "g", "Api-Key": "z",
    })  # fmt: skip
    passed = {"content-type": "application/json", "x-workbench-tags": "a=b", "accept-encoding": "identity"}
    assert to_gateway(sent) == passed


def test_only_what_an_answer_tells_goes_to_the_browser():
    told = {"Set-Cookie": "a=b", "Access-Control-Allow-Origin": "*", "X-Request-Id": "1", "Location": "http://evil",
            "X-Workbench-Cost-Usd": "0.1", "X-RateLimit-Remaining": "2", "Clear-Site-Data": "*"}  # fmt: skip
    assert [name for name, _ in to_browser(told)] == ["X-Request-Id", "X-Workbench-Cost-Usd", "X-RateLimit-Remaining"]


def test_a_query_loses_what_signs_in_and_keeps_the_rest():
    assert query_to_gateway("after=a%26b&token=secret&Token=x&_xsrf=1&key=k&empty=") == "after=a%26b&empty="


def test_a_subprotocol_that_may_carry_a_key_stays_here():
    assert subprotocols_to_gateway(["realtime", "openai-insecure-api-key.sk-1", "x"]) == ("realtime",)
