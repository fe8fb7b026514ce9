"""How many people can one server embed images for? A discrete-event simulation of its queue.

People open a photo, wait for its embedding, work for a while, and open the next; clicks cost the server nothing. The
queue is that of `embedder`: first come, first served, since each person waits for one image; a GPU takes up to eight at
a time, ten milliseconds after the first. Wherever a photo is known already, its embedding is sent at once.

It is a closed queueing network (Reiser and Lavenberg, Mean-Value Analysis of Closed Multichain Queuing Networks, 1980)
with batches, which has no formula.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import numpy as np

from sam_widget.serve.embedder import BATCH, PAUSE_SECONDS


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What embeds images.

    Attributes:
        seconds: Returns the time that a batch takes, given its size.
        batch: The most images at a time: 1 on a CPU.
        pause: Seconds that the first image of a batch waits for others.
        servers: How many there are.
    """

    seconds: Callable[[int], float]
    batch: int = BATCH
    pause: float = PAUSE_SECONDS
    servers: int = 1


@dataclass(frozen=True, kw_only=True)
class Habits:
    """What people do.

    Attributes:
        think: Mean seconds of work on a photo, exponentially distributed.
        known: Share of the photos that someone has opened before.
        latency: Seconds that sending a photo and its embedding takes.
    """

    think: float
    known: float = 0.0
    latency: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """What happened.

    Attributes:
        waits: Seconds from opening a photo to its embedding, for each photo after the first tenth of the time.
        busy: Share of the time for which a server computed.
    """

    waits: np.ndarray
    busy: float

    @property
    def p95(self) -> float:
        """The wait that 95% of the photos do not exceed."""
        return float(np.quantile(self.waits, 0.95))


def simulated(people: int, machine: Machine, habits: Habits, *, seconds: float = 36_000, seed: int = 0) -> Outcome:
    """Let people work for a while.

    Args:
        people: How many.
        machine: What embeds their images.
        habits: What they do.
        seconds: How long.
        seed: Of the random numbers.
    """
    random = Random(seed)  # noqa: S311  not a secret
    waiting: deque[float] = deque()
    waits: list[float] = []
    idle, computed = machine.servers, 0.0
    # (time, number, kind, times at which the images were asked for); the number makes order among equals.
    events: list[tuple[float, int, str, tuple[float, ...]]] = []
    number = 0

    def at(time: float, kind: str, asked: tuple[float, ...] = ()) -> None:
        nonlocal number
        number += 1
        heapq.heappush(events, (time, number, kind, asked))

    def answered(now: float, asked: float) -> None:
        if asked >= seconds / 10:
            waits.append(now - asked + habits.latency)
        at(now + habits.latency + random.expovariate(1 / habits.think), "opens")

    for _ in range(people):
        at(random.expovariate(1 / habits.think), "opens")
    while events and (event := heapq.heappop(events))[0] < seconds:
        now, _, kind, asked = event
        if kind == "opens":
            if random.random() < habits.known:
                answered(now, now)
                continue
            waiting.append(now)
        elif kind == "starts":
            taken = tuple(waiting.popleft() for _ in range(min(machine.batch, len(waiting))))
            took = machine.seconds(len(taken)) if taken else 0.0
            computed += took
            at(now + took, "ends", taken)
            continue
        else:
            idle += 1
            for one in asked:
                answered(now, one)
        if idle and waiting:
            idle -= 1
            at(now + machine.pause, "starts")
    return Outcome(np.array(waits), computed / (seconds * machine.servers))


def most_people(machine: Machine, habits: Habits, *, limit: float, seconds: float = 20_000) -> int:
    """Return how many people one machine serves with 95% of the waits within `limit` seconds."""
    most, step = 0, 1
    while simulated(most + step, machine, habits, seconds=seconds).p95 <= limit:
        most, step = most + step, step * 2
    while step := step // 2:
        if simulated(most + step, machine, habits, seconds=seconds).p95 <= limit:
            most += step
    return most
