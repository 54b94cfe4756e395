"""The integer graph: what every loader writes and both readers, golden model and hardware, read."""

from .graph import Graph, Readout
from .grid import BIPOLAR, Edge, Grid
from .nodes import Argmax, Dense, Flatten, Input, Node, Threshold
from .store import load_graph, save_graph

__all__ = [
    "BIPOLAR",
    "Argmax",
    "Dense",
    "Edge",
    "Flatten",
    "Graph",
    "Grid",
    "Input",
    "Node",
    "Readout",
    "Threshold",
    "load_graph",
    "save_graph",
]
