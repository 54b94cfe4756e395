"""Weights to a board: which blocks of an upload are under way, lost or taken."""

from .advice import on_trouble
from .errors import BoardSilent, WrongDesign
from .frames import Frame
from .line import NOISE_CAP, RETRIES, Line
from .protocol import ERROR_TEXT, ErrorCode, Kind

__all__ = ["AHEAD", "Upload", "send_upload"]

AHEAD = 16
"""Blocks sent ahead of what the board waits for."""


class Upload:
    """Keeps blocks of an upload under way, in their order, until the board has them all.

    The board takes blocks in their order only and says after each which one it waits for. Block 0
    goes alone: only its own answer shows that an upload has begun, and not what an earlier one left
    behind.

    Parameters
    ----------
    count : int
        Blocks.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._taken = 0
        self._next = 0
        self._broken = False
        self._misfits = 0
        # Sequence to block, oldest first.
        self._flight: dict[int, int] = {}

    @property
    def done(self) -> bool:
        """The board has taken every block."""
        return self._taken == self._count

    @property
    def broken(self) -> bool:
        """The board has thrown away what it had taken: the CRC-32 was wrong, or it was reset."""
        return self._broken

    @property
    def taken(self) -> int:
        """Blocks that the board has taken."""
        return self._taken

    def sendable(self) -> range:
        """Choose the blocks to send now."""
        limit = min(self._count, self._taken + AHEAD) if self._taken else 1
        return range(self._next, max(limit, self._next))

    def sent(self, block: int, sequence: int) -> None:
        """Note that `block` went out under `sequence`."""
        self._flight[sequence] = block
        self._next = block + 1

    def awaits(self, sequence: int) -> bool:
        """Tell whether `sequence` is under way."""
        return sequence in self._flight

    def answered(self, sequence: int, waits_for: int) -> None:
        """Take the board's answer to a block that is under way."""
        block = self._flight.pop(sequence)
        if waits_for == block + 1:
            # What went out earlier was taken, or this one would not have been.
            self._flight = {key: some for key, some in self._flight.items() if some > block}
            self._taken = block + 1
        elif waits_for <= block:
            self._broken |= waits_for == 0 < self._taken
            self.rewind(waits_for)

    def misfit(self, error: WrongDesign) -> None:
        """Take what does not fit for damage that passed its CRC; raise it if it comes again."""
        self._misfits += 1
        if self._misfits >= RETRIES:
            raise error

    def rewind(self, block: int | None = None) -> None:
        """Send again from `block` on, or from the first that the board has not taken."""
        self._flight.clear()
        self._next = self._taken = self._taken if block is None else block


def send_upload(line: Line, blocks: list[bytes], crc: int) -> bool:
    """Send the blocks of an upload.

    Returns
    -------
    bool
        The board says that it holds weights with this CRC-32; if not, what came was damaged.

    Raises
    ------
    DeviceError
        If the board stops taking them.
    """
    upload, failures, heard = Upload(len(blocks)), 0, 0
    while not upload.done and not upload.broken:
        for block in upload.sendable():
            upload.sent(block, line.send(Kind.WEIGHTS, blocks[block]))
        count, frames = line.listen()
        heard += count
        before = upload.taken
        for frame in frames:
            _receive(line, frame, upload)
        if upload.taken > before:
            failures = heard = 0
        elif not count or heard > NOISE_CAP:
            heard, failures = 0, failures + 1
            if failures >= RETRIES:
                raise BoardSilent(
                    f"The board at '{line.name}' stopped taking weights at block {upload.taken}; "
                    f"{RETRIES} attempts failed.",
                    on_trouble(line.name, "reset the board and load the weights again"),
                )
            upload.rewind()
            line.flush()
    if upload.broken:
        return False
    # The board compares the CRC for a moment after its receipt for the last block.
    state = line.weights()
    for _ in range(4 * RETRIES):
        if state.crc is not None or state.next_block != len(blocks):
            break
        state = line.weights()
    return state.crc == crc


def _receive(line: Line, frame: Frame, upload: Upload) -> None:
    """Take what may be the answer to a block."""
    if not upload.awaits(frame.sequence):
        return
    if frame.kind == Kind.HELLO_REPLY:
        try:
            state = line.unpack_hello(frame).weights
        except WrongDesign as error:
            upload.misfit(error)
            return
        if state is None:
            raise line.strange("nothing about its weights")
        upload.answered(frame.sequence, state.next_block)
    elif frame.kind == Kind.ERROR and frame.payload != bytes([ErrorCode.BUSY]):
        code = frame.payload[0] if frame.payload else 0
        upload.misfit(line.strange(f"'{ERROR_TEXT.get(code, f'error {code}')}'"))
