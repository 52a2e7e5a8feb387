"""Splits and checks: no part gives another away."""

import pytest

from workbench.errors import InvalidInput
from workbench.evidence import Dataset, Example

TEXTS = [
    "my parcel did not arrive although the tracking says delivered",
    "the invoice shows a wrong amount for october",
    "how do i reset the password of my account",
    "the app crashes when i open the settings page",
    "please cancel my subscription at the end of the month",
    "the colour of the shirt is not what was shown",
]


def _rows(count, groups=None):
    return [
        {"id": f"e{n:03}", "inputs": {"q": f"{n} {TEXTS[n % len(TEXTS)]} {n * 7919}"}}
        | ({"group": f"g{n % groups}"} if groups else {})
        for n in range(count)
    ]


def test_parts_have_their_shares_and_nothing_twice():
    data = Dataset.from_rows(_rows(100))
    parts = data.split(train=0.6, validation=0.2, test=0.2, near=None)
    assert {name: len(part) for name, part in parts.items()} == {"train": 60, "validation": 20, "test": 20}
    ids = [example.id for part in parts.values() for example in part]
    assert sorted(ids) == sorted(example.id for example in data)
    assert parts["test"].name == "dataset/test"


def test_a_split_follows_content_and_seed_and_not_the_order():
    rows = _rows(60)
    ids = [
        {e.id for e in Dataset.from_rows(order).split(seed=seed, test=0.5, near=None)["test"]}
        for order, seed in ((rows, 1), (rows[::-1], 1), (rows, 2))
    ]
    assert ids[0] == ids[1] != ids[2]


def test_a_group_stays_in_one_part():
    parts = Dataset.from_rows(_rows(90, groups=9)).split(train=0.5, test=0.5, near=None)
    groups = [{example.group for example in part} for part in parts.values()]
    assert not groups[0] & groups[1]
    assert {len(part) for part in parts.values()} == {40, 50}


def test_near_duplicates_stay_in_one_part_whatever_the_seed():
    text = "my parcel did not arrive although the tracking says that it was delivered on friday"
    rows = [{"id": f"n{n}", "q": f"{text} {'!' * n}"} for n in range(4)]
    rows += [{"id": f"o{n}", "q": other} for n, other in enumerate(TEXTS[1:])]
    for seed in range(10):
        parts = Dataset.from_rows(rows).split(seed=seed, train=0.5, test=0.5)
        for part in parts.values():
            assert sum(example.id.startswith("n") for example in part) in (0, 4)


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ({}, "needs parts"),
        ({"train": 0.8, "test": 0.4}, "sum to 1.2"),
        ({"train": 0}, "share of 'train'"),
        ({"train": 0.5, "test": 0.5}, "'test' would be empty"),
    ],
)
def test_shares_that_cannot_be_are_refused(shares, words):
    one_group = Dataset.from_rows([{"inputs": {"q": f"{n}"}, "group": "g"} for n in range(4)])
    with pytest.raises(InvalidInput, match=words):
        one_group.split(near=None, **shares)


def test_a_check_names_what_is_wrong_and_with_whom():
    text = "my parcel did not arrive although the tracking says that it was delivered on friday"
    data = Dataset(
        (
            Example("a", {"q": text}, "delivery"),
            Example("b", {"q": text}, "refund"),
            Example("c", {"q": text + "!"}, "delivery"),
            Example("d", {"q": "something else altogether, about an invoice"}, "billing"),
        )
    )
    found = data.check()
    assert [(p.kind, p.example, p.other) for p in found.problems] == [
        ("near-duplicate", "a", "c"),
        ("near-duplicate", "b", "c"),
        ("contradiction", "a", "b"),
    ]
    assert not found
    assert "1 x contradiction" in str(found)
    assert list(found.frame["kind"]) == ["near-duplicate", "near-duplicate", "contradiction"]
    assert data[3:].check()


def test_a_check_against_another_part_finds_what_leaked():
    train = Dataset.from_rows(
        [{"id": "t1", "inputs": {"q": TEXTS[0]}}, {"id": "t2", "inputs": {"q": TEXTS[1]}, "group": "ana"}], name="train"
    )
    test = Dataset.from_rows(
        [
            {"id": "x1", "inputs": {"q": TEXTS[0]}},
            {"id": "x2", "inputs": {"q": TEXTS[1] + "."}},
            {"id": "x3", "inputs": {"q": TEXTS[2]}, "group": "ana"},
            {"id": "x4", "inputs": {"q": TEXTS[3]}},
        ]
    )
    found = test.check(against=train)
    kinds = [(p.kind, p.example, p.other) for p in found.problems]
    assert kinds == [("leak", "x1", "t1"), ("near-leak", "x2", "t2"), ("group in both", "x3", "t2")]


def test_an_example_that_stands_in_a_prompt_is_found():
    data = Dataset.from_rows([{"id": "a", "q": TEXTS[0]}, {"id": "b", "q": TEXTS[1]}, {"id": "c", "q": "yes"}])
    prompt = f"Classify.\n\nExample: {TEXTS[1].upper()}\nanswer: billing, yes"
    assert [(p.kind, p.example) for p in data.check(prompts=[prompt]).problems] == [("in a prompt", "b")]
