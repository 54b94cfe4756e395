"""A line to a board: frames out, frames in, and the talk before images go."""

from .advice import on_silence
from .errors import BoardSilent, WrongDesign
from .frames import Decoder, Frame, encode
from .protocol import VERSION, ErrorCode, Hello, Kind, WeightState
from .transport import Transport

__all__ = ["NOISE_CAP", "RETRIES", "Line"]

RETRIES = 4
NOISE_CAP = 1 << 18
"""So many bytes without one good reply among them are noise."""


class Line:
    """Frames to and from a board; every failure is a `DeviceError`.

    Parameters
    ----------
    transport : Transport
    name : str
        What to call the board in messages.
    timeout : float
        Seconds of silence after which a request is sent again.
    kind : str or None
        What line the design has, as its manifest says; for advice only.
    """

    def __init__(
        self, transport: Transport, *, name: str, timeout: float, kind: str | None = None
    ) -> None:
        self._transport = transport
        self._name = name
        self._kind = kind
        self._timeout = timeout
        self._decoder = Decoder()
        self._sequence = 0
        # Ends whatever a program that was stopped in mid-frame has left behind.
        self.flush()

    @property
    def name(self) -> str:
        """What to call the board in messages."""
        return self._name

    @property
    def damaged(self) -> int:
        """Frames from the board that were dropped."""
        return self._decoder.bad

    def flush(self) -> None:
        """End whatever the board takes for a frame that has begun."""
        self._transport.write(b"\0")

    def listen(self) -> tuple[int, list[Frame]]:
        """Wait for bytes: how many came, none on silence, and the frames that they complete."""
        data = self._transport.read(self._timeout)
        return len(data), self._decoder.feed(data)

    def hello(self) -> Hello:
        """Ask the board what it is and how it fares."""
        misfit: WrongDesign | None = None
        for _ in range(RETRIES):
            request = self.send(Kind.HELLO)
            heard = 0
            while heard < NOISE_CAP:
                count, frames = self.listen()
                if not count:
                    break
                heard += count
                for frame in frames:
                    self._check_version(frame)
                    if (frame.kind, frame.sequence) == (Kind.HELLO_REPLY, request):
                        try:
                            return self.unpack_hello(frame)
                        except WrongDesign as error:
                            # Damage that happens to pass the CRC does not come again.
                            misfit = error
                if misfit is not None:
                    break
            self.flush()
        if misfit is not None:
            raise misfit
        noise = f" (but {self._decoder.bad} damaged frames came)" if self._decoder.bad else ""
        raise BoardSilent(
            f"No board answers at '{self._name}'{noise}.",
            on_silence(self._name, self._kind),
        )

    def weights(self) -> WeightState:
        """Ask a board with writable weights for their state."""
        state = self.hello().weights
        if state is None:
            raise self.strange("nothing about its weights")
        return state

    def raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._transport.write(data)

    def send(self, kind: int, payload: bytes = b"") -> int:
        """Send a frame; return its sequence number."""
        self._sequence = (self._sequence + 1) % 256
        self._transport.write(encode(Frame(kind, self._sequence, payload)))
        return self._sequence

    def settle(self) -> Hello:
        """Wait for the answers to an earlier program, so that none is taken for ours."""
        for _ in range(RETRIES):
            info = self.hello()
            if not info.queued:
                return info
            self._drain()
        raise BoardSilent(
            f"The board at '{self._name}' is stuck: {info.queued} requests "
            "of another program stay unanswered.",
            "Reset the board and try again.",
        )

    def _drain(self) -> None:
        heard = 0
        while heard < NOISE_CAP:
            count, _ = self.listen()
            if not count:
                return
            heard += count

    def _check_version(self, frame: Frame) -> None:
        refused = frame.kind == Kind.ERROR and frame.payload[:1] == bytes([ErrorCode.VERSION])
        if frame.version != VERSION or refused:
            raise WrongDesign(
                f"The board at '{self._name}' speaks protocol version {frame.version}, "
                f"this program version {VERSION}.",
                "Generate and flash the design again with this version of bnnhw, "
                "or install the version that made it.",
            )

    def unpack_hello(self, frame: Frame) -> Hello:
        """Read a HELLO_REPLY."""
        try:
            hello = Hello.unpack(frame.payload)
        except ValueError as error:
            raise self.strange(f"a malformed HELLO_REPLY ({error})") from error
        if not 1 <= hello.credits <= 64:
            raise self.strange(f"{hello.credits} credits")
        return hello

    def strange(self, what: str) -> WrongDesign:
        """Make the error for what no board of this design sends."""
        return WrongDesign(
            f"The board at '{self._name}' sent {what}, which does not fit its design.",
            "Flash the design of this manifest again, made with this version of bnnhw.",
        )
