"""A generated accelerator, compiled by Verilator into a program that streams frames fast."""

import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bnnhw.errors import CheckFailed
from bnnhw.plan import ArgmaxPlan, Block, ParallelWindowPlan, Plan, WindowPlan
from bnnhw.plan.writable import image

from .verilated import compile_program

__all__ = ["CompiledAccelerator", "Recording", "compile_accelerator"]

_HARNESS = Path(__file__).with_name("harness.cpp")


@dataclass(frozen=True)
class Recording:
    """What went over the edges.

    Parameters
    ----------
    words : dict of str to array of uint64, shape (words, n)
        Every word that left a block, by the block's name, least significant 64 bits first; `last`
        is the highest bit used.
    ends : array of int
        Clock at which each frame's answer was complete.
    clocks : int
        Clocks until the last answer.
    """

    words: dict[str, np.ndarray]
    ends: np.ndarray
    clocks: int


def word_bits(block: Block) -> int:
    """Width of a word that leaves `block`, `last` included."""
    if isinstance(block, ArgmaxPlan):
        return block.bits_out + block.index_bits + 1
    masks = 0
    if isinstance(block, WindowPlan) and block.pad is None:
        whole = isinstance(block, ParallelWindowPlan)
        masks = block.kernel[0] * block.kernel[1] if whole else 1
    return block.lanes_out * block.bits_out + masks + 1


def _mangled(name: str) -> str:
    # Verilator writes a double underscore as one that C++ does not reserve.
    return name.replace("__", "___05F")


def _edges_header(plan: Plan) -> str:
    """Write the part of the program that knows the accelerator's names."""
    first = plan.blocks[0]
    cases = []
    for index, block in enumerate(plan.recorded):
        path = f"top->rootp->{_mangled(plan.name)}__DOT__core__DOT__{_mangled(block.name)}"
        cases.append(
            f"case {index}: valid = {path}_valid; ready = {path}_ready; "
            f"put(word, {path}_word, {word_bits(block)}); return;"
        )
    width = first.lanes_in * first.bits_in
    return f"""#include <memory>
#include "Vtop.h"
#include "Vtop___024root.h"
#include "verilated.h"
constexpr size_t EDGES = {len(plan.recorded)};
constexpr uint64_t WORDS[EDGES] = {{{", ".join(str(block.words_out) for block in plan.recorded)}}};
constexpr size_t INPUT_WORDS = {-(-width // 64)};
using Words = std::vector<uint64_t>;
template <class T> void put(Words& to, const T& from, size_t) {{ to.assign(1, from); }}
template <std::size_t N> void put(Words& to, const VlWide<N>& from, size_t bits) {{
    to.assign((bits + 63) / 64, 0);
    for (size_t k = 0; k < N && k / 2 < to.size(); k++)
        to[k / 2] |= uint64_t(from[k]) << (k % 2 * 32);
}}
template <class T> void set(T& to, const uint64_t* from) {{ to = T(*from); }}
template <std::size_t N> void set(VlWide<N>& to, const uint64_t* from) {{
    for (size_t k = 0; k < N; k++) to[k] = uint32_t(from[k / 2] >> (k % 2 * 32));
}}
struct Model {{
    std::unique_ptr<VerilatedContext> context{{new VerilatedContext}};
    std::unique_ptr<Vtop> top{{new Vtop{{context.get()}}}};
    void clock(bool level) {{ top->clk = level; }}
    void reset(bool level) {{ top->rst = level; }}
    void settle() {{ top->eval(); }}
    void cycle() {{ top->clk = 1; top->eval(); top->clk = 0; top->eval(); }}
    void offer(bool valid, const uint64_t* word, bool last) {{
        top->i_valid = valid;
        top->i_last = last;
        if (word) set(top->i_data, word);
    }}
    void accept(bool ready) {{ top->o_ready = ready; }}
    bool taken() {{ return top->i_ready; }}
    {_load_functions(plan)}
    bool ends() {{ return top->o_last; }}
    void look(size_t edge, bool& valid, bool& ready, Words& word) {{
        switch (edge) {{
        {" ".join(cases)}
        }}
    }}
}};
"""


def _load_functions(plan: Plan) -> str:
    """Write how weights are loaded that are not part of the build."""
    data = image(plan)
    chunks = [str(int.from_bytes(data[k : k + 2], "little")) for k in range(0, len(data), 2)]
    offer = "top->i_load_valid = valid; top->i_load_data = chunk; top->i_load_last = last;"
    return f"""static constexpr uint16_t CHUNKS[] = {{{", ".join([*chunks, "0"])}}};
    static constexpr size_t LOADS = {len(chunks)};
    void load(bool valid, uint16_t chunk, bool last) {{ {offer if chunks else ""} }}
    bool loads() {{ return {"top->i_load_ready" if chunks else "true"}; }}"""


def _public(plan: Plan) -> str:
    lines = []
    for block in plan.recorded:
        lines += [
            f'public_flat_rd -module "{plan.name}_core" -var "{block.name}_{what}"'
            for what in ("valid", "ready", "word")
        ]
    return "\n".join(lines) + "\n"


class CompiledAccelerator:
    """A program that simulates one accelerator.

    Parameters
    ----------
    plan : Plan
    program : Path
    """

    def __init__(self, plan: Plan, program: Path) -> None:
        self.plan = plan
        self.program = program

    def run(
        self,
        codes: np.ndarray,
        *,
        stall_in: int = 0,
        stall_out: int = 0,
        seed: int = 1,
        progress: Callable[[int], None] | None = None,
        limit: float = 3600.0,
    ) -> Recording:
        """Stream frames through the accelerator and record every edge.

        Parameters
        ----------
        codes : array of int, shape (frames, elements)
            Codes of the input edge.
        stall_in, stall_out : int
            Percentage of clocks in which the source or the sink waits.
        seed : int
            Of the stalls.
        progress : callable or None
            Called with the number of answered frames now and then.
        limit : float
            Seconds after which the program is stopped.

        Raises
        ------
        CheckFailed
            If nothing moves for too long or a stream takes an offer back.
        """
        first = self.plan.blocks[0]
        words = pack_frames(codes, first.lanes_in, first.bits_in)
        # The slowest block may be silent for a whole image; stalls of 95 % never last 2,000 clocks.
        idle = 4 * self.plan.cycles + 2000
        head = [len(codes), first.words_in, stall_in, stall_out, seed, idle]
        head += [max(1, len(codes) // 50), 0]
        data = np.array(head, "<u8").tobytes() + words.astype("<u8").tobytes()
        with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as sink:
            source.write(data)
            source.seek(0)
            process = subprocess.Popen(
                [self.program], stdin=source, stdout=sink, stderr=subprocess.PIPE, text=True
            )
            complaint = self._follow(process, progress, limit)
            sink.seek(0)
            answer = np.frombuffer(sink.read(), "<u8")
        if process.returncode:
            raise CheckFailed(
                f"The simulated accelerator '{self.plan.name}' stopped with status "
                f"{process.returncode}: {complaint}.",
                "This is a defect of the generated hardware; please report it with the model and "
                "the folding.",
            )
        return self._parse(answer, len(codes))

    @staticmethod
    def _follow(
        process: "subprocess.Popen[str]", progress: Callable[[int], None] | None, limit: float
    ) -> str:
        import threading

        watchdog = threading.Timer(limit, process.kill)
        watchdog.start()
        complaint = f"no answer in {limit:g} s"
        try:
            assert process.stderr is not None
            for line in process.stderr:
                if line.strip().isdigit():
                    if progress:
                        progress(int(line))
                else:
                    complaint = line.strip()
            process.wait()
        finally:
            watchdog.cancel()
            process.kill()
            process.wait()
            if process.stderr is not None:
                process.stderr.close()
        return complaint

    def _parse(self, answer: np.ndarray, frames: int) -> Recording:
        at, words = 0, {}
        for block in self.plan.recorded:
            width = -(-word_bits(block) // 64)
            count = int(answer[at])
            words[block.name] = answer[at + 1 : at + 1 + count].reshape(-1, width)
            at += 1 + count
        ends = answer[at : at + frames].astype(np.int64)
        return Recording(words, ends, int(answer[at + frames]))


def pack_frames(codes: np.ndarray, lanes: int, bits: int) -> np.ndarray:
    """Cut frames into words: (frames, elements) → (frames * words, 64-bit words of a word)."""
    frames, elements = codes.shape
    words = -(-elements // lanes)
    padded = np.zeros((frames, words * lanes), np.uint64)
    padded[:, :elements] = codes
    spread = (padded[..., None] >> np.arange(bits, dtype=np.uint64)) & np.uint64(1)
    flat = spread.reshape(frames * words, lanes * bits).astype(np.uint8)
    wide = -(-lanes * bits // 64) * 64
    flat = np.pad(flat, ((0, 0), (0, wide - lanes * bits)))
    return np.packbits(flat, axis=1, bitorder="little").view("<u8")


def compile_accelerator(
    plan: Plan,
    verilog: str,
    *,
    quick: bool = False,
    progress: Callable[[str], None] | None = None,
) -> CompiledAccelerator:
    """Compile the Verilog of an accelerator with plain port names, or find it compiled.

    With `quick` the compiler spares its optimisations, see `sim.verilated.compile_program`.

    Raises
    ------
    ToolMissing
        If Verilator or a C++ compiler is missing.
    ToolFailed
        If one of them refuses its input.
    """
    program = compile_program(
        verilog,
        plan.name,
        _HARNESS,
        headers={"edges.h": _edges_header(plan)},
        public=_public(plan),
        quick=quick,
        progress=progress,
    )
    return CompiledAccelerator(plan, program)
