"""What the streams of an array carry, in words and numbers."""

from typing import Any

from .spec import ArraySpec

__all__ = ["batch_streams", "packing", "streams_of"]


def _weight(spec: ArraySpec, words: int, uses: str) -> dict[str, Any]:
    ragged = "" if spec.columns % spec.simd == 0 else " Lanes past the last column must be 1."
    return {
        "direction": "in", "elements": spec.pe, "bits": spec.simd, "words": words,
        "meaning": f"The weights that belong to one activation word: {spec.simd} bits for each of "
        f"{spec.pe} rows. {uses}{ragged}",
    }  # fmt: skip


def streams_of(spec: ArraySpec) -> dict[str, Any]:
    """Describe the streams of a unit that takes one vector at a time."""
    activation = f"A group of {spec.simd} activation bits a word, {spec.folds} words a vector; "
    if spec.bare:
        activation += "`last` with a vector's last word comes back with its result."
    else:
        activation += "lanes past the last column must be 0; `last` is not read."
    streams: dict[str, Any] = {
        "activation": {
            "direction": "in", "elements": spec.simd, "bits": 1, "words": spec.folds,
            "meaning": activation,
        }
    }  # fmt: skip
    if spec.matrix is None:
        words = spec.folds * spec.row_groups
        uses = "A word is taken together with an activation word."
        if spec.row_groups > 1:
            uses = f"{words} words a vector, the words of a row group one after the other."
        streams["weight"] = _weight(spec, words, uses)
    what = f"the count, 0 … {spec.columns}"
    if spec.levels is not None:
        what = "the bit `count >= threshold`"
    if spec.bare:
        meaning = (
            f"For each row the number of lanes that agree, 0 … {spec.columns}: one word a vector."
        )
    else:
        spare = ""
        if spec.rows % spec.pe:
            kind = "no meaning" if spec.levels is None else "0"
            spare = f" Lanes past row {spec.rows - 1} carry {kind}."
        meaning = (
            f"For each row {what}: {spec.row_groups} words a vector, `last` with the last.{spare}"
        )
    streams["result"] = {
        "direction": "out", "elements": spec.pe, "bits": spec.result_bits,
        "words": spec.row_groups, "last": "copied" if spec.bare else "made", "meaning": meaning,
    }  # fmt: skip
    return streams


def batch_streams(spec: ArraySpec) -> dict[str, Any]:
    """Describe the streams of a unit that takes several vectors at a time."""
    batch, folds, groups = spec.batch, spec.folds, spec.row_groups
    spare = f" Lanes past row {spec.rows - 1} carry no meaning." if spec.rows % spec.pe else ""
    return {
        "activation": {
            "direction": "in", "elements": spec.simd, "bits": 1, "words": folds * batch,
            "meaning": f"A group of {spec.simd} activation bits a word, {folds} words a vector, "
            f"{batch} vectors a batch; lanes past the last column must be 0; `last` is not read.",
        },
        "weight": _weight(
            spec, folds * groups,
            f"{folds * groups} words a batch, the words of a row group one after the other; each "
            f"is used for all {batch} vectors and taken with the last.",
        ),
        "result": {
            "direction": "out", "elements": spec.pe, "bits": spec.result_bits,
            "words": groups * batch, "last": "made",
            "meaning": f"For each row the count, 0 … {spec.columns}: {groups * batch} words a "
            f"batch; for each row group one word of each vector; `last` with the last.{spare}",
        },
    }  # fmt: skip


def packing(spec: ArraySpec) -> list[str]:
    """Say where elements lie."""
    rules = [
        "Bit 1 is +1, bit 0 is -1. Of K lanes with P that agree, the dot product is 2 P - K.",
        "Element 0 of a word lies in its lowest bits and comes first.",
        "Row r belongs to lane r mod PE of result word r div PE.",
        "A weight word holds the bits of row lane p from bit p * SIMD on.",
    ]
    if spec.folds * spec.row_groups > 1:
        rules.append(
            "Weight word n * FOLDS + s holds columns s * SIMD … of rows n * PE …; "
            "lanes past the last column are 1."
        )
    return rules
