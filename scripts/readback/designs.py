"""The designs that are read back: networks, boards, images, and builds that are kept."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy.typing as npt

from bnnhw import data
from bnnhw.cost import solve
from bnnhw.errors import UsageError
from bnnhw.images import load_images
from bnnhw.plan import Plan, make_plan
from bnnhw.target import Board
from rtl_gen.build.boards import load_board
from rtl_gen.build.platform import prepare
from rtl_gen.cli.options import make
from rtl_gen.prebuilt import find_prebuilt, read_prebuilt
from rtl_gen.system import LinkedAccelerator
from rtl_gen.tools import toolchain
from sim.routed import Placed, place

from ..signing import ROOT
from .small import digits_few

__all__ = [
    "Design",
    "Tell",
    "built",
    "bundled",
    "core",
    "few",
    "models",
    "placed",
    "shipped",
    "tfc",
]

Tell = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Design:
    """A network as it is built for a board, and images for it.

    Parameters
    ----------
    network : str
    board : Board
    plan : Plan
    images : array, shape (n, *input shape)
    labels : array of int, shape (n,)
    """

    network: str
    board: Board
    plan: Plan
    images: npt.NDArray[Any]
    labels: npt.NDArray[Any]


def bundled(network: str, board: str, fps: float | None = None) -> Design:
    """Give a network that comes with the source, folded as `bnnhw build` folds it, 360 images."""
    found = make(data.path(f"{network}.onnx"), board=board, fps=fps)
    return _design(network, found.board, found.plan, data.path("digits_test.npz"), None)


def few(board: str, baud: int | None = None) -> Design:
    """Give the network that the smallest FPGA holds, and the same images; perhaps a quick line."""
    graph, target = digits_few(), load_board(board)
    if baud is not None:
        target = replace(target, link=replace(target.link, baud=baud))
    folding = solve(
        graph, target.family, target.budget, fps=1000, clock_hz=float(target.clock.sync_hz)
    )
    plan = make_plan(graph, folding, name=graph.name)
    return _design(graph.name, target, plan, data.path("digits_test.npz"), None)


def tfc(board: str, images: int) -> Design:
    """Give TFC W1A1 of the sample networks, folded as `bnnhw build` folds it."""
    found = make(models() / "qonnx" / "TFC_1W1A.onnx", board=board)
    pictures = models() / "images" / "mnist_test_0000_4999.npz"
    return _design("TFC_1W1A", found.board, found.plan, pictures, images)


def models() -> Path:
    """Find the sample networks.

    Raises
    ------
    UsageError
        If they are not there.
    """
    found = Path(os.environ.get("BNNHW_MODELS", ROOT.parent / "shared" / "models"))
    if not found.is_dir():
        raise UsageError(f"'{found}' is no folder.", "Set BNNHW_MODELS to the sample networks.")
    return found


def _design(network: str, board: Board, plan: Plan, file: Path, limit: int | None) -> Design:
    pictures = load_images(file, plan.graph, limit=limit)
    assert pictures.y is not None
    return Design(network, board, plan, pictures.x, pictures.y)


def core(design: Design) -> LinkedAccelerator:
    """Make the hardware that a build puts on the board."""
    board = design.board
    return LinkedAccelerator(design.plan, clock_hz=board.clock.sync_hz, baud=board.link.baud)


def placed(design: Design, tell: Tell) -> Placed:
    """Build a design, or take the build that was kept of the very same input and tools."""
    board, name = design.board, design.plan.name
    steps = prepare(core(design), board, name=name)
    state = hashlib.sha256(json.dumps(toolchain(board.family).versions, sort_keys=True).encode())
    for file, content in sorted(steps.files.items()):
        text = content.encode() if isinstance(content, str) else content
        state.update(file.encode() + b"\0" + text + b"\0")
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    folder = Path(base) / "bnnhw" / "placed" / state.hexdigest()[:32]
    if not folder.is_dir():
        told = lambda step: tell(f"{name} for {board.name}: {step}")  # noqa: E731
        found = place(core(design), board, name=name, progress=told)
        scratch = folder.with_name(f"{folder.name}.{os.getpid()}")
        found.save(scratch)
        scratch.rename(folder)
    return Placed.load(folder, board, name)


def built(design: Design, tell: Tell) -> tuple[bytes, str]:
    """Take the bitstream that comes with the source, if it is of this very design, or build one.

    Returns
    -------
    bitstream : bytes
    origin : str
    """
    known = find_prebuilt(design.plan, design.board)
    if known is not None:
        return known.bitstream(), "comes with the source"
    return placed(design, tell).bitstream, "built"


def shipped(network: str, board: str) -> bytes:
    """Take a bitstream that comes with the source, of whatever design."""
    return read_prebuilt(ROOT / "boards" / "prebuilt" / f"{network}.{board}.json").bitstream()
