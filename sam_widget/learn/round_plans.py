"""Which rounds of prompts does a training step run, and which of them does it learn from?

Three plans. The paper's (appendix A) has up to 11 rounds, two of which bring only the mask and no new click; it grows
over a run. A geometric one draws how many rounds there are. The third, *twice*, asks as the model answers: each prompt
first without a mask, then once more with the first answer as its mask.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Round:
    """One round of prompts.

    Attributes:
        clicks: Whether it brings a new click; the first brings the prompt itself.
        masked: Whether it is given the mask of the round before.
    """

    clicks: bool
    masked: bool


@dataclass(frozen=True)
class Plan:
    """The rounds of a step.

    Attributes:
        rounds: All of them.
        first: The first to learn from; those before it are answered without gradients.
        ambiguous: How many rounds a first click stays alone, and may mean a subpart, a part or a whole.
    """

    rounds: tuple[Round, ...]
    first: int
    ambiguous: int = 1


def growing(start: float, rest: float, *, progress: float, rounds: int, learned_rounds: int, masked: bool) -> Plan:
    """Plan rounds that grow in number over the first half of a run.

    Early rounds are learned from more often: whatever comes later starts from them.

    Args:
        start: In [0, 1), draws the first round to learn from.
        rest: In [0, 1), draws the round without a new click; the last is the other one.
        progress: Share of the run that is done.
        rounds: Most of them.
        learned_rounds: How many are learned from.
        masked: Whether rounds after the first are given the mask so far; without, each brings a click.
    """
    most = max(min(rounds, 2), round(rounds * min(1.0, 2 * progress)))
    learned = min(learned_rounds, most)
    first = int((most - learned + 1) * start**2)
    return _plan(first, first + learned, resting=(1 + int(rest * (most - 1)), most - 1), masked=masked)


def geometric(start: float, rest: float, *, mean: float, rounds: int, learned_rounds: int, masked: bool) -> Plan:
    """Plan rounds whose number follows a geometric law: most steps are short, and any round is met.

    Args:
        start: As for `growing`, and so are the others.
        rest: Short steps rarely have a round without a click: they are meant for corrections.
        mean: Mean number of rounds.
        rounds: Most of them.
        learned_rounds: How many are learned from.
        masked: Whether rounds after the first are given the mask so far.
    """
    first = _before(start, mean - learned_rounds + 1, rounds - learned_rounds)
    last = first + learned_rounds
    return _plan(first, last, resting=(1 + int(rest * 2 * (last - 1)),), masked=masked)


def twice(start: float, *, mean: float, rounds: int) -> Plan:
    """Plan pairs of rounds, the number of which follows a geometric law; the last pair is learned from.

    Args:
        start: In [0, 1), draws the number.
        mean: Mean number of rounds.
        rounds: Most of them.
    """
    pairs = 1 + _before(start, mean / 2, rounds // 2 - 1)
    pair = (Round(clicks=True, masked=False), Round(clicks=False, masked=True))
    return Plan(pair * pairs, 2 * (pairs - 1), ambiguous=2)


def _before(start: float, mean: float, most: int) -> int:
    """Return a number of 0 to `most`, one less than a geometric law of that mean draws for `start`."""
    chance = 1 / max(mean, 1)
    drawn = 0 if chance >= 1 else int(math.log(max(1 - start, 1e-9)) / math.log(1 - chance))
    return min(drawn, max(most, 0))


def _plan(first: int, last: int, *, resting: tuple[int, ...], masked: bool) -> Plan:
    rounds = (
        Round(clicks=not (masked and turn in resting and turn), masked=masked and turn > 0) for turn in range(last)
    )
    return Plan(tuple(rounds), first)
