"""Plans of a training step: the rounds of prompts, and which of them are learned from.

There are three plans. The paper's (appendix A) has up to 11 rounds, two of which add only the mask and no new click; it
grows over a run. The geometric plan draws the number of rounds. The third, *twice*, decodes as at inference: each
prompt first without a mask, then again with the first answer as its mask.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Round:
    """One round of prompts.

    Attributes:
        clicks: Whether it adds a new click; the first adds the prompt itself.
        masked: Whether it gets the mask of the previous round.
    """

    clicks: bool
    masked: bool


@dataclass(frozen=True)
class Plan:
    """The rounds of a step.

    Attributes:
        rounds: All rounds.
        first: The first round to learn from; earlier ones are decoded without gradients.
        ambiguous: Number of rounds with only the first click, which may mean a subpart, a part or a whole.
    """

    rounds: tuple[Round, ...]
    first: int
    ambiguous: int = 1


def growing(start: float, rest: float, *, progress: float, rounds: int, learned_rounds: int, masked: bool) -> Plan:
    """Plan rounds that grow in number over the first half of a run.

    Early rounds are learned from more often, because later ones depend on them.

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
    """Plan rounds whose number follows a geometric law: most steps are short, and any number occurs.

    Args:
        start: See `growing`.
        rest: See `growing`. Short steps rarely have a round without a click, because they are meant for corrections.
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
    """Return a number from 0 to `most`: one less than the draw for `start` from a geometric law with mean `mean`."""
    chance = 1 / max(mean, 1)
    drawn = 0 if chance >= 1 else int(math.log(max(1 - start, 1e-9)) / math.log(1 - chance))
    return min(drawn, max(most, 0))


def _plan(first: int, last: int, *, resting: tuple[int, ...], masked: bool) -> Plan:
    rounds = (
        Round(clicks=not (masked and turn in resting and turn), masked=masked and turn > 0) for turn in range(last)
    )
    return Plan(tuple(rounds), first)
