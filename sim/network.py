"""Whole networks: thousands of images through the Verilog, held against the golden model."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from bnnhw import golden
from bnnhw.errors import UsageError
from bnnhw.plan import Plan
from bnnhw.plan.writable import stores

from .compare import Difference, Tally, check_reference, compare, compare_reference
from .compiled import Recording, compile_accelerator

__all__ = ["SIMULATORS", "Report", "simulate"]

SIMULATORS = ("verilator", "icarus", "pysim")
_BATCH = 256

Progress = Callable[[str, int, int], None]
"""Called with what is going on, how much of it is done, and how much there is (0: not known)."""


@dataclass(frozen=True)
class Report:
    """What a simulation found.

    Parameters
    ----------
    network, identity, simulator : str
    images : int
        Images simulated.
    compared : int
        Values compared, over all edges, logits and classes.
    mismatches : int
        Values that differ.
    differences : tuple of Difference
        The first one of each edge, in stream order.
    cycles_per_image : float
        Clocks between the answers of consecutive images, measured, on average; of one image the
        clocks to its answer.
    cycles_formula : int
        What the plan says.
    latency : int
        Clocks from reset to the first answer's last word.
    accuracy : float or None
        Share of labels that the hardware got right, where there are labels.
    seconds : float
        Wall time of the simulation proper.
    """

    network: str
    identity: str
    simulator: str
    images: int
    compared: int
    mismatches: int
    differences: tuple[Difference, ...]
    cycles_per_image: float
    cycles_formula: int
    latency: int
    accuracy: float | None
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether something was compared and nothing differed."""
        return self.compared > 0 and not self.mismatches

    def to_json(self) -> dict[str, Any]:
        """Give JSON values."""
        return {**asdict(self), "passed": self.passed, "images_per_second": self.images_per_second}

    @property
    def images_per_second(self) -> float:
        """Simulated images in a second of wall time."""
        return self.images / self.seconds if self.seconds else 0.0


def simulate(
    plan: Plan,
    verilog: str,
    images: npt.NDArray[Any],
    *,
    labels: npt.NDArray[Any] | None = None,
    reference: Mapping[str, npt.NDArray[Any]] | None = None,
    simulator: str = "verilator",
    stall_in: int = 0,
    stall_out: int = 0,
    seed: int = 1,
    quick: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Stream images through the Verilog and compare every edge with the golden model.

    Parameters
    ----------
    plan : Plan
    verilog : str
        What `rtl_gen.verilog.emit` made of it, with plain port names.
    images : array, shape (n, *input shape)
        As `bnnhw.images.load_images` gives them.
    labels : array of int or None
        For the accuracy.
    reference : mapping or None
        See `sim.compare.check_reference`.
    simulator : str
        One of `SIMULATORS`.
    stall_in, stall_out : int
        Percentage of clocks in which source and sink wait.
    seed : int
        Of the stalls.
    quick : bool
        Compile Verilator's program quickly rather than to a quick one.
    progress : callable or None

    Raises
    ------
    UsageError
        If the simulator is unknown, or the reference does not belong here.
    ToolMissing, ToolFailed, CheckFailed
        As the simulator's runner says.
    """
    tell = progress or _silent
    if reference is not None:
        check_reference(plan.graph, reference, len(images))
    codes = _codes(plan, images)
    options: dict[str, Any] = {"stall_in": stall_in, "stall_out": stall_out, "seed": seed}
    options["progress"] = lambda done: tell("simulating", done, len(images))
    recording, seconds = _record(plan, verilog, codes, simulator, options, tell, quick)
    tally = Tally()
    classes = _compare(plan, recording, images, reference, tally, tell)
    accuracy = None if labels is None else float(np.mean(labels == classes))
    return _report(plan, simulator, recording, tally, accuracy, seconds)


def _report(
    plan: Plan,
    simulator: str,
    recording: Recording,
    tally: Tally,
    accuracy: float | None,
    seconds: float,
) -> Report:
    periods = np.diff(recording.ends)
    per_image = float(np.mean(periods)) if len(periods) else float(recording.ends[0] + 1)
    return Report(
        network=plan.graph.name,
        identity=plan.identity,
        simulator=simulator,
        images=len(recording.ends),
        compared=tally.compared,
        mismatches=tally.mismatches,
        differences=tuple(tally.differences),
        cycles_per_image=per_image,
        cycles_formula=plan.cycles,
        latency=int(recording.ends[0]) + 1,
        accuracy=accuracy,
        seconds=seconds,
    )


def _silent(what: str, done: int, total: int) -> None:
    pass


def _codes(plan: Plan, images: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    codes: npt.NDArray[np.int64] = plan.on_stream(plan.graph.input.encode(images))
    return codes


def _record(
    plan: Plan,
    verilog: str,
    codes: npt.NDArray[np.int64],
    simulator: str,
    options: dict[str, Any],
    tell: Progress,
    quick: bool,
) -> tuple[Recording, float]:
    if simulator == "verilator":
        program = compile_accelerator(
            plan, verilog, quick=quick, progress=lambda what: tell(what, 0, 0)
        )
        tell("simulating", 0, len(codes))
        start = time.monotonic()
        return program.run(codes, **options), time.monotonic() - start
    from .interpreted import record_icarus, record_pysim

    if not all(store.initial for store in stores(plan)):
        raise UsageError(
            f"Only Verilator's simulation loads weights, and '{simulator}' would wait for them.",
            'Choose verilator, or weights = "ram", which begins with those of the model.',
        )
    tell("simulating", 0, len(codes))
    start = time.monotonic()
    if simulator == "icarus":
        return record_icarus(plan, verilog, codes, **options), time.monotonic() - start
    if simulator == "pysim":
        return record_pysim(plan, codes, **options), time.monotonic() - start
    raise UsageError(
        f"There is no simulator '{simulator}'.", f"Choose one of {', '.join(SIMULATORS)}."
    )


def _compare(
    plan: Plan,
    recording: Recording,
    images: npt.NDArray[Any],
    reference: Mapping[str, npt.NDArray[Any]] | None,
    tally: Tally,
    tell: Progress,
) -> npt.NDArray[np.int64]:
    """Compare batch by batch: the golden trace of thousands of images would fill the memory."""
    answers = []
    for start in range(0, len(images), _BATCH):
        tell("comparing with the golden model", start, len(images))
        batch = images[start : start + _BATCH]
        trace = golden.run(plan.graph, batch, trace=True)
        part = _part(plan, recording, start, len(batch))
        tally.first = start
        values, classes = compare(plan, part, trace.edges, tally)
        if reference is not None:
            rest = {key: array[start:] for key, array in reference.items() if array.ndim}
            compare_reference(plan.graph, rest, values, classes, trace.edges, tally)
        answers.append(classes)
    return np.concatenate(answers)


def _part(plan: Plan, recording: Recording, start: int, frames: int) -> Recording:
    stop = start + frames
    # The last batch takes whatever is left, so that surplus words are seen.
    final = stop == len(recording.ends)
    words = {
        block.name: recording.words[block.name][
            start * block.words_out : None if final else stop * block.words_out
        ]
        for block in plan.recorded
    }
    return Recording(words, recording.ends[start:stop], recording.clocks)
