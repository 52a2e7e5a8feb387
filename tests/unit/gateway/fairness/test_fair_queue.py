"""The queue that shares: order within a flow, shares between flows, nobody forgotten."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from workbench.gateway.fairness.fair_queue import FairQueue

Item = tuple[str, str, int]


def push(queue: FairQueue[Item], flow: str, number: int, *, member: str = "", cost: int = 1, weight: float = 1) -> None:
    queue.push((flow, member, number), flow=flow, member=member, cost=cost, weight=weight)


def serve(queue: FairQueue[Item]) -> Item:
    item = queue.first()
    assert item is not None
    queue.take(item[0], item, member=item[1])
    return item


def test_within_a_flow_the_first_goes_first() -> None:
    queue: FairQueue[Item] = FairQueue()
    for number in range(5):
        push(queue, "a", number)
    assert [serve(queue)[2] for _ in range(5)] == [0, 1, 2, 3, 4]
    assert queue.first() is None


def test_flows_are_served_by_weight() -> None:
    queue: FairQueue[Item] = FairQueue()
    for number in range(400):
        push(queue, "heavy", number, weight=3)
        push(queue, "light", number, weight=1)
    served = Counter(serve(queue)[0] for _ in range(400))
    assert served == {"heavy": 300, "light": 100}


def test_a_share_is_counted_in_tokens_and_not_in_calls() -> None:
    queue: FairQueue[Item] = FairQueue()
    for number in range(400):
        push(queue, "large", number, cost=300)
        push(queue, "small", number, cost=100)
    served = Counter(serve(queue)[0] for _ in range(400))
    assert served == {"large": 100, "small": 300}


def test_the_members_of_a_flow_take_turns() -> None:
    queue: FairQueue[Item] = FairQueue()
    for number in range(100):
        push(queue, "exploration", number, member="ana")
    push(queue, "exploration", 0, member="ben")
    assert [serve(queue)[1] for _ in range(2)] == ["ana", "ben"]


def test_what_a_flow_did_not_use_is_lent_and_not_saved_up() -> None:
    queue: FairQueue[Item] = FairQueue()
    for number in range(100):
        push(queue, "busy", number)
    for _ in range(50):
        serve(queue)
    for number in range(50):
        push(queue, "late", number)
    served = Counter(serve(queue)[0] for _ in range(20))
    assert served == {"busy": 10, "late": 10}


def test_a_flow_that_used_more_than_it_said_pays_for_it() -> None:
    queue: FairQueue[Item] = FairQueue()
    for number in range(100):
        push(queue, "honest", number, cost=10)
        push(queue, "sly", number, cost=10)
    tokens = Counter[str]()
    while tokens.total() < 1500:
        flow, _, _ = serve(queue)
        used = 10 if flow == "honest" else 40
        queue.charge(flow, used - 10)
        tokens[flow] += used
    assert abs(tokens["honest"] - tokens["sly"]) <= 40


def test_one_that_leaves_costs_its_flow_nothing() -> None:
    queue: FairQueue[Item] = FairQueue()
    for number in range(10):
        push(queue, "a", number)
        push(queue, "b", number)
    for number in range(5):
        queue.remove("a", ("a", "", number))
    assert (len(queue), queue.count("a"), queue.cost("a")) == (15, 5, 5)
    assert Counter(serve(queue)[0] for _ in range(10)) == {"a": 5, "b": 5}


@given(
    weights=st.lists(st.sampled_from([0.5, 1.0, 2.0, 5.0]), min_size=2, max_size=5),
    costs=st.lists(st.integers(1, 500), min_size=1, max_size=7),
    seed=st.integers(0, 10_000),
)
def test_two_flows_that_wait_never_drift_apart_by_more_than_an_item_of_each(
    weights: list[float], costs: list[int], seed: int
) -> None:
    """The bound of start-time fair queueing: |W_f/w_f - W_g/w_g| <= l_f/w_f + l_g/w_g, over any time both wait."""
    chance = random.Random(seed)
    queue: FairQueue[Item] = FairQueue()
    names = [f"flow{number}" for number in range(len(weights))]
    weight = dict(zip(names, weights, strict=True))
    cost: dict[Item, int] = {}
    number = 0
    served = dict.fromkeys(names, 0.0)
    since = dict.fromkeys(((f, g) for f in names for g in names if f < g), (0.0, 0.0))
    for _ in range(300):
        if chance.random() < 0.5 or not len(queue):
            flow = chance.choice(names)
            item = (flow, "", number)
            number += 1
            cost[item] = chance.choice(costs)
            queue.push(item, flow=flow, cost=cost[item], weight=weight[flow])
        else:
            item = serve(queue)
            served[item[0]] += cost[item]
        for (f, g), (before_f, before_g) in since.items():
            if queue.count(f) and queue.count(g):
                drift = (served[f] - before_f) / weight[f] - (served[g] - before_g) / weight[g]
                assert abs(drift) <= max(costs) / weight[f] + max(costs) / weight[g] + 1e-6
            else:
                since[f, g] = served[f], served[g]
    left = len(queue)
    assert left == len({serve(queue) for _ in range(left)})  # everybody's turn comes, once
