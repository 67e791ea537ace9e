"""The funnel: which screens removed how many of an entry's sessions, and the nearest miss of each with numbers.

Sessions are those of the entry's own service (the pairs that the screens' joins leave). A session may be removed by
several screens; each screen is counted on its own, and what is left is what no screen removed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from allocator.change import Change, Miss
from allocator.explain import CLOSED, IN_CONFLICT
from allocator.instance import Bools, Ints
from allocator.options import Facts, Options, joined_pairs, spans
from allocator.why.case import Case
from allocator.words import plural


@dataclass(frozen=True)
class Step:
    """One screen: of the entry's sessions it removed so many.

    words    what those sessions are: "too far away"
    nearest  the smallest miss: of those that it removed alone, where there are any, else of all
    """

    rule: str
    words: str
    removed: int
    alone: int
    nearest: str


@dataclass(frozen=True)
class Funnel:
    """What the screens did to one entry's sessions.

    sessions   of the entry's service, before any screen but the joining ones
    left       that no screen removed
    """

    entry_id: str
    sessions: int
    left: int
    steps: tuple[Step, ...]

    def sentences(self) -> list[str]:
        """The funnel for people."""
        if not self.sessions:
            return ["There is no session that is open to its service."]
        told = [f"{plural(self.sessions, 'session')} for this entry's service; {self.left} left after all rules below."]
        for step in self.steps:
            alone = f"; {step.alone} by this rule alone" if step.alone else ""
            nearest = f" Nearest: {step.nearest}." if step.nearest else ""
            told.append(f"{step.removed} {is_are(step.removed)} {step.words} (rule {step.rule}){alone}.{nearest}")
        return told


def funnels(case: Case, entries: Ints) -> Iterator[Funnel]:
    """The funnel of each of these rows of patients, in order."""
    unseen = dict.fromkeys(entries.tolist())
    for pairs in joined_pairs(case.facts, case.policy.screens, entries):
        kept = kept_by(case, pairs)
        for first, stop in spans(pairs.entry):
            here = {name: keep[first:stop] for name, keep in kept.items()}
            unseen.pop(int(pairs.entry[first]))
            yield funnel(case, int(pairs.entry[first]), pairs.session[first:stop], here)
    for entry in unseen:
        yield Funnel(str(case.entry_ids[entry]), 0, 0, ())


def kept_by(case: Case, pairs: Options) -> dict[str, Bools]:
    """(n_pairs,) what each screen keeps, by its name, and which sessions are open."""
    kept = {screen.name: screen.keep(pairs) for screen in case.policy.screens}
    kept[IN_CONFLICT] = ~np.isin(pairs.session, list(case.closed))
    return kept


def funnel(case: Case, entry: int, sessions: Ints, kept: dict[str, Bools]) -> Funnel:
    """The funnel of one entry, from what each screen keeps of its sessions."""
    entry_id = str(case.entry_ids[entry])
    failed = np.sum([~keep for keep in kept.values()], axis=0)
    steps = []
    for screen in case.policy.screens:
        gone = np.flatnonzero(~kept[screen.name])
        if len(gone):
            alone = gone[failed[gone] == 1]
            near = alone if len(alone) else gone
            session_ids = [str(session_id) for session_id in case.session_ids[sessions[near]]]
            misses = [screen.miss(case.facts, entry_id, session_id) for session_id in session_ids]
            told = nearest_miss(case.facts, session_ids, misses)
            steps.append(Step(screen.name, screen.ruled_out, len(gone), len(alone), told))
    shut = np.flatnonzero(~kept[IN_CONFLICT])
    if len(shut):
        steps.append(Step(IN_CONFLICT, CLOSED, len(shut), int((failed[shut] == 1).sum()), ""))
    return Funnel(entry_id, len(sessions), int((failed == 0).sum()), tuple(steps))


def nearest_miss(facts: Facts, session_ids: Sequence[str], misses: Sequence[Miss]) -> str:
    """The smallest miss in words, with everything at the same site that is missed for the same reason.

    "4 sessions at Leighton are 51 to 53 minutes away; the limit is 45".
    """
    instance = facts.instance
    order = [(*distance(miss.change), miss.figure or 0, key) for key, miss in zip(session_ids, misses, strict=True)]
    nearest = order.index(min(order))
    site_code = instance.session[session_ids[nearest]]["site_code"]
    alike = [
        miss
        for session_id, miss in zip(session_ids, misses, strict=True)
        if miss.words == misses[nearest].words and instance.session[session_id]["site_code"] == site_code
    ]
    figures = sorted(miss.figure for miss in alike if miss.figure is not None)
    amount = "" if not figures else f"{figures[0]:g}"
    if figures and figures[-1] > figures[0]:
        amount += f" to {figures[-1]:g}"
    words = with_figure(alike[0].words, amount)
    return f"{plural(len(alike), 'session')} at {instance.site[site_code]['name']} {is_are(len(alike))} {words}"


def with_figure(words: str, figure: str) -> str:
    """The words of a miss with its figure: 1 day too soon, 2 to 5 days too soon."""
    if figure == "1":
        words = words.replace("{} days", "{} day").replace("{} minutes", "{} minute")
    return words.replace("{}", figure)


def distance(change: Change | None) -> tuple[bool, float]:
    """How far a miss is from being none: without a change it is the farthest."""
    return (True, 0.0) if change is None else (False, change.size)


def is_are(count: int) -> str:
    """The verb."""
    return "is" if count == 1 else "are"
