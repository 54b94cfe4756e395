"""What the golden model says must go over each edge of an accelerator, as words."""

from typing import Any

import numpy as np

from bnnhw.golden import run
from bnnhw.plan import ArgmaxPlan, Plan, TopKPlan

from .streams import frame

__all__ = ["answers", "edge_words", "input_codes"]


def _edges(plan: Plan, images: Any, path: str) -> dict[str, np.ndarray]:
    """Codes of every edge that a block carries, shape (images, elements)."""
    trace = run(plan.graph, images, path=path, trace=True).edges
    codes = {}
    for block in plan.recorded:
        grid = plan.graph.edges[block.edge].grid
        values = plan.on_stream(trace[block.edge])
        codes[block.edge] = (values - grid.low) // grid.step
    return codes


def input_codes(plan: Plan, images: Any) -> np.ndarray:
    """Codes that the accelerator is fed with for `images`, shape (images, elements)."""
    return _edges(plan, images, "packed")[plan.blocks[0].edge]


def answers(block: ArgmaxPlan, codes: np.ndarray) -> list[dict[str, int]]:
    """Words of one frame's answer: each logit's code with the best class so far, or the k best."""
    score = (codes * np.array(block.multipliers) + np.array(block.offsets)) >> block.shift
    if isinstance(block, TopKPlan):
        best = sorted(range(len(score)), key=lambda k: (-score[k], k))[: block.elements_out]
        return [{"data": int(codes[k]), "index": k, "last": int(k == best[-1])} for k in best]
    return [
        {
            "data": int(code),
            "index": int(np.argmax(score[: k + 1])),
            "last": int(k + 1 == len(codes)),
        }
        for k, code in enumerate(codes)
    ]


def edge_words(plan: Plan, images: Any, *, path: str = "plain") -> dict[str, list[Any]]:
    """Words that each block must send for `images`, by the block's name.

    Parameters
    ----------
    plan : Plan
    images : array
        As `bnnhw.golden.run` takes them.
    path : str
        Of the golden model.
    """
    codes = _edges(plan, images, path)
    words: dict[str, list[Any]] = {}
    for block in plan.recorded:
        rows = codes[block.edge]
        if isinstance(block, ArgmaxPlan):
            logits = codes[plan.graph.logits]
            words[block.name] = [word for row in logits for word in answers(block, row)]
        else:
            words[block.name] = [w for row in rows for w in frame(row.tolist(), block.lanes_out)]
    return words
