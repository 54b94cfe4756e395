"""What every test has: a watch for hardware that was made and never used, and the sample models."""

import gc
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def pytest_collection_finish() -> None:
    """Keep what the imports made out of the collections below, which makes them quick."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def no_unused_hardware() -> Iterator[None]:
    """Fail the test that leaves a component out of its parent's submodules, by its name.

    Such a component reads as 0 in the design. Amaranth only warns, and only when the forgotten
    object is collected, which would be in whatever test runs then.
    """
    if "amaranth" not in sys.modules:
        yield
        return
    from amaranth.hdl import UnusedElaboratable

    # Amaranth speaks only after the process's first elaboration; make that the test's first, so
    # that a test which only builds objects fails in no order of the tests.
    UnusedElaboratable._MustUse__silence = True  # type: ignore[assignment]
    yield
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UnusedElaboratable)
        gc.collect()
    forgotten = [entry for entry in caught if issubclass(entry.category, UnusedElaboratable)]
    assert not forgotten, "\n".join(
        f"{entry.filename}:{entry.lineno}: {entry.message}" for entry in forgotten
    )


@pytest.fixture(scope="session")
def models() -> Path:
    """Folder of real trained networks and reference results, which is not part of the project."""
    found = Path(os.environ.get("BNNHW_MODELS", ROOT.parent / "shared" / "models"))
    if not (found / "MANIFEST.json").is_file():
        why = f"sample networks are not at {found}; set BNNHW_MODELS to their folder"
        if os.environ.get("CI"):
            pytest.fail(why)  # Where changes are guarded, what is not tested is not passed.
        pytest.skip(why)
    return found
