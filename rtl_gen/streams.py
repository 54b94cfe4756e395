"""The word that every stream carries, and the few pieces of plumbing that all components share."""

from amaranth.hdl import unsigned
from amaranth.lib import data, stream

__all__ = ["masked_word", "port", "result", "word"]


def word(lanes: int, bits: int = 1) -> data.StructLayout:
    """Layout of one stream word.

    Parameters
    ----------
    lanes : int
        Elements in a word; lane 0 is the first element and lies in the low bits.
    bits : int
        Width of one element.

    Raises
    ------
    ValueError
        If there would be no lane or no bit.
    """
    if lanes < 1 or bits < 1:
        raise ValueError(f"A word must have at least one lane and one bit, not {lanes} of {bits}")
    return data.StructLayout({"data": data.ArrayLayout(unsigned(bits), lanes), "last": 1})


def masked_word(lanes: int, bits: int = 1) -> data.StructLayout:
    """Layout of a stream word that may be padding: then `masked` is set and `data` is 0."""
    array = word(lanes, bits)["data"].shape
    return data.StructLayout({"data": array, "masked": 1, "last": 1})


def port(lanes: int, bits: int = 1, *, masked: bool = False) -> stream.Signature:
    """Signature of a stream of `word(lanes, bits)`, or of `masked_word(lanes, bits)`."""
    return stream.Signature(masked_word(lanes, bits) if masked else word(lanes, bits))


def result(bits: int, index_bits: int) -> data.StructLayout:
    """Layout of one word of an accelerator's answer.

    Parameters
    ----------
    bits : int
        Width of a logit's code.
    index_bits : int
        Width of a class index; `index` of a frame's last word is the predicted class.
    """
    return data.StructLayout({"data": bits, "index": index_bits, "last": 1})
