"""cocotb bench: an accelerator with AXI4-Stream ports, its answers on a scoreboard.

It runs inside a simulator, in a package that `cocotb_run` makes of this file and its neighbours;
`job.json` in the working folder says what to send and what to expect.
"""

import json
import random
from pathlib import Path
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import RisingEdge

from .scoreboard import Scoreboard

__all__ = ["answer_frames"]

_LINGER = 64


def _known(handle: Any) -> int:
    value = handle.value
    assert value.is_resolvable, f"{handle._name} has unknown bits: {value}"
    return int(value)


class _Source:
    """Drives the subordinate port; a frame's words with TLAST on the last one."""

    def __init__(self, dut: Any, words: list[int], per_frame: int, stall: int, seed: int) -> None:
        self._dut = dut
        self._words = words
        self._per_frame = per_frame
        self._stall = stall
        self._dice = random.Random(seed)

    async def run(self) -> None:
        dut = self._dut
        for number, word in enumerate(self._words):
            while self._dice.random() * 100 < self._stall:
                dut.s_axis_tvalid.value = 0
                await RisingEdge(dut.aclk)
            dut.s_axis_tvalid.value = 1
            dut.s_axis_tdata.value = word
            dut.s_axis_tlast.value = int(number % self._per_frame == self._per_frame - 1)
            await RisingEdge(dut.aclk)
            while not _known(dut.s_axis_tready):
                await RisingEdge(dut.aclk)
        dut.s_axis_tvalid.value = 0


class _Sink:
    """Takes answers at the manager port and shows them to a scoreboard."""

    def __init__(self, dut: Any, board: Scoreboard, stall: int, seed: int, idle: int) -> None:
        self._dut = dut
        self._board = board
        self._stall = stall
        self._dice = random.Random(seed)
        self._idle = idle

    async def run(self) -> None:
        dut, board = self._dut, self._board
        silent, quiet, held = 0, 0, None
        while quiet < _LINGER:
            done = not board.remaining
            dut.m_axis_tready.value = int(done or self._dice.random() * 100 >= self._stall)
            await RisingEdge(dut.aclk)
            quiet += done
            silent += 1
            word = self._word() if _known(dut.m_axis_tvalid) else None
            assert held is None or held == word, f"an offer was taken back: {held}, then {word}"
            ready = _known(dut.m_axis_tready)
            held = None if ready else word
            if word and ready:
                silent = 0
                board.check(word)
            assert done or silent <= self._idle, f"no answer for {silent} clocks"
        board.drained()

    def _word(self) -> dict[str, int]:
        dut = self._dut
        return {
            "data": _known(dut.m_axis_tdata),
            "index": _known(dut.m_axis_tuser),
            "last": _known(dut.m_axis_tlast),
        }


async def _reset(dut: Any, clocks: int) -> None:
    dut.aresetn.value = 0
    dut.s_axis_tvalid.value = 0
    dut.m_axis_tready.value = 0
    for _ in range(clocks):
        await RisingEdge(dut.aclk)
    dut.aresetn.value = 1


@cocotb.test()
async def answer_frames(dut: Any) -> None:
    """Send every frame and check every answer; first, if told so, a start that a reset cuts off."""
    job = json.loads(Path("job.json").read_text())
    words = [int(word, 16) for word in job["words"]]
    per_frame = len(words) // job["frames"]
    Clock(dut.aclk, 10, unit="ns").start()
    await _reset(dut, 4)
    if job["reset_after"]:
        false_start = cocotb.start_soon(
            _Source(dut, words, per_frame, job["stall_in"], job["seed"]).run()
        )
        for clock in range(job["reset_after"]):
            dut.m_axis_tready.value = int(clock % 4 != 3)
            await RisingEdge(dut.aclk)
        false_start.cancel()
        await _reset(dut, 1)
    board = Scoreboard("m_axis", job["expected"])
    source = cocotb.start_soon(
        _Source(dut, words, per_frame, job["stall_in"], job["seed"] * 2).run()
    )
    await _Sink(dut, board, job["stall_out"], job["seed"] * 2 + 1, job["idle"]).run()
    assert source.done(), "the source is not done though every answer came"
    Path("recording.json").write_text(json.dumps({"checked": board.checked}))
