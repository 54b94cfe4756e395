"""A plugin of pytest: of parametrised tests of hardware run the first, and every eighth.

Those start a simulation each, which under coverage takes hours for all of them.
"""

from typing import Any

__all__ = ["EVERY", "chosen", "pytest_collection_modifyitems"]

EVERY = 8
_HARDWARE = ("tests/rtl_gen/", "tests/sim/")


def chosen(names: list[str]) -> list[bool]:
    """Say which tests run, given the names of their functions in order."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, -1) + 1
        found.append(seen[name] % EVERY == 0)
    return found


def pytest_collection_modifyitems(items: list[Any], config: Any) -> None:
    """Leave out the others."""
    names = [item.nodeid.partition("[")[0] for item in items]
    kept = [
        keep or not name.startswith(_HARDWARE)
        for keep, name in zip(chosen(names), names, strict=True)
    ]
    config.hook.pytest_deselected(items=[i for i, k in zip(items, kept, strict=True) if not k])
    items[:] = [item for item, keep in zip(items, kept, strict=True) if keep]
