"""Tell Yosys of memories where nothing is read at the address that is being written."""

import re

__all__ = ["without_collisions"]

_MODULE = re.compile(r"^module .*?^end$", re.DOTALL | re.MULTILINE)
_MEMORY = re.compile(
    r'^  attribute \\no_rw_check "1"\n(?:  attribute .*\n)*  memory .* \\(\S+)$', re.M
)
_READ = re.compile(r"^  cell \$memrd_v2 .*?^  end$", re.DOTALL | re.MULTILINE)
_MASK = r"^    parameter \\{} (\d+)'([01]*)$"


def without_collisions(rtlil: str) -> str:
    """Mark the reads of memories that have the attribute ``no_rw_check``.

    Amaranth says of each read port what it gives when its word is written at the same clock edge:
    the old word. Block RAMs do not say so, and Yosys puts a comparator, two registers and a
    multiplexer for each bit around them. It reads the attribute only where it makes synchronous
    ports itself, so it is carried over to those that Amaranth has made.

    Parameters
    ----------
    rtlil : str
        What Amaranth has written.
    """
    return _MODULE.sub(lambda module: _in_module(module[0]), rtlil)


def _in_module(text: str) -> str:
    free = set(_MEMORY.findall(text))
    if not free:
        return text
    return _READ.sub(lambda read: _in_read(read[0], free), text)


def _in_read(text: str, free: set[str]) -> str:
    memory = re.search(r'^    parameter \\MEMID "\\\\(.*)"$', text, re.MULTILINE)
    clear = re.search(_MASK.format("TRANSPARENCY_MASK"), text, re.MULTILINE)
    if memory is None or clear is None or memory[1] not in free:
        return text
    # A port that is transparent to a writer gives the new word, and that stands.
    mask = clear[2].translate(str.maketrans("01", "10"))
    changed = rf"    parameter \\COLLISION_X_MASK {clear[1]}'{mask}"
    return re.sub(_MASK.format("COLLISION_X_MASK"), changed, text, flags=re.MULTILINE)
