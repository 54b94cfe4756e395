"""Dividers of the devices' PLLs, found by exact integer search."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from bnnhw.errors import UsageError

__all__ = ["Ecp5Dividers", "Ice40Dividers", "ecp5_dividers", "ice40_dividers", "pll_outputs"]

_MHZ = 1_000_000


@dataclass(frozen=True)
class Ice40Dividers:
    """Settings of an SB_PLL40 with simple feedback: ``out = ref * (divf+1) / (divr+1) / 2**divq``.

    Parameters
    ----------
    divr, divf, divq : int
        Reference, feedback and output divider, as the cell's parameters count them.
    filter_range : int
        Setting of the loop filter for the phase detector's frequency.
    """

    divr: int
    divf: int
    divq: int
    filter_range: int


@dataclass(frozen=True)
class Ecp5Dividers:
    """Settings of an EHXPLLL with feedback from CLKOP: ``out = ref * clkfb / clki``.

    Parameters
    ----------
    clki, clkfb, clkop : int
        Input, feedback and output divider; the oscillator runs at ``out * clkop``.
    """

    clki: int
    clkfb: int
    clkop: int


def ice40_dividers(source_hz: int, sync_hz: int) -> Ice40Dividers:
    """Find settings of an iCE40 PLL that give exactly `sync_hz`.

    Of those within the data sheet's limits (reference and phase detector 10 to 133 MHz, oscillator
    533 to 1066 MHz, output 16 to 275 MHz) the one with the fastest phase detector is taken.

    Raises
    ------
    UsageError
        If there is none.
    """
    if 10 * _MHZ <= source_hz <= 133 * _MHZ and 16 * _MHZ <= sync_hz <= 275 * _MHZ:
        for divr in range(16):
            for divq in range(1, 7):
                multiple, rest = divmod((sync_hz << divq) * (divr + 1), source_hz)
                legal = (
                    source_hz >= 10 * _MHZ * (divr + 1)
                    and 533 * _MHZ <= sync_hz << divq <= 1066 * _MHZ
                    and 1 <= multiple <= 128
                )
                if legal and not rest:
                    reach = _filter_range(source_hz // (divr + 1))
                    return Ice40Dividers(divr, multiple - 1, divq, reach)
    raise _unreachable("iCE40", source_hz, sync_hz, _ice40_outputs)


def ecp5_dividers(source_hz: int, sync_hz: int) -> Ecp5Dividers:
    """Find settings of an ECP5 PLL that give exactly `sync_hz`.

    Of those within the data sheet's limits (reference 8 to 400 MHz, phase detector and output 3.125
    to 400 MHz, oscillator 400 to 800 MHz) the one with the fastest phase detector is taken, and the
    oscillator nearest to the middle of its range.

    Raises
    ------
    UsageError
        If there is none.
    """
    if 8 * _MHZ <= source_hz <= 400 * _MHZ and 3_125_000 <= sync_hz <= 400 * _MHZ:
        for clki in range(1, 129):
            clkfb, rest = divmod(sync_hz * clki, source_hz)
            if not rest and 1 <= clkfb <= 128 and source_hz >= 3_125_000 * clki:
                legal = [
                    clkop for clkop in range(1, 129) if 400 * _MHZ <= sync_hz * clkop <= 800 * _MHZ
                ]
                clkop = min(legal, key=lambda divider: abs(sync_hz * divider - 600 * _MHZ))
                return Ecp5Dividers(clki, clkfb, clkop)
    raise _unreachable("ECP5", source_hz, sync_hz, _ecp5_outputs)


def pll_outputs(family: str, source_hz: int) -> list[int]:
    """List the frequencies in Hz that a family's PLL makes of `source_hz`, the lowest first."""
    makes, dividers = {
        "ice40": (_ice40_outputs, ice40_dividers), "ecp5": (_ecp5_outputs, ecp5_dividers),
    }[family]  # fmt: skip
    found = []
    for hertz in sorted(set(makes(source_hz))):
        try:
            dividers(source_hz, hertz)
        except UsageError:
            continue  # Outside of the data sheet's limits.
        found.append(hertz)
    return found


def _filter_range(phase_hz: int) -> int:
    bounds = (17, 26, 44, 66, 101)
    return 1 + sum(phase_hz >= bound * _MHZ for bound in bounds)


def _ice40_outputs(source_hz: int) -> Iterator[int]:
    for divf in range(128):
        for divq in range(1, 7):
            oscillator = source_hz * (divf + 1)
            if 533 * _MHZ <= oscillator <= 1066 * _MHZ and oscillator % (1 << divq) == 0:
                yield oscillator >> divq


def _ecp5_outputs(source_hz: int) -> Iterator[int]:
    for clki in range(1, source_hz // 3_125_000 + 1):
        if source_hz % clki == 0:
            yield from range(
                source_hz // clki, min(129 * source_hz // clki, 400 * _MHZ + 1), source_hz // clki
            )


def _unreachable(
    family: str, source_hz: int, sync_hz: int, outputs: Callable[[int], Iterator[int]]
) -> UsageError:
    near = sorted(set(outputs(source_hz)), key=lambda hz: (abs(hz - sync_hz), hz))[:3]
    shown = ", ".join(f"{hz:,} Hz".replace(",", " ") for hz in sorted(near))
    return UsageError(
        f"The {family} PLL cannot make {sync_hz} Hz out of {source_hz} Hz.",
        f"Take a clock that it can make, such as {shown}." if near else "Take another board.",
    )
