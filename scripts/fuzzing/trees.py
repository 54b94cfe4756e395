"""Changes to values as JSON has them, and texts made of them."""

import copy
import json
import random
from typing import Any

from . import payloads
from .raw import mutated

__all__ = ["changed", "json_bytes"]

_DEEP = 3000


def changed(rng: random.Random, value: Any, *, most: int = 3) -> Any:
    """Change a copy of a value of lists, dicts and plain values in one to `most` places."""
    value = copy.deepcopy(value)
    for _ in range(1 + int(most * rng.random() ** 2)):
        places = list(_places(value))
        if not places:
            return _leaf(rng)
        holder, key = rng.choice(places)
        _change(rng, holder, key, places)
    return value


def _places(value: Any) -> Any:
    """Give every container with each of its keys."""
    stack = [value]
    while stack:
        found = stack.pop()
        keys = list(found) if isinstance(found, dict) else range(len(found))
        for key in keys:
            yield found, key
            if isinstance(found[key], dict | list):
                stack.append(found[key])


def _change(rng: random.Random, holder: Any, key: Any, places: list[tuple[Any, Any]]) -> None:
    kind = rng.randrange(9)
    if kind <= 3:
        holder[key] = _alike(rng, holder[key])
    elif kind == 4:
        del holder[key]
    elif kind == 5 and isinstance(holder, dict):
        holder[payloads.text(rng)] = holder.pop(key) if rng.random() < 0.7 else _leaf(rng)
    elif kind == 5:
        holder.insert(key, copy.deepcopy(holder[key]))
    elif kind == 6:
        other, which = rng.choice(places)
        # One that an earlier change has taken away is left alone.
        holds = which in other if isinstance(other, dict) else which < len(other)
        holder[key] = copy.deepcopy(other[which]) if holds else None
    elif kind == 7:
        holder[key] = rng.choice(
            ([holder[key]], {"a": holder[key]}, [], {}, [[]], [holder[key]] * 9)
        )
    else:
        holder[key] = _leaf(rng)


def _alike(rng: random.Random, value: Any) -> Any:
    """Give something of the same type, mostly."""
    if isinstance(value, bool) or rng.random() < 0.1:
        return _leaf(rng)
    if isinstance(value, int | float):
        if rng.random() < 0.3:
            return value + rng.choice((-1, 1, 0.5))
        return payloads.number(rng, floats=isinstance(value, float) or rng.random() < 0.1)
    if isinstance(value, str):
        return payloads.text(rng) if rng.random() < 0.7 else value + payloads.text(rng)
    return _leaf(rng)


def _leaf(rng: random.Random) -> Any:
    return rng.choice(
        (None, True, False, payloads.text(rng), payloads.number(rng), payloads.number(rng), [], {},
         [payloads.number(rng)], {"array": payloads.text(rng)}, 10**40, -(10**40))
    )  # fmt: skip


def json_bytes(rng: random.Random, value: Any) -> bytes:
    """Write a changed copy of a value as JSON, and now and then bend the text."""
    if rng.random() < 0.9:
        value = changed(rng, value)
    # Half a pair of surrogates has no UTF-8, so it is written as an escape.
    text = json.dumps(value)
    kind = rng.random()
    if kind < 0.03:
        return _odd(rng, text)
    data = text.encode()
    return mutated(rng, data) if kind < 0.25 else data


def _odd(rng: random.Random, text: str) -> bytes:
    nested = rng.choice(("[", '{"a":')) * rng.choice((50, _DEEP, 100_000))
    middle = rng.randrange(len(text))
    return rng.choice(
        (
            nested.encode(),
            text.replace("[", "[" + nested, 1).encode(),
            b"\xef\xbb\xbf" + text.encode(),
            text.encode("utf-16"),
            text.replace("1", "9" * 5000, 1).encode(),
            text.replace("1", "1e99999", 1).encode(),
            text.replace("{", '{"name": 1, "name": [],', 1).encode(),
            text[:middle].encode() + b"\x00" + text[middle:].encode(),
            b"",
            b"null",
        )
    )
