"""Read what Yosys writes as AIGER, fold it to one question, and check an answer's certificate."""

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Circuit", "certificate", "parse_invariant"]


@dataclass(frozen=True)
class Circuit:
    """An and-inverter graph. A literal is ``2 * variable + inverted``; variable 0 is false.

    Inputs are the variables from 1, then come the latches, which all start at 0, then the gates.

    Attributes
    ----------
    inputs : int
        How many.
    latches : tuple of int
        Next value of each, a literal.
    bad : int
        What must never be 1, a literal.
    gates : tuple of (int, int)
        Both literals of each, which are smaller than its own.
    """

    inputs: int
    latches: tuple[int, ...]
    bad: int
    gates: tuple[tuple[int, int], ...]

    @classmethod
    def read(cls, content: bytes) -> "Circuit":
        """Read binary AIGER 1.9 and fold it: bad while no assumption was ever broken.

        One latch is added behind the others, which remembers a broken assumption.

        Raises
        ------
        ValueError
            If it is not such a file, or a latch does not start at 0.
        """
        lines = _Lines(content)
        kind, *numbers = lines.next().split()
        counts = [int(number) for number in numbers] + [0] * (9 - len(numbers))
        most, inputs, latches, outputs, gates, bads, assumed, *rest = counts
        if kind != b"aig" or most != inputs + latches + gates or any(rest):
            raise ValueError("AIGER must be binary, without justice and fairness properties")
        following = [lines.next().split() for _ in range(latches)]
        if any(line[1:] not in ([], [b"0"]) for line in following):
            raise ValueError("AIGER latches must start at 0")
        for _ in range(outputs):
            lines.next()
        bad = [int(lines.next()) for _ in range(bads)]
        assume = [int(lines.next()) for _ in range(assumed)]
        pairs = []
        for index in range(gates):
            high = 2 * (inputs + latches + 1 + index) - lines.number()
            pairs.append((high, high - lines.number()))
        return cls._fold(inputs, [int(line[0]) for line in following], pairs, bad, assume)

    @classmethod
    def _fold(
        cls,
        inputs: int,
        latches: list[int],
        pairs: list[tuple[int, int]],
        bad: list[int],
        assume: list[int],
    ) -> "Circuit":
        first = 2 * (inputs + len(latches) + 1)

        def moved(literal: int) -> int:
            """Make place for one more latch."""
            return literal + 2 if literal >= first else literal

        gates = [(moved(a), moved(b)) for a, b in pairs]
        broken = first

        def both(a: int, b: int) -> int:
            gates.append((max(a, b), min(a, b)))
            return first + 2 * len(gates)

        fine = broken ^ 1
        for literal in assume:
            fine = both(fine, moved(literal))
        good = 1
        for literal in bad:
            good = both(good, moved(literal) ^ 1)
        following = [moved(literal) for literal in latches] + [fine ^ 1]
        return cls(inputs, tuple(following), both(fine, good ^ 1), tuple(gates))

    def write(self) -> bytes:
        """Write binary AIGER with one output, for a program that proves it to be 0."""
        counts = (self.inputs, len(self.latches), 1, len(self.gates))
        most = self.inputs + len(self.latches) + len(self.gates)
        head = [f"aig {most} {' '.join(map(str, counts))}", *map(str, self.latches), f"{self.bad}"]
        body = bytearray()
        for index, (high, low) in enumerate(self.gates):
            own = 2 * (self.inputs + len(self.latches) + 1 + index)
            body += _coded(own - high) + _coded(high - low)
        return "".join(f"{line}\n" for line in head).encode() + bytes(body)


def parse_invariant(text: str) -> list[list[tuple[int, bool]]] | None:
    """Read the clauses that ABC's `pdr` claims to hold for ever.

    Returns
    -------
    list of list of (int, bool), or None
        Cubes of latches (the number of the latch, and its value) that are never reached; None if
        the text claims nothing.
    """
    lines = text.splitlines()
    if not lines or not lines[0].startswith("# Inductive invariant"):
        return None
    latches: list[int] = []
    cubes = []
    for line in lines:
        words = line.split()
        if words[:1] == [".ilb"]:
            latches = [int(name.removeprefix("lo")) for name in words[1:]]
        elif len(words) == 2 and set(words[0]) <= set("01-"):
            cubes.append(
                [
                    (latch, value == "1")
                    for latch, value in zip(latches, words[0], strict=True)
                    if value != "-"
                ]
            )
    return cubes


def certificate(circuit: Circuit, cubes: list[list[tuple[int, bool]]]) -> str:
    """Write SMT-LIB whose three answers are `unsat` if no cube is reached and nothing is bad.

    The first asks for a cube that holds the start, the second for a bad state outside of all cubes,
    the third for a step from outside into a cube.
    """
    first = circuit.inputs + 1

    def literal(value: int) -> str:
        name = f"v{value >> 1}" if value > 1 else "false"
        return f"(not {name})" if value & 1 else name

    def one(name: Callable[[int], str], cube: list[tuple[int, bool]]) -> str:
        parts = [name(at) if value else f"(not {name(at)})" for at, value in cube]
        return f"(and true {' '.join(parts)})"

    def some(name: Callable[[int], str]) -> str:
        return f"(or false {' '.join(one(name, cube) for cube in cubes)})"

    states = first + len(circuit.latches)
    text = ["(set-logic QF_UF)"]
    text += [f"(declare-const v{index} Bool)" for index in range(1, states)]
    for index, (a, b) in enumerate(circuit.gates):
        text.append(f"(define-fun v{states + index} () Bool (and {literal(a)} {literal(b)}))")
    now = some(lambda at: f"v{first + at}")
    start = some(lambda at: "false")
    then = some(lambda at: literal(circuit.latches[at]))
    asked = [[start], [f"(not {now})", literal(circuit.bad)], [f"(not {now})", then]]
    for parts in asked:
        text += ["(push 1)", *(f"(assert {part})" for part in parts), "(check-sat)", "(pop 1)"]
    return "\n".join([*text, "(exit)", ""])


class _Lines:
    """The text and the number-coded part of a binary AIGER file."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def next(self) -> bytes:
        end = self._content.index(b"\n", self._at)
        line, self._at = self._content[self._at : end], end + 1
        return line

    def number(self) -> int:
        value = shift = 0
        while True:
            byte = self._content[self._at]
            self._at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7


def _coded(value: int) -> bytes:
    """Code a number in groups of seven bits, the low ones first."""
    out = bytearray()
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])
