"""The kernel that is named is the one whose functions run."""

import pytest

from bnnhw.golden.packed_kernels import KERNELS, choose_kernel


@pytest.mark.parametrize("name", KERNELS)
def test_functions_of_the_kernel_that_was_chosen(name: str) -> None:
    kernel = choose_kernel(name)
    functions = (kernel.pack_channels, kernel.count_matches)
    homes = {getattr(one, "__module__", "") for one in functions}
    assert f"bnnhw.golden.packed_{name}" in homes
    assert not homes & {f"bnnhw.golden.packed_{other}" for other in KERNELS if other != name}
