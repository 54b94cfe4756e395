"""Which changes are made to a module, and which are not."""

import ast

from scripts.mutation.source import mutants_of

TEXT = '''"""Say 1 + 1."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from a import b

__all__ = ["f"]
LIMIT: "int | None" = 3


def f(x: "a[1]", flag=True) -> "list[2]":
    """Add 1."""
    if x < LIMIT and not flag:
        raise ValueError(f"{x + 1} is not below {LIMIT}")
    total = 0
    for k in range(x):
        total += k // 2
        if k in (7,):
            break
    x[0] = total
    print(total)
    return -total if x is None else total
'''

KEYS = {
    "module: 3 -> 4", "module: 3 -> 2",
    "f: True -> False",
    "f: if x < LIMIT and (not flag) -> if not (x < LIMIT and (not flag))",
    "f: x < LIMIT and (not flag) -> x < LIMIT or not flag",
    "f: x < LIMIT and (not flag) -> not flag",
    "f: x < LIMIT and (not flag) -> x < LIMIT",
    "f: x < LIMIT -> x <= LIMIT",
    "f: not flag -> flag",
    "f: 0 -> 1", "f: 0 -> -1",
    "f: total += k // 2 -> pass", "f: total += k // 2 -> total -= k // 2",
    "f: k // 2 -> k * 2", "f: 2 -> 3", "f: 2 -> 1",
    "f: if k in (7,) -> if not k in (7,)", "f: k in (7,) -> k not in (7,)",
    "f: 7 -> 8", "f: 7 -> 6", "f: break -> continue",
    "f: x[0] = total -> pass", "f: 0 -> 1 #2",
    "f: print(total) -> pass",
    "f: return -total if x is None else total -> return None",
    "f: -total if x is None else total -> -total if not x is None else total",
    "f: -total -> total", "f: x is None -> x is not None",
}  # fmt: skip


def test_every_change() -> None:
    found = mutants_of(TEXT, count=1000, seed=1)
    assert {mutant.key for mutant in found} == KEYS
    assert len(found) == len(KEYS)
    whole = ast.unparse(ast.parse(TEXT))
    texts = {ast.unparse(mutant.tree) for mutant in found}
    assert len(texts) == len(found) and whole not in texts
    for mutant in found:
        compile(mutant.tree, "f.py", "exec")
        different = [
            (old, new)
            for old, new in zip(
                whole.splitlines(), ast.unparse(mutant.tree).splitlines(), strict=True
            )
            if old != new
        ]
        assert len(different) == 1, mutant.key


def test_a_seed_draws_the_same_ones() -> None:
    def keys(seed: int, count: int) -> list[str]:
        return [mutant.key for mutant in mutants_of(TEXT, count=count, seed=seed)]

    assert keys(1, 7) == keys(1, 20)[:7] != keys(2, 7)
    assert len(set(keys(3, 7))) == 7
