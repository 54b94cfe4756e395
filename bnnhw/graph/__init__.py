"""The integer graph: what every loader writes and both readers, golden model and hardware, read."""

from .arith import Affine, IntDense
from .graph import Graph, Readout
from .grid import BIPOLAR, Edge, Grid
from .joins import Add, Concat, Shuffle, Slice
from .nodes import Argmax, Dense, Flatten, Input, Node, Threshold, TopK
from .spatial import Conv, IntConv, MaxPool, SumPool
from .store import load_graph, save_graph
from .window import Window

__all__ = [
    "BIPOLAR",
    "Add",
    "Affine",
    "Argmax",
    "Concat",
    "Conv",
    "Dense",
    "Edge",
    "Flatten",
    "Graph",
    "Grid",
    "Input",
    "IntConv",
    "IntDense",
    "MaxPool",
    "Node",
    "Readout",
    "Shuffle",
    "Slice",
    "SumPool",
    "Threshold",
    "TopK",
    "Window",
    "load_graph",
    "save_graph",
]
