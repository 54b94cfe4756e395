"""The cheapest way through a web of choices, within limits of several resources, exactly."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["FAR", "Stage", "Web"]

FAR = 1 << 50
"""Dearer than anything."""

Ints = npt.NDArray[np.int64]

# Rows that are compared at once, with all that stay.
_AT_ONCE = 256


@dataclass(frozen=True, eq=False)
class Stage:
    """The arcs from the places of one step to those of the next.

    Parameters
    ----------
    tails, heads : array of int, shape (arcs,)
        Places at both ends, numbered from 0 in each step.
    costs : array of int, shape (arcs, resources)
        What each takes, never less than nothing.
    picks : sequence
        What each stands for.
    places : int
        Places that the stage leads to.
    """

    tails: Ints
    heads: Ints
    costs: Ints
    picks: Sequence[Any]
    places: int

    def within(self, allowed: npt.NDArray[np.bool_]) -> "Stage":
        """Keep some of the arcs."""
        kept = np.flatnonzero(allowed)
        picks = [self.picks[int(k)] for k in kept]
        return Stage(self.tails[kept], self.heads[kept], self.costs[kept], picks, self.places)


@dataclass(frozen=True, eq=False)
class _Labels:
    """Ways that lead to the places of a step, none as good as another in everything.

    Parameters
    ----------
    place, price, parent, arc : array of int, shape (ways,)
    used : array of int, shape (ways, resources)
    """

    place: Ints
    price: Ints
    used: Ints
    parent: Ints
    arc: Ints

    def of(self, kept: Ints) -> "_Labels":
        return _Labels(
            self.place[kept], self.price[kept], self.used[kept], self.parent[kept], self.arc[kept]
        )


class Web:
    """Steps in a row, from the one place of the first to the one place of the last.

    Parameters
    ----------
    stages : sequence of Stage
        At least one; the last leads to one place.
    """

    def __init__(self, stages: Sequence[Stage]) -> None:
        self._stages = stages

    def best(self, weights: Ints, caps: Ints) -> list[Any] | None:
        """Find the way that is cheapest, of all that stay within `caps`.

        Exact: a way is only given up where another one is as good in price and in every resource
        that matters, or where the least that it may still come to is too much. The least is known
        from the cheapest way on without limits, for the price, for each resource, and for the price
        with a toll on the resources (Lagrange); resources that the answer without limits does not
        exceed do not matter.

        Parameters
        ----------
        weights : array of int, shape (resources,)
            Price of one of each.
        caps : array of int, shape (resources,)

        Returns
        -------
        list or None
            The picks of all stages; None if no way stays within.
        """
        matter: list[int] = []
        while True:
            arcs = self._constrained(weights, caps, matter)
            if arcs is None:
                return None
            over = np.flatnonzero(self._total(arcs) > caps)
            if not over.size:
                return [stage.picks[arc] for stage, arc in zip(self._stages, arcs, strict=True)]
            matter += [int(k) for k in over]

    def _total(self, arcs: Sequence[int]) -> Ints:
        costs = [stage.costs[arc] for stage, arc in zip(self._stages, arcs, strict=True)]
        total: Ints = np.sum(costs, axis=0)
        return total

    def _to_go(self, weights: Ints) -> list[Ints]:
        """Give the least price from every place of every step to the end."""
        found = [np.zeros(1, np.int64)]
        for number in reversed(range(len(self._stages))):
            stage = self._stages[number]
            size = self._stages[number - 1].places if number else 1
            least = np.full(size, FAR)
            np.minimum.at(least, stage.tails, stage.costs @ weights + found[-1][stage.heads])
            found.append(np.minimum(least, FAR))
        return found[::-1]

    def _walk(self, weights: Ints, to_go: list[Ints]) -> list[int]:
        """Follow the cheapest way."""
        arcs, place = [], 0
        for stage, after in zip(self._stages, to_go[1:], strict=True):
            own = np.flatnonzero(stage.tails == place)
            arc = int(own[np.argmin(stage.costs[own] @ weights + after[stage.heads[own]])])
            arcs.append(arc)
            place = int(stage.heads[arc])
        return arcs

    def _constrained(self, weights: Ints, caps: Ints, matter: list[int]) -> list[int] | None:
        plain = self._to_go(weights)
        if plain[0][0] >= FAR:
            return None
        if not matter:
            return self._walk(weights, plain)
        least = [self._to_go(np.eye(len(caps), dtype=np.int64)[k]) for k in matter]
        if any(way[0][0] > caps[k] for way, k in zip(least, matter, strict=True)):
            return None
        known, tolls = self._tolls(weights, caps, matter)
        limit = FAR if known is None else int(self._total(known) @ weights)
        scale = self._balance(caps, matter) if known is None else None
        found = self._search(weights, caps, matter, [plain, *least], tolls, limit, scale)
        return known if found is None else found

    def _tolls(self, weights: Ints, caps: Ints, matter: list[int]) -> tuple[list[int] | None, Ints]:
        """Find tolls on resources whose cheapest way nearly keeps to the caps, and one that does.

        Tolls are whole numbers; `_SCALE` of them are a price of one.
        """
        known, best = None, FAR
        tolls = np.zeros(len(caps), np.int64)
        kept, bound = tolls.copy(), -FAR
        step = {k: float(_SCALE) for k in matter}
        for _ in range(_ROUNDS):
            priced = weights * _SCALE + tolls
            to_go = self._to_go(priced)
            arcs = self._walk(priced, to_go)
            total = self._total(arcs)
            below = int(to_go[0][0] - tolls @ np.minimum(caps, FAR // (1 + _SCALE)))
            if below > bound:
                bound, kept = below, tolls.copy()
            if (total <= caps).all() and int(total @ weights) < best:
                known, best = arcs, int(total @ weights)
            for k in matter:
                if total[k] > caps[k]:
                    tolls[k] += int(step[k]) + 1
                    step[k] *= 2
                else:
                    step[k] = max(step[k] / 4, 0.5)
                    tolls[k] = max(0, tolls[k] - int(step[k]) - 1)
        return known, kept

    def _balance(self, caps: Ints, matter: list[int]) -> Ints:
        """Weigh the resources so that what even the cheapest way takes is much, against the caps.

        A way within the caps takes no more than the caps do by any weights: where all ways do,
        there is none, which one sum shows and a search only at length.
        """
        shares = np.ones(len(matter))
        best, kept = -np.inf, np.zeros(len(caps), np.int64)
        whole = np.maximum(caps[matter], 1)
        for _ in range(_ROUNDS):
            scale = np.zeros(len(caps), np.int64)
            scale[matter] = np.rint(shares / shares.sum() * _FINE / whole)
            to_go = self._to_go(scale)
            allowed = int(scale[matter] @ caps[matter])
            over = (int(to_go[0][0]) - allowed) / max(abs(allowed), 1)
            if over > best:
                best, kept = over, scale
            if over > 0:
                break
            used = self._total(self._walk(scale, to_go))[matter]
            shares = shares * np.exp(np.clip(used / whole - 1, -1, 1))
        return kept

    def _search(
        self,
        weights: Ints,
        caps: Ints,
        matter: list[int],
        plain: list[list[Ints]],
        tolls: Ints,
        limit: int,
        scale: Ints | None,
    ) -> list[int] | None:
        """Follow all ways that may be better than `limit`, step by step."""
        priced = weights * _SCALE + tolls
        tolled = self._to_go(priced)
        slack = int(tolls[matter] @ caps[matter])
        scaled = [] if scale is None else self._to_go(scale)
        if scale is not None and scaled[0][0] > scale[matter] @ caps[matter]:
            return None
        one = np.zeros(1, np.int64)
        labels = _Labels(one, one, np.zeros((1, len(matter)), np.int64), one, one)
        trail = [labels]
        for number, stage in enumerate(self._stages, 1):
            labels = _grown(labels, stage, weights, matter)
            place = labels.place
            good = labels.price + plain[0][number][place] < limit
            for k, way in zip(range(len(matter)), plain[1:], strict=True):
                good &= labels.used[:, k] + way[number][place] <= caps[matter[k]]
            toll = labels.used @ tolls[matter] + labels.price * _SCALE + tolled[number][place]
            if scale is not None:
                rest = scaled[number][place]
                good &= labels.used @ scale[matter] + rest <= scale[matter] @ caps[matter]
            if limit < FAR:
                good &= toll - slack < limit * _SCALE
            labels = _undominated(labels.of(np.flatnonzero(good)))
            if not labels.place.size:
                return None
            trail.append(labels)
        arcs, at = [], int(np.argmin(labels.price))
        for labels in reversed(trail[1:]):
            arcs.append(int(labels.arc[at]))
            at = int(labels.parent[at])
        return arcs[::-1]


_SCALE = 64
_ROUNDS = 40
_FINE = 1 << 24


def _grown(labels: _Labels, stage: Stage, weights: Ints, matter: list[int]) -> _Labels:
    """Go along every arc from every label."""
    order = np.argsort(labels.place, kind="stable")
    places = labels.place[order]
    begin = np.searchsorted(places, stage.tails, side="left")
    count = np.searchsorted(places, stage.tails, side="right") - begin
    arc = np.repeat(np.arange(len(stage.tails)), count)
    inside = np.arange(len(arc)) - np.repeat(np.cumsum(count) - count, count)
    parent = order[np.repeat(begin, count) + inside]
    return _Labels(
        stage.heads[arc],
        labels.price[parent] + (stage.costs @ weights)[arc],
        labels.used[parent] + stage.costs[:, matter][arc],
        parent,
        arc,
    )


def _undominated(labels: _Labels) -> _Labels:
    """Drop labels than which another one of the same place is no worse in anything."""
    used = labels.used
    order = np.lexsort((*reversed(used.T), labels.price, labels.place))
    labels = labels.of(order)
    if not labels.place.size:
        return labels
    # Within a place prices ascend: with one resource, what stays takes less of it than all before.
    first = labels.used[:, 0]
    drop = (int(first.max()) + 1) * labels.place
    lowest = np.minimum.accumulate(first - drop)
    before = np.append(FAR, lowest[:-1])
    kept = np.flatnonzero(first - drop < before)
    if used.shape[1] == 1:
        return labels.of(kept)
    return labels.of(_undominated_pairs(labels))


def _undominated_pairs(labels: _Labels) -> Ints:
    """Do so with several resources; prices ascend within a place."""
    kept: list[int] = []
    start = 0
    undominated = _on_stairs if labels.used.shape[1] == 2 else _pair_by_pair
    for end in [*(np.flatnonzero(np.diff(labels.place)) + 1), len(labels.place)]:
        kept += [start + k for k in undominated(labels.used[start : int(end)])]
        start = int(end)
    return np.array(kept, np.int64)


def _on_stairs(used: Ints) -> list[int]:
    """Give the rows of two columns that no row before is no worse than, by number.

    What stays is a flight of stairs: sorted by one column, it falls in the other, so that one
    look-up tells of a new row, where millions of pairs would have to be compared.
    """
    kept: list[int] = []
    firsts: list[int] = []
    seconds: list[int] = []
    for k, (first, second) in enumerate(used.tolist()):
        at = bisect_right(firsts, first)
        if at and seconds[at - 1] <= second:
            continue
        kept.append(k)
        if at and firsts[at - 1] == first:
            at -= 1
        end = at
        while end < len(seconds) and seconds[end] >= second:
            end += 1
        firsts[at:end] = [first]
        seconds[at:end] = [second]
    return kept


def _pair_by_pair(used: Ints) -> list[int]:
    """Give the numbers of the rows that no row before is no worse than."""
    stay = np.empty((0, used.shape[1]), np.int64)
    kept: list[int] = []
    for start in range(0, len(used), _AT_ONCE):
        part = used[start : start + _AT_ONCE]
        # Whatever a dropped row is no worse than, so is the row that dropped it.
        drop = _no_worse(stay, part).any(0) | np.triu(_no_worse(part, part), 1).any(0)
        kept += (start + np.flatnonzero(~drop)).tolist()
        stay = np.concatenate([stay, part[~drop]])
    return kept


def _no_worse(rows: Ints, than: Ints) -> npt.NDArray[np.bool_]:
    """Tell of each pair of rows whether the first is no worse in any column."""
    found = np.ones((len(rows), len(than)), np.bool_)
    for column in range(rows.shape[1]):
        found &= rows[:, column, None] <= than[None, :, column]
    return found
