"""Words of memories to the payloads of WEIGHTS frames."""

import zlib

import pytest

from bnnhw.link.protocol import BLOCK_BYTES, WEIGHTS_BYTES
from bnnhw.link.weights import block_count, store_bytes, upload_blocks, upload_crc


def test_store_column_by_column():
    assert store_bytes([0x1_2345_6789, 0xA_BCDE_F012], 36).hex(" ") == (
        "89 67 12 f0 45 23 de bc 01 00 0a 00"
    )
    assert store_bytes([1, 2, 3], 2).hex() == "010002000300"


@pytest.mark.parametrize("size", [0, 1, 123, 124, 125, 300, 1000])
def test_blocks_hold_the_image_and_its_crc(size):
    image = bytes(k * 7 % 251 for k in range(size))
    blocks = upload_blocks(image)
    assert len(blocks) == block_count(size)
    assert {len(block) for block in blocks} == {WEIGHTS_BYTES}
    assert [int.from_bytes(block[:2], "little") for block in blocks] == list(range(len(blocks)))
    whole = b"".join(block[2:] for block in blocks)
    assert whole[:size] == image and not any(whole[size:-4])
    assert len(whole) - size < BLOCK_BYTES + 4
    assert int.from_bytes(whole[-4:], "little") == zlib.crc32(whole[:-4]) == upload_crc(image)
