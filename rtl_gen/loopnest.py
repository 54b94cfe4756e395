"""A perfect loop nest that runs in hardware, one iteration a step."""

from collections.abc import Collection, Mapping, Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value

__all__ = ["LoopNest"]


class LoopNest:
    """Counters of a perfect loop nest, added to `m`: the innermost loop goes on with every step.

    After the last iteration of all loops the nest starts again.

    Parameters
    ----------
    m : Module
        Where the counters are made.
    trips : dict of str to int
        Iterations of each loop by name, innermost first.
    step : Value
        Go to the next iteration at this clock edge.
    """

    def __init__(self, m: Module, trips: Mapping[str, int], step: Value) -> None:
        self.at: dict[str, Signal] = {}
        """Current iteration of each loop."""
        self._m, self._trips = m, trips
        self._steps: dict[str, Value] = {}
        self._ends: list[Value] = []
        for name, trip in trips.items():
            self._steps[name] = step
            at = Signal(range(trip), name=f"at_{name}")
            final = at == trip - 1 if trip > 1 else Const(1, 1)
            with m.If(step):
                m.d.sync += at.eq(at + 1)
                with m.If(final):
                    m.d.sync += at.eq(0)
            step = step & final
            self.at[name] = at
            self._ends.append(final)

    def ends(self, loops: int) -> Value:
        """Whether the innermost `loops` loops are all in their last iteration."""
        done: Value = Const(1, 1)
        for final in self._ends[:loops]:
            done = done & final
        return done

    def tell(self, iterations: Collection[int], loop: str) -> Value:
        """Whether a loop is in one of some iterations, from a flip-flop unless it is always so."""
        trip = self._trips[loop]
        within = [number in iterations for number in range(trip)]
        changes = [
            number for number in range(trip) if within[number] != within[(number + 1) % trip]
        ]
        if not changes:
            return Const(within[0], 1)
        flag = Signal(init=within[0], name=f"{loop}_told")
        at = self.at[loop]
        with self._m.If(self._steps[loop]):
            self._m.d.sync += flag.eq(flag ^ Cat(at == number for number in changes).any())
        return flag

    def choose(self, amounts: Sequence[int]) -> Value:
        """Pick the amount of the loop that goes on with the next step, innermost loop first.

        There is one amount more than loops: the last is for the step back to the start.
        """
        chosen: Value = Const(amounts[-1])
        for final, amount in zip(reversed(self._ends), reversed(amounts[:-1]), strict=True):
            # A loop of one iteration never goes on.
            if not isinstance(final, Const):
                chosen = Mux(final, chosen, amount)
        return chosen
