"""Measure what the checks reach, and record it.

`python -m scripts.coverage functional` simulates networks made for the plan and networks drawn at
random, in the portable Verilog and in the structures of each family; each passes against the golden
model before its bins count. A family is done when each of its bins was hit; `--all` goes on. `rtl`
has Verilator count lines, branches and toggles of the generated Verilog, `simulators` holds three
simulators against each other, and `python` has coverage.py count lines and branches of the
generator.
"""

import argparse
import sys
import time

from bnnhw.errors import CheckFailed
from sim.coverage_cases import directed
from sim.coverage_plan import FAMILIES, PLAN, Collector
from sim.coverage_run import Sample, check, draw, promised
from sim.coverage_traffic import traffic

from . import coverage_python, coverage_rtl, coverage_simulators
from .signing import Item, ended, record

# Amaranth's simulator runs the portable designs; those of the families run in Icarus, which takes
# several times as long.
DRAWN = {"generic": 150, "ice40": 30, "ecp5": 30}
_LIMIT = {"generic": 600, "ice40": 250, "ecp5": 250}


def _samples(family: str, count: int) -> list[tuple[str, Sample]]:
    """Give what is simulated: first what has most bins that nothing before it has."""
    left = [(f"directed {number}", sample) for number, sample in enumerate(directed())]
    has = {what: promised(sample, family) for what, sample in left}
    if family != "generic":
        left = [(what, one) for what, one in left if not one.plan(family).writable]
    made: list[tuple[str, Sample]] = []
    seen: set[str] = set()
    while left:
        best = max(left, key=lambda one: len(has[one[0]] - seen))
        left.remove(best)
        made.append(best)
        seen |= has[best[0]]
    return made + [(f"drawn {seed}", draw(seed)) for seed in range(count)]


def _measured(family: str, count: int, *, brief: bool) -> tuple[Collector, int, list[str]]:
    """Simulate everything of a family; give hits, designs and faults."""
    collector, passed = Collector(family), 0
    faults: list[str] = []
    try:
        traffic(collector)
    except CheckFailed as fault:
        faults.append(f"{family}, traffic: {fault}")
    for number, (what, sample) in enumerate(_samples(family, count)):
        if brief and not collector.missing:
            break
        limit = 4000 if what.startswith("directed") else _LIMIT[family]
        try:
            passed += check(sample, collector, limit=limit)
        except CheckFailed as fault:
            faults.append(f"{family}, {what}: {fault}")
            print(faults[-1], flush=True)
        if number % 5 == 4:
            print(f"  {family}: {passed} designs, {len(collector.missing)} bins left", flush=True)
    return collector, passed, faults


def functional(families: list[str], count: int | None, *, brief: bool) -> bool:
    """Measure, print and record; tell whether every bin of every family was hit."""
    start = time.monotonic()
    found = {
        name: _measured(name, DRAWN[name] if count is None else count, brief=brief)
        for name in families
    }
    bins = sum(len(collector.wanted) for collector, _, _ in found.values())
    missing = {name: collector.missing for name, (collector, _, _) in found.items()}
    faults = [fault for _, _, some in found.values() for fault in some]
    for name, left in missing.items():
        print(f"{name}: {found[name][1]} designs, not hit: {left or 'nothing'}")
    hit = bins - sum(map(len, missing.values()))
    met = hit == bins and not faults and set(families) == set(FAMILIES)
    item = Item(
        name="coverage-functional",
        claim="Every bin of the coverage plan is hit by a passed bit-exact comparison, for the "
        "portable Verilog and for the structures of both families.",
        command="python -m scripts.coverage functional",
        required="100 % of the bins of each family",
        measured=f"{hit} of {bins} bins ({100 * hit / bins:.1f} %) in "
        f"{sum(passed for _, passed, _ in found.values())} designs; {len(faults)} faults",
        met=met,
        seconds=round(time.monotonic() - start, 3),
        details={
            "designs": {name: passed for name, (_, passed, _) in found.items()},
            "faults": faults,
            "missing": missing,
            "bins": {
                feature.name: {
                    one: [
                        collector.hits[f"{feature.name}: {one}"]
                        if f"{feature.name}: {one}" in collector.wanted
                        else None
                        for collector, _, _ in found.values()
                    ]
                    for one in feature.bins
                }
                for feature in PLAN
            },
            "families": families,
        },
    )
    if set(families) == set(FAMILIES):
        record(item, "amaranth", "cocotb")
    print(item.measured)
    return met


def main() -> int:
    """Run one of the three."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=("functional", "rtl", "simulators", "python"))
    parser.add_argument("--family", choices=FAMILIES, help="this one alone, and record nothing")
    parser.add_argument("--all", action="store_true", help="go on when every bin was hit once")
    parser.add_argument("--drawn", type=int, help="networks to draw for each family")
    given = parser.parse_args()
    if given.what == "rtl":
        return int(not coverage_rtl.measure())
    if given.what == "simulators":
        return int(not coverage_simulators.measure())
    if given.what == "python":
        return int(not coverage_python.measure())
    families = [given.family] if given.family else list(FAMILIES)
    return int(not functional(families, given.drawn, brief=not given.all))


if __name__ == "__main__":
    sys.exit(ended(main))
