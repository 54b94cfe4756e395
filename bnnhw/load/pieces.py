"""Functions of one number that are straight in pieces, exactly: what signs and quantisers are."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import ceil, floor

__all__ = ["Pieces", "TooManyPieces", "Unbounded", "constant"]

_PIECES_CAP = 1 << 12
_HALF = Fraction(1, 2)

Line = tuple[Fraction, Fraction]


class Unbounded(ValueError):
    """A function is rounded to infinitely many steps."""


class TooManyPieces(ValueError):
    """A function has more pieces than anybody needs."""


@dataclass(frozen=True)
class Pieces:
    """A function: a line between each two bounds, and a value of its own at each bound.

    Parameters
    ----------
    bounds : tuple of Fraction
        Rising.
    points : tuple of Fraction
        Value at each bound.
    lines : tuple of (slope, offset)
        One more than there are bounds.
    """

    bounds: tuple[Fraction, ...] = ()
    points: tuple[Fraction, ...] = ()
    lines: tuple[Line, ...] = ((Fraction(1), Fraction(0)),)

    def __call__(self, x: Fraction) -> Fraction:
        """Give the value at `x`."""
        place = bisect_left(self.bounds, x)
        if place < len(self.bounds) and self.bounds[place] == x:
            return self.points[place]
        slope, offset = self.lines[place]
        return slope * x + offset

    @property
    def values(self) -> tuple[Fraction, ...] | None:
        """Values of the pieces from the left, if all are level."""
        if any(slope for slope, _ in self.lines):
            return None
        return tuple(offset for _, offset in self.lines)

    def lonely(self) -> list[Fraction]:
        """Give the bounds whose value is that of neither neighbour, as 0 is for a plain sign."""
        found = []
        for bound, point, (left, right) in zip(
            self.bounds, self.points, pairwise(self.lines), strict=True
        ):
            if point not in (left[0] * bound + left[1], right[0] * bound + right[1]):
                found.append(bound)
        return found

    def linear(self, scale: Fraction, offset: Fraction) -> "Pieces":
        """Give ``scale * f + offset``."""
        return Pieces(
            self.bounds,
            tuple(scale * point + offset for point in self.points),
            tuple((scale * slope, scale * base + offset) for slope, base in self.lines),
        )

    def _samples(self) -> list[Fraction]:
        """Give a number inside each piece."""
        if not self.bounds:
            return [Fraction(0)]
        inner = [(a + b) / 2 for a, b in pairwise(self.bounds)]
        return [self.bounds[0] - 1, *inner, self.bounds[-1] + 1]

    def _split(self, more: Sequence[Fraction]) -> "Pieces":
        """Give the same function with more bounds."""
        bounds = sorted({*self.bounds, *more})
        if len(bounds) > _PIECES_CAP:
            raise TooManyPieces(f"it has more than {_PIECES_CAP} pieces")
        if not bounds:
            return self
        split = Pieces(tuple(bounds), tuple(map(self, bounds)), ())
        lines = [self.lines[bisect_left(self.bounds, x)] for x in split._samples()]
        return Pieces(split.bounds, split.points, tuple(lines))

    def _crossings(self, levels: Sequence[Fraction]) -> list[Fraction]:
        """Give where the lines pass `levels` inside their pieces."""
        found = []
        for place, (slope, offset) in enumerate(self.lines):
            for level in levels if slope else ():
                x = (level - offset) / slope
                after = place == 0 or x > self.bounds[place - 1]
                if after and (place == len(self.bounds) or x < self.bounds[place]):
                    found.append(x)
        return found

    def stepped(
        self, levels: Sequence[Fraction], function: Callable[[Fraction], Fraction]
    ) -> "Pieces":
        """Apply a function that is level between `levels`."""
        split = self._split(self._crossings(levels))
        flat = [(Fraction(0), function(split(x))) for x in split._samples()]
        return Pieces(split.bounds, tuple(map(function, split.points)), tuple(flat))._merged()

    def sign(self) -> "Pieces":
        """Give −1, 0 or 1."""
        return self.stepped([Fraction(0)], lambda y: Fraction((y > 0) - (y < 0)))

    def holds(self, condition: Callable[[Fraction], bool]) -> "Pieces":
        """Give 1 where a condition on the sign of this holds, else 0."""
        return self.stepped([Fraction(0)], lambda y: Fraction(condition(y)))

    def clamp(self, low: Fraction | None, high: Fraction | None) -> "Pieces":
        """Keep values between `low` and `high`."""
        levels = [end for end in (low, high) if end is not None]
        split = self._split(self._crossings(levels))

        def kept(y: Fraction) -> Fraction:
            y = y if low is None else max(y, low)
            return y if high is None else min(y, high)

        lines = [
            line if kept(split(x)) == split(x) else (Fraction(0), kept(split(x)))
            for line, x in zip(split.lines, split._samples(), strict=True)
        ]
        return Pieces(split.bounds, tuple(map(kept, split.points)), tuple(lines))._merged()

    def rounded(self, way: str) -> "Pieces":
        """Round to whole numbers: "round" (halves to the even one), "floor" or "ceil".

        Raises
        ------
        Unbounded
            If the values have no end.
        """
        if any(slope for slope in (self.lines[0][0], self.lines[-1][0])):
            raise Unbounded("it rounds values that have no end")
        shift = _HALF if way == "round" else Fraction(0)
        levels: set[Fraction] = set()
        for place, (slope, offset) in enumerate(self.lines):
            if slope:
                ends = [slope * self.bounds[k] + offset for k in (place - 1, place)]
                first, last = floor(min(ends)) - 1, ceil(max(ends)) + 1
                if last - first > _PIECES_CAP:
                    raise TooManyPieces(f"it has more than {_PIECES_CAP} pieces")
                levels.update(Fraction(k) + shift for k in range(first, last))
        ways: dict[str, Callable[[Fraction], int]] = {"round": round, "floor": floor, "ceil": ceil}
        function = ways[way]
        return self.stepped(sorted(levels), lambda y: Fraction(function(y)))

    def absolute(self) -> "Pieces":
        """Give the absolute value."""
        split = self._split(self._crossings([Fraction(0)]))
        lines = [
            line if split(x) >= 0 else (-line[0], -line[1])
            for line, x in zip(split.lines, split._samples(), strict=True)
        ]
        return Pieces(split.bounds, tuple(map(abs, split.points)), tuple(lines))._merged()

    def plus(self, other: "Pieces", factor: Fraction = Fraction(1)) -> "Pieces":
        """Give ``f + factor * g``."""
        a, b = self._split(other.bounds), other._split(self.bounds)
        return Pieces(
            a.bounds,
            tuple(x + factor * y for x, y in zip(a.points, b.points, strict=True)),
            tuple(
                (s + factor * t, x + factor * y)
                for (s, x), (t, y) in zip(a.lines, b.lines, strict=True)
            ),
        )._merged()

    def times(self, other: "Pieces") -> "Pieces":
        """Give ``f * g``.

        Raises
        ------
        ValueError
            If both rise or fall in one place.
        """
        a, b = self._split(other.bounds), other._split(self.bounds)
        if any(s and t for (s, _), (t, _) in zip(a.lines, b.lines, strict=True)):
            raise ValueError("it multiplies what depends on a number with what does as well")
        return Pieces(
            a.bounds,
            tuple(x * y for x, y in zip(a.points, b.points, strict=True)),
            tuple((s * y + t * x, x * y) for (s, x), (t, y) in zip(a.lines, b.lines, strict=True)),
        )._merged()

    def choose(self, yes: "Pieces", no: "Pieces") -> "Pieces":
        """Give `yes` where this is not 0, else `no`."""
        bounds = [*self.bounds, *yes.bounds, *no.bounds, *self._crossings([Fraction(0)])]
        mask, a, b = (part._split(bounds) for part in (self, yes, no))
        return Pieces(
            mask.bounds,
            tuple(y if m else n for m, y, n in zip(mask.points, a.points, b.points, strict=True)),
            tuple(
                y if mask(x) else n
                for x, y, n in zip(mask._samples(), a.lines, b.lines, strict=True)
            ),
        )._merged()

    def _merged(self) -> "Pieces":
        """Drop the bounds at which nothing changes."""
        bounds, points, lines = [], [], [self.lines[0]]
        for bound, point, line in zip(self.bounds, self.points, self.lines[1:], strict=True):
            if line == lines[-1] and point == line[0] * bound + line[1]:
                continue
            bounds.append(bound)
            points.append(point)
            lines.append(line)
        return Pieces(tuple(bounds), tuple(points), tuple(lines))


def constant(value: Fraction) -> Pieces:
    """Give the function that is `value` everywhere."""
    return Pieces(lines=((Fraction(0), value),))
