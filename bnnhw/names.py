"""Names from files and command lines, made safe for Verilog, RTLIL, shells and file systems."""

import re
from collections.abc import Iterable

from .errors import UsageError

__all__ = ["checked", "is_safe", "mapped", "printable"]

_SAFE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
# Verilog-2005 reserved words (IEEE 1364-2005, annex B) and the SystemVerilog ones that simulators
# reserve as well.
_KEYWORDS = frozenset(
    """
    always and assign automatic begin buf bufif0 bufif1 case casex casez cell cmos config deassign
    default defparam design disable edge else end endcase endconfig endfunction endgenerate
    endmodule endprimitive endspecify endtable endtask event for force forever fork function
    generate genvar highz0 highz1 if ifnone incdir include initial inout input instance integer join
    large liblist library localparam macromodule medium module nand negedge nmos nor noshowcancelled
    not notif0 notif1 or output parameter pmos posedge primitive pull0 pull1 pulldown pullup
    pulsestyle_onevent pulsestyle_ondetect rcmos real realtime reg release repeat rnmos rpmos rtran
    rtranif0 rtranif1 scalared showcancelled signed small specify specparam strong0 strong1 supply0
    supply1 table task time tran tranif0 tranif1 tri tri0 tri1 triand trior trireg unsigned use
    uwire vectored wait wand weak0 weak1 while wire wor xnor xor accept_on alias always_comb
    always_ff always_latch assert assume before bind bins binsof bit break byte chandle checker
    class clocking const constraint context continue cover covergroup coverpoint cross dist do
    endchecker endclass endclocking endgroup endinterface endpackage endprogram endproperty
    endsequence enum expect export extends extern final first_match foreach forkjoin global iff
    ignore_bins illegal_bins implements implies import inside int interface intersect interconnect
    join_any join_none let local logic longint matches modport nettype new nexttime null package
    packed priority program property protected pure rand randc randcase randsequence ref reject_on
    restrict return sequence shortint shortreal soft solve static string strong struct super
    sync_accept_on sync_reject_on tagged this throughout timeprecision timeunit type typedef union
    unique unique0 until untyped var virtual void wait_order weak wildcard with within
    """.split()
)


def is_safe(name: str) -> bool:
    """Tell whether `name` may be used as it stands."""
    return _SAFE.fullmatch(name) is not None and name.lower() not in _KEYWORDS


def printable(text: str) -> str:
    """Show `text` with everything but plain printable characters escaped, cut at 128 characters."""
    shown = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text[:128])
    return shown + ("…" if len(text) > 128 else "")


def checked(name: str, what: str = "name") -> str:
    """Return `name` if it is safe.

    Raises
    ------
    UsageError
        If it is not.
    """
    if not is_safe(name):
        raise UsageError(
            f"The {what} '{printable(name)}' is not usable in Verilog and file names.",
            "Use a letter or underscore, then up to 62 letters, digits or underscores, and no "
            "Verilog keyword.",
        )
    return name


def mapped(names: Iterable[str], prefix: str = "n") -> dict[str, str]:
    """Map foreign names to safe, distinct ones, in order.

    Parameters
    ----------
    names : iterable of str
        Names as they stand in a file.
    prefix : str
        Put before a name that starts with a digit or has no usable character.

    Returns
    -------
    dict
        From each foreign name to its safe one; collisions are numbered.
    """
    taken: set[str] = set()
    result: dict[str, str] = {}
    for name in names:
        if name in result:
            continue
        base = re.sub(r"[^A-Za-z0-9_]+", "_", name).strip("_")[:56]
        if not base or not is_safe(base):
            base = f"{prefix}_{base}"[:56] if base else prefix
        candidate, number = base, 2
        while candidate in taken:
            candidate, number = f"{base}_{number}", number + 1
        taken.add(candidate)
        result[name] = candidate
    return result
