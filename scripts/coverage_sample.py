"""A plugin of pytest: of tests that differ in their parameters run the first, and every eighth."""

from typing import Any

__all__ = ["EVERY", "chosen", "pytest_collection_modifyitems"]

EVERY = 8


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
    kept = chosen(names)
    config.hook.pytest_deselected(items=[i for i, k in zip(items, kept, strict=True) if not k])
    items[:] = [item for item, keep in zip(items, kept, strict=True) if keep]
