"""Every way into the program that inputs are made for, in the order of the page."""

from ..frame import Entry
from .arrays import FromArrays
from .boards import BoardFile, Patch, Record
from .data import Check, FoldingFile, ImageFile, ManifestFile, Pictures, WeightFile
from .lines import Conversation, Frames, Requests
from .models import Canonical, KerasH5, KerasZip, Onnx, Recorded, SavedGraph
from .names import HostileVerilog, Names

__all__ = ["ENTRIES"]

ENTRIES: tuple[type[Entry], ...] = (
    *(Onnx, Canonical, SavedGraph, Recorded, KerasH5, KerasZip),
    *(FromArrays, ImageFile, Pictures, Check, WeightFile, FoldingFile, ManifestFile),
    *(BoardFile, Record, Patch, Names, HostileVerilog),
    *(Frames, Conversation, Requests),
)
