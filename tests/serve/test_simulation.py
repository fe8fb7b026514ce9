"""The simulation of the queue, against formulas."""

from __future__ import annotations

import pytest

from sam_widget.serve.simulation import Habits, Machine, most_people, simulated

ALONE = Machine(seconds=lambda _: 1.0, batch=1, pause=0.0)


def test_one_person_never_waits_for_others() -> None:
    found = simulated(1, Machine(seconds=lambda _: 2.0, pause=0.01), Habits(think=10.0, latency=0.5))
    assert found.waits == pytest.approx(2.51)
    assert found.busy == pytest.approx(2.0 / 12.51, rel=0.05)


def test_many_people_who_seldom_ask_wait_as_in_the_formula_of_pollaczek_and_khinchine() -> None:
    # Requests are then almost a Poisson stream, the queue is M/D/1: a wait of rate / (2 (1 - rate)), then one second.
    people, rate = 400, 0.6
    found = simulated(people, ALONE, Habits(think=people / rate), seconds=400_000)
    assert found.busy == pytest.approx(rate, rel=0.02)
    assert found.waits.mean() == pytest.approx(1 + rate / (2 * (1 - rate)), rel=0.05)


def test_a_server_that_is_asked_too_much_limits_everyone() -> None:
    # Each of 50 gets a photo every 50 seconds, of which they work for 10.
    found = simulated(50, ALONE, Habits(think=10.0))
    assert found.busy == pytest.approx(1.0, abs=0.01)
    assert found.waits.mean() == pytest.approx(40, rel=0.03)


def test_batches_and_servers_shorten_the_wait() -> None:
    habits = Habits(think=10.0)
    batches = Machine(seconds=lambda size: 0.5 + 0.5 * size)
    two = Machine(seconds=lambda _: 1.0, batch=1, pause=0.0, servers=2)
    alone, batched, doubled = (simulated(12, machine, habits).p95 for machine in (ALONE, batches, two))
    assert batched < alone
    assert doubled < alone


def test_known_photos_cost_nothing() -> None:
    found = simulated(100, ALONE, Habits(think=10.0, known=1.0, latency=0.1))
    assert found.waits == pytest.approx(0.1)
    assert found.busy == 0


def test_the_most_people_are_found() -> None:
    habits = Habits(think=20.0)
    most = most_people(ALONE, habits, limit=3.0)
    assert simulated(most, ALONE, habits, seconds=20_000).p95 <= 3.0
    assert simulated(most + 3, ALONE, habits, seconds=20_000).p95 > 3.0
    assert most_people(ALONE, habits, limit=0.5) == 0
