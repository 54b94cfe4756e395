"""Write ONNX files of the modules of `torch_modules.py`, by both exporters of PyTorch.

    TRAINVENV/bin/python -m scripts.record_onnx [-o DIR]

Run from the root of the checkout, with what `record_torch.py` needs and onnxscript. The modules are
those of ``tests/data/torch``, so what PyTorch gave for them stands there; nothing else is written.
Files must be whole: the newer exporter puts large arrays beside the file, which is undone.
"""

import argparse
import sys
import warnings
from pathlib import Path
from typing import Any

import onnx
import torch

from .record_torch import ROOT, images
from .torch_modules import MODULES, settled

EXPORTERS: dict[str, dict[str, Any]] = {
    "torchscript": {"dynamo": False, "opset_version": 18},
    "dynamo": {"dynamo": True},
}
# PACT asks for the number in its parameter, and ONNX has no shuffle of channels before opset 18.
REFUSED = {("levels", "torchscript"), ("levels", "dynamo"), ("melius", "torchscript")}


def cleaned(model: Any) -> Any:
    """Take out where on whose disk each operation was called."""
    graph = model.graph
    for each in (model, graph, *graph.node, *graph.initializer, *graph.value_info):
        each.ClearField("metadata_props")
        each.ClearField("doc_string")
    for node in graph.node:
        for attribute in node.attribute:
            attribute.ClearField("doc_string")
    return model


def write(folder: Path, name: str, exporter: str) -> None:
    """Write one file."""
    what, seed = MODULES[name], 1 + list(MODULES).index(name)
    torch.manual_seed(seed)
    model = settled(what.make(), what.shape, seed)
    _, x = images(what.shape, 1, seed, what.pixel)
    path = folder / f"{name}_{exporter}.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, (x,), str(path), **EXPORTERS[exporter])
    onnx.save(cleaned(onnx.load(path)), path)
    path.with_name(f"{path.name}.data").unlink(missing_ok=True)
    print(f"{path.name}: {path.stat().st_size:,} bytes")


def main() -> int:
    """Export."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "tests/data/onnx")
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    for name in MODULES:
        for exporter in EXPORTERS:
            if (name, exporter) not in REFUSED:
                write(args.output, name, exporter)
    return 0


if __name__ == "__main__":
    sys.exit(main())
