"""Blocks that compute: counts, sums, products, thresholds, rankings."""

from typing import Any

from .kind import BATTERY, Kind, call

__all__ = ["KINDS"]


def _mvtu(thresholds: bool) -> Any:
    def play(t: Any, **how: Any) -> Any:
        layer = t.Layer(4, 6, 1, thresholds=thresholds, count=64)
        return t.exercise(layer.unit(2, 3), *layer.traffic(2, 3), **how)

    return play


def _grouped(
    shape: tuple[int, int, int], pe: int, simd: int, kind: str, bits: int, masked: bool
) -> Any:
    def play(t: Any, **how: Any) -> Any:
        layer = t.Grouped(shape, pe, simd, kind=kind, bits=bits, masked=masked)
        # Of few vectors there must be more than there is room for.
        traffic = t.long(layer.traffic()) if shape[0] < 3 else layer.traffic()
        return t.exercise(layer.unit(), *traffic, **how)

    return play


def _integer(shape: tuple[int, int, int], pe: int, simd: int, multiplier: str) -> Any:
    def play(t: Any, **how: Any) -> Any:
        layer = t.Layer(shape, "short", 1)
        unit = layer.unit(pe, simd, multiplier=multiplier)
        traffic = layer.traffic(pe, simd)
        return t.exercise(unit, *(t.long(traffic) if shape[0] < 3 else traffic), **how)

    return play


def _element(platform: str, *, simd: int = 8, bits: int = 1, adders: bool | None = None) -> Any:
    def test(t: Any) -> None:
        dut = t.ProcessingElement(simd=simd, bits=bits, every=1, registered=True, adders=adders)
        sent = t.groups(simd, bits, 60)
        found = t.simulate(dut, sent, t.FAMILIES.get(platform))
        assert found == [t.exact(group, (1 << bits) - 1) for group in sent]

    return test


def _counted(family: str, width: int, every: int, complement: bool) -> Any:
    return call("test_match_count", family, every=every, width=width, complement=complement)


def _summed_on_ecp5(t: Any) -> None:
    t.test_sums(6, 3, 1, t.ECP5)


def _unrolled(t: Any, **how: Any) -> Any:
    layer = t.Layer(5, 9, 1, "1", 60)
    return t.exercise(layer.unit(every=1), *layer.traffic(), **how)


def _batched(t: Any, **how: Any) -> Any:
    return t.play((4, 6, 2, 2, 3), 3, **how)[1]


KINDS = (
    Kind(name="MVTU, thresholds", tests="rtl_gen/test_mvtu.py", block="Mvtu", play=_mvtu(True)),
    Kind(name="MVTU, counts", tests="rtl_gen/test_mvtu.py", block="Mvtu", play=_mvtu(False)),
    Kind(
        name="MVTU, groups of masked bits", tests="rtl_gen/test_mvtu.py", block="Mvtu",
        play=_grouped((2, 2, 3), 1, 3, "thresholds", 1, True),
    ),
    Kind(
        name="MVTU, depthwise, codes of 3 bits", tests="rtl_gen/test_mvtu.py", block="Mvtu",
        play=_grouped((5, 1, 9), 1, 3, "thresholds", 3, False),
    ),
    Kind(
        name="MVTU, 3 levels", tests="rtl_gen/test_mvtu.py", block="Mvtu",
        play=_grouped((2, 2, 3), 2, 2, "levels", 2, False),
    ),
    Kind(
        name="MVTU, offsets", tests="rtl_gen/test_mvtu.py", block="Mvtu",
        play=_grouped((2, 2, 3), 2, 2, "offsets", 1, False),
    ),
    *(
        Kind(
            name=f"processing element, {family or 'portable'}", tests="rtl_gen/test_pe.py",
            block="ProcessingElement", also=(_element(family),),
        )
        for family in ("", "ecp5", "ice40")
    ),
    *(
        Kind(
            name=f"processing element, 8-bit codes, {family or 'portable'}",
            tests="rtl_gen/test_pe.py", block="ProcessingElement",
            also=(_element(family, simd=3, bits=8, adders=True),),
        )
        for family in ("", "ecp5")
    ),
    Kind(
        name="PE array", tests="rtl_gen/test_array.py", block="PEArray",
        also=(call("test_array_with_streamed_weights"),),
    ),
    Kind(
        name="batched array", tests="rtl_gen/test_batch.py", block="BatchedArray", play=_batched,
        battery=(*BATTERY, {"stalls": {"i_weight": 75}}),
    ),
    Kind(
        name="accumulators", tests="rtl_gen/test_batch.py", block="Accumulators",
        play=lambda t, **how: t.accumulated(**how),
    ),
    Kind(
        name="popcount", tests="rtl_gen/test_popcount.py", block="Popcount",
        also=(call("test_registers", 13, 2),),
    ),
    Kind(
        name="match count", tests="rtl_gen/test_popcount.py", block="MatchCount",
        also=(call("test_match_count", 15, 2),),
    ),
    *(
        Kind(
            name=f"match count, {family}, complement {complement}",
            tests="rtl_gen/counting/test_simulated.py", block="MatchCount",
            also=(_counted(family, 12, 1, complement),),
        )
        for family in ("ecp5", "ice40")
        for complement in (False, True)
    ),
    Kind(
        name="sum of codes", tests="rtl_gen/test_code_sum.py", block="CodeSum",
        also=(call("test_sums", 6, 3, 1, None),),
    ),
    Kind(
        name="sum of codes, ecp5", tests="rtl_gen/test_code_sum.py", block="CodeSum",
        also=(_summed_on_ecp5,),
    ),
    Kind(
        name="unrolled layer", tests="rtl_gen/test_unrolled.py", block="UnrolledLayer",
        play=_unrolled,
    ),
    Kind(
        name="threshold unit", tests="rtl_gen/test_threshold.py", block="ThresholdUnit",
        also=(
            call("test_threshold_unit_waits_for_both"),
            call("test_a_stalled_output_stops_the_input_with_two_words", (1, 0, 0, 1, 1)),
        ),
    ),
    Kind(
        name="threshold search", tests="rtl_gen/test_search.py", block="SearchThreshold",
        play=lambda t, **how: t.exercised(2, 3, 4, 3, **how),
    ),
    *(
        Kind(
            name=f"activation, {'search' if search else 'comparison'}",
            tests="rtl_gen/test_activation.py", block="Activation",
            play=lambda t, s=search, **how: t.exercised(2, 3, 4, 3, search=s, **how),
        )
        for search in (False, True)
    ),
    *(
        Kind(
            name=f"multiplier, {style}", tests="rtl_gen/test_multiply.py", block="Multiplier",
            also=(call("test_products", 4, 4, style),),
        )
        for style in ("dsp", "lut")
    ),
    Kind(
        name="integer MVTU", tests="rtl_gen/test_integer.py", block="IntMvtu",
        play=_integer((1, 4, 5), 2, 3, "dsp"),
    ),
    Kind(
        name="integer MVTU, depthwise", tests="rtl_gen/test_integer.py", block="IntMvtu",
        play=_integer((5, 1, 9), 1, 3, "dsp"),
    ),
    Kind(
        name="integer array", tests="rtl_gen/test_integer.py", block="IntArray",
        also=(call("test_array_waits_for_all_three"),),
    ),
    Kind(
        name="scale and clip", tests="rtl_gen/test_affine.py", block="Affine",
        play=lambda t, **how: t.swept(**how),
    ),
    Kind(
        name="scale", tests="rtl_gen/test_affine.py", block="Affine",
        play=lambda t, **how: t.exercised(2, 3, bits=9, shift=2, levels=2000, clip=False, **how),
    ),
    Kind(
        name="argmax", tests="rtl_gen/test_argmax.py", block="Argmax",
        play=lambda t, **how: t.compare(5, 3, 2, frames=6, **how),
    ),
    *(
        Kind(
            name=f"top-k{what}", tests="rtl_gen/test_topk.py", block="TopK",
            play=lambda t, n=number, **how: t.ranked(t.CASES[n], frames=20, **how),
        )
        for what, number in (("", -1), (", scaled", 18))
    ),
    Kind(
        name="ternary codes", tests="rtl_gen/test_ternary.py", block="Ternary",
        also=(call("words", bits=2),),
    ),
)  # fmt: skip
