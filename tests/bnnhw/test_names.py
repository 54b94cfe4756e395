"""Foreign names: mapped to what Verilog, RTLIL, shells and file systems all take."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bnnhw.errors import UsageError
from bnnhw.names import checked, is_safe, mapped, printable

HOSTILE = [
    "a;touch pwned",
    'a\nattribute \\src "x"\nmodule \\evil',
    "$(reboot)",
    "`id`",
    "../../etc/passwd",
    "con\\",
    "",
    " ",
    "0",
    "名前",
    "module",
    "Module",
    "class",
    "a" * 64,
    "a\n",
    "\x1b[2J",
]


@pytest.mark.parametrize("name", ["a", "_", "fc1", "A_9", "a" * 63])
def test_safe(name: str) -> None:
    assert is_safe(name)
    assert checked(name) == name


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile(name: str) -> None:
    assert not is_safe(name)
    with pytest.raises(UsageError) as caught:
        checked(name, "network name")
    assert caught.value.what == (
        f"The network name '{printable(name)}' is not usable in Verilog and file names."
    )
    assert "\x1b" not in str(caught.value)
    (safe,) = mapped([name]).values()
    assert is_safe(safe)


def test_mapped_by_hand() -> None:
    assert mapped(["m.1.weight", "m/1/weight", "1", "wire", "é", "m.1.weight"]) == {
        "m.1.weight": "m_1_weight",
        "m/1/weight": "m_1_weight_2",
        "1": "n_1",
        "wire": "n_wire",
        "é": "n",
    }
    assert mapped(["7"], "net") == {"7": "net_7"}


@given(st.lists(st.one_of(st.text(max_size=70), st.sampled_from([*HOSTILE, "a_2", "a", "a!"]))))
def test_mapped_names_are_safe_and_distinct(names: list[str]) -> None:
    result = mapped(names)
    assert list(result) == list(dict.fromkeys(names))
    assert all(map(is_safe, result.values()))
    assert len(set(result.values())) == len(result)
    assert mapped(names) == result


def test_many_collisions_of_a_long_name() -> None:
    names = ["9" * 60 + "x" * count for count in range(1200)]
    result = mapped(names, "net")
    assert all(map(is_safe, result.values()))
    assert len(set(result.values())) == len(names)


def test_printable() -> None:
    assert printable("plain é 名") == "plain é 名"
    assert printable("a\n\x1b[31m\u202e") == r"a\n\x1b[31m\u202e"
    assert printable("x" * 200) == "x" * 128 + "…"
    assert re.fullmatch(r"[ -~]*", printable("\x00" * 128))
