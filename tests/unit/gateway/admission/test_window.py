"""The sliding minute, against a list of everything that ever came."""

from hypothesis import given
from hypothesis import strategies as st

from workbench.gateway.admission.cells import WINDOW
from workbench.gateway.admission.window import MINUTE, SECOND, Window

STEPS = st.integers(0, 3 * SECOND) | st.integers(0, 70 * SECOND) | st.integers(0, 10 * MINUTE)


def empty() -> Window:
    return Window([0] * WINDOW, 0)


def copy(window: Window) -> Window:
    return Window(list(window._cells), 0)  # type: ignore[call-overload]


@given(st.integers(0, 10**15), st.lists(st.tuples(STEPS, st.integers(1, 100)), max_size=60))
def test_the_last_60_seconds_are_counted_in_full_and_nothing_older_than_61(
    start: int, steps: list[tuple[int, int]]
) -> None:
    window, now = empty(), start
    came: list[tuple[int, int]] = []
    for step, amount in steps:
        now += step
        used = window.used(now)
        assert used >= sum(n for at, n in came if now - at < MINUTE)
        assert used <= sum(n for at, n in came if now - at < MINUTE + SECOND)
        window.add(now, amount)
        came.append((now, amount))


@given(
    st.integers(0, 10**15),
    st.lists(st.tuples(STEPS, st.integers(1, 5)), min_size=1, max_size=40),
    st.integers(1, 10),
)
def test_who_waits_as_long_as_told_is_let_in_and_nobody_waits_over_a_minute(
    start: int, steps: list[tuple[int, int]], limit: int
) -> None:
    window, now = empty(), start
    for step, amount in steps:
        now += step
        excess = window.used(now) + amount - limit
        if excess > 0 and amount <= limit:
            wait = window.wait(now, excess)
            assert 0 < wait <= MINUTE
            now += wait
        if amount <= limit:
            assert window.used(now) + amount <= limit
            window.add(now, amount)
            later = copy(window)
            assert later.used(now + window.reset(now)) == 0


@given(
    st.integers(0, 10**15),
    st.lists(st.tuples(STEPS, st.integers(1, 50), STEPS, st.integers(0, 100)), max_size=30),
)
def test_a_correction_counts_as_if_the_truth_had_been_known(start: int, calls: list[tuple[int, int, int, int]]) -> None:
    window, now = empty(), start
    truth: list[tuple[int, int]] = []
    for step, expected, later, used in calls:
        now += step
        window.used(now)
        window.add(now, expected)
        then, now = now, now + later
        window.correct(then, now, used - expected)
        truth.append((then, used))
        assert window.used(now) >= sum(n for at, n in truth if now - at < MINUTE)
    assert window.used(now + 2 * MINUTE) == 0
