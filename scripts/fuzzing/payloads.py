"""Texts and numbers that have broken programs before."""

import random

__all__ = ["MARK", "NUMBERS", "TEXTS", "number", "text"]

MARK = "pwned"
"""Stands in every text that would do something if it were run."""

TEXTS = (
    '"; $(touch pwned) ',
    "'; touch pwned; '",
    "`touch pwned`",
    "../../pwned",
    "/etc/pwned",
    "..\\..\\pwned",
    "C:\\pwned",
    "~/pwned",
    "pwned\x00.v",
    "pwned\nmodule pwned; endmodule",
    "pwned\r\nSet-Cookie: pwned=1",
    "a;\nendmodule\nmodule pwned(); initial $system(\"touch pwned\");",
    "\\pwned ; initial $finish; ",
    "*/ initial $finish; /* pwned",
    "// pwned\n`include \"/etc/passwd\"",
    "(* pwned *)",
    "attribute \\pwned 1\nend\n",
    "]]> <script>alert('pwned')</script>",
    "{{pwned}} ${pwned} %(pwned)s {0.__class__}",
    "module", "endmodule", "wire", "reg", "always", "input", "Module", "INITIAL", "logic",
    "con", "nul", "aux.v", ".", "..", "-rf", "--help", "",
    "\x1b[2J\x1b]0;pwned\x07",
    "\u202epwned\u202c", "\u200bpwned", "\ufeffpwned", "рwned", "pwned\u0301" * 40,
    "\ud800pwned", "😀" * 70, "pwned" * 2000, "_" * 64, "a" * 63, "a" * 64, "1pwned", "_", "__",
    "pwned%n%s%x", "pwned\t", " pwned ", "pwned\x7f", "a.b.c", "a[0]", "a/b", "a\\b", "a:b",
    "__proto__", "constructor", "nan", "inf", "1e999", "0x10", "None", "True",
)  # fmt: skip

NUMBERS = (
    *(0, 1, -1, 2, 3, 7, 8, 16, 63, 64, 127, 128, 255, 256, -128, -129, 1000, 4095, 4096, 65535),
    *(65536, 10**6, 1 << 24, 1 << 26, (1 << 26) + 1, (1 << 31) - 1, 1 << 31, -(1 << 31)),
    *((1 << 32) - 1, 1 << 32, 1 << 40, 1 << 53, (1 << 63) - 1, -(1 << 63), 1 << 60),
)
"""All of these fit 64 bits."""

_FLOATS = (0.0, -0.0, 0.5, -1.5, 1e-45, 1e-300, 1e38, -1e38, 1e300, 1e-7, 3.4e38, 0.1)
_NOT_FINITE = (float("nan"), float("inf"), float("-inf"))


def text(rng: random.Random) -> str:
    """Draw a text, now and then one with another inside."""
    drawn = rng.choice(TEXTS)
    if rng.random() < 0.1:
        drawn = rng.choice(TEXTS) + drawn
    return drawn


def number(rng: random.Random, *, floats: bool = True) -> int | float:
    """Draw a number, small ones more often than the rest."""
    kind = rng.random()
    if kind < 0.4:
        return rng.randrange(-4, 40)
    if floats and kind < 0.55:
        return rng.choice(_FLOATS)
    if floats and kind < 0.6:
        return rng.choice(_NOT_FINITE)
    return rng.choice(NUMBERS)
