"""Runs that lead nowhere are noticed, honest repeats are not."""

from __future__ import annotations

from missions.agent.stuck import Signal, StuckDetector


def levels(signals: list[Signal | None]) -> list[str | None]:
    return [signal.level if signal else None for signal in signals]


def test_the_same_call_with_the_same_result_is_noted_at_three_and_stopped_at_five() -> None:
    stuck = StuckDetector()
    seen = [stuck.observe("bash", {"command": "x"}, f"took {n} ms", is_error=False) for n in range(5)]
    assert levels(seen) == [None, None, "note", None, "stop"]


def test_the_order_of_the_arguments_does_not_matter() -> None:
    stuck = StuckDetector()
    stuck.observe("t", {"a": 1, "b": 2}, "r", is_error=False)
    stuck.observe("t", {"b": 2, "a": 1}, "r", is_error=False)
    assert levels([stuck.observe("t", {"a": 1, "b": 2}, "r", is_error=False)]) == ["note"]


def test_a_changing_result_is_progress() -> None:
    stuck = StuckDetector()
    assert not any(stuck.observe("bash", {"command": "tail"}, f"line {n}", is_error=False) for n in range(12))


def test_declared_polling_may_repeat() -> None:
    stuck = StuckDetector()
    assert not any(
        stuck.observe("bash_output", {"id": 1}, "running", is_error=False, polling=True) for _ in range(50)
    )
    assert not any(stuck.turn_ended() for _ in range(14))


def test_the_same_failing_call_is_stopped_although_its_error_differs() -> None:
    stuck = StuckDetector()
    seen = [stuck.observe("t", {"a": 1}, f"error {n}", is_error=True) for n in range(5)]
    assert levels(seen) == [None, None, "note", None, "stop"]


def test_two_calls_in_turn_are_noticed() -> None:
    stuck = StuckDetector()
    seen = [stuck.observe("t", {"a": n % 2}, "r", is_error=False) for n in range(8)]
    assert "note" in levels(seen)
    assert levels(seen)[-1] == "stop"


def test_failing_edits_of_one_file_are_stopped_and_a_good_one_starts_anew() -> None:
    stuck = StuckDetector()
    fails = [stuck.observe("edit", {"path": "a", "old": str(n)}, f"no {n}", is_error=True) for n in range(3)]
    assert levels(fails) == [None, None, "note"]
    assert stuck.observe("edit", {"path": "a", "old": "ok"}, "done", is_error=False) is None
    more = [stuck.observe("edit", {"path": "a", "old": f"b{n}"}, f"no b{n}", is_error=True) for n in range(6)]
    assert levels(more)[-1] == "stop"


def test_inputs_that_never_fit_are_stopped() -> None:
    stuck = StuckDetector()
    assert levels([stuck.invalid_input(False) for _ in range(5)])[2:] == ["note", None, "stop"]
    assert stuck.invalid_input(True) is None


def test_repeats_spread_over_many_calls_are_noticed() -> None:
    stuck = StuckDetector()
    found: list[str | None] = []
    for n in range(20):
        found += levels([stuck.observe("bash", {"command": "pytest"}, "1 failed", is_error=False)])
        stuck.observe("read", {"path": f"f{n}"}, f"text {n}", is_error=False)
    assert "note" in found
    assert "stop" in found


def test_turns_without_anything_new_are_noticed() -> None:
    stuck = StuckDetector()
    assert levels([stuck.turn_ended() for _ in range(30)])[14::15] == ["note", "stop"]
