"""The board's end of the link, whole."""

from typing import Any

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from bnnhw.link.protocol import (
    CHUNK_BITS,
    CLOCKS_BYTES,
    CRC_BYTES,
    HEADER_BYTES,
    STATUS_BYTES,
    Hello,
    WeightState,
)

from ..queue import Queue
from ..streams import port
from .benchmark import Benchmark
from .cobs import CobsDecoder, CobsEncoder
from .reply import ReplySender
from .request import RequestBuffer, RequestReceiver
from .spi import SPI_WIRES, SpiPeripheral
from .uart import UartReceiver, UartTransmitter
from .usb import USB_WIRES, UsbSerial
from .weights import WeightLoader

__all__ = ["UART_WIRES", "HostLink", "default_credits"]

UART_WIRES = {"rx": In(1), "tx": Out(1)}
"""The wires as members of a component."""


def default_credits(frame_bytes: int) -> int:
    """Choose the number of request buffers: 8, or what fits 2 KiB, at least 1."""
    stride = 1 << (frame_bytes - 1).bit_length()
    return max(1, min(8, 2048 // stride))


class HostLink(wiring.Component):
    """Puts an accelerator behind a UART, SPI or USB that carries the frames of `docs/protocol.md`.

    A request's payload appears on `o` only after its CRC was right, in the order of arrival, a byte
    every two cycles; it may stall for any time. Answers on `i` belong to the requests in the same
    order; `i` is taken at the pace of the line. Requests that find all `credits` buffers taken are
    refused with an ERROR. Nothing that arrives on the line stops it.

    Parameters
    ----------
    divisor : int or None
        Cycles per bit of the UART, at least 4; None where the line is SPI or USB.
    frame_bytes, answer_bytes : int
        Bytes of one request payload and of one answer.
    classes : int
        Number of classes, for the host.
    identity : bytes
        SHA-256 of the build, for the host.
    clock_hz : int
        Frequency of `sync`, for the host.
    credits : int or None
        Number of request buffers, a power of two up to 64; None takes `default_credits`.
    weight_blocks : int
        Blocks of an upload of weights; 0 if there is nothing to load, and then nothing for it.
    weight_crc : int or None
        CRC-32 of the weights that the stores hold from the start; None if one of them holds none.
    benchmark : bool
        Run an image many times where the host asks for it, see `Benchmark`.
    usb : bool
        The line is USB, and `usb` and `usb_io` are there: see `UsbSerial`.

    Members
    -------
    rx : Signal(), in
        The line from the host, from any clock domain; high when idle.
    tx : Signal(), out
        The line to the host, from a register.
    sck, cs, mosi, miso : Signal()
        In place of these two, where the line is SPI: see `SpiPeripheral`.
    usb_p_i, usb_n_i, usb_p_o, usb_n_o, usb_oe, usb_pullup : Signal()
        In place of them, where it is USB: see `UsbSerial`.
    o : stream of `word(1, 8)`, out
        Request payloads, `last` on the last byte.
    i : stream of `word(1, 8)`, in
        Answers of `answer_bytes` bytes, `last` on the last byte.
    o_load : stream of `word(1, 16)`, out
        Chunks for the stores, where there are some.

    Raises
    ------
    ValueError
        If a parameter is out of range, or a divisor is given for USB.
    ToolMissing
        If USB is asked for, and LUNA is not installed.
    """

    def __init__(
        self,
        *,
        divisor,
        frame_bytes,
        answer_bytes,
        classes,
        identity,
        clock_hz,
        credits=None,
        weight_blocks=0,
        weight_crc=None,
        benchmark=False,
        usb=False,
    ):
        if not isinstance(answer_bytes, int) or answer_bytes < 1:
            raise ValueError(f"answer_bytes must be a positive integer, not {answer_bytes!r}")
        if usb and divisor is not None:
            raise ValueError(f"divisor must be None for USB, not {divisor!r}")
        self._usb = UsbSerial() if usb else None
        self._spi = SpiPeripheral() if divisor is None and not usb else None
        if divisor is not None:
            self._rx = UartReceiver(divisor=divisor)
            self._tx = UartTransmitter(divisor=divisor)
        writable = weight_blocks != 0
        self._loader = (
            WeightLoader(blocks=weight_blocks, loaded=weight_crc is not None) if writable else None
        )
        self._receiver = RequestReceiver(
            frame_bytes=frame_bytes, weights=writable, benchmark=benchmark
        )
        self._benchmark = Benchmark() if benchmark else None
        if credits is None:
            credits = default_credits(frame_bytes)
        self._buffer = RequestBuffer(frame_bytes=frame_bytes, credits=credits)
        weights = WeightState(crc=weight_crc) if writable else None
        self._hello = Hello(
            identity, frame_bytes, answer_bytes, classes, clock_hz, credits,
            weights=weights, benchmark=bool(benchmark),
        )  # fmt: skip
        self._sender = ReplySender(hello=self._hello)
        answer = answer_bytes + (CLOCKS_BYTES if benchmark else 0)
        longest = HEADER_BYTES + max(answer, len(self._hello.pack())) + CRC_BYTES
        self._encoder = CobsEncoder(max_bytes=longest)
        wires = USB_WIRES if usb else UART_WIRES if self._spi is None else SPI_WIRES
        members = {**wires, "o": Out(port(1, 8)), "i": In(port(1, 8))}
        if writable:
            members["o_load"] = Out(port(1, CHUNK_BITS))
        super().__init__(members)

    @property
    def hello(self):
        """What the board says of itself."""
        return self._hello

    def elaborate(self, platform: object) -> Module:
        """Join the components and count what they drop."""
        m = Module()
        incoming, outgoing, error = self._line(m)
        m.submodules.decoder = decoder = CobsDecoder()
        m.submodules.receiver = receiver = self._receiver
        m.submodules.buffer = buffer = self._buffer
        m.submodules.sender = sender = self._sender
        m.submodules.encoder = encoder = self._encoder
        wiring.connect(m, incoming, decoder.i)
        wiring.connect(m, decoder.o, receiver.i)
        wiring.connect(m, receiver.o, buffer.i)
        wiring.connect(m, receiver.control, sender.control)
        wiring.connect(m, buffer.o, wiring.flipped(self.o))
        wiring.connect(m, buffer.place, sender.place)
        # A register between what reads a block RAM and what writes one: it was the slowest path.
        m.submodules.between = between = Queue(shape=sender.o.payload.shape(), depth=1)
        wiring.connect(m, sender.o, between.i)
        wiring.connect(m, between.o, encoder.i)
        wiring.connect(m, encoder.o, outgoing)

        bad_frames, line_errors = Signal(16), Signal(8)
        m.d.sync += [
            bad_frames.eq(bad_frames + receiver.bad),
            line_errors.eq(line_errors + error),
        ]
        m.d.comb += [
            receiver.refused.eq(buffer.refused),
            sender.numbers.valid.eq(buffer.kept),
            sender.numbers.payload.eq(buffer.number),
            sender.status[: 8 * STATUS_BYTES].eq(Cat(bad_frames, line_errors, buffer.queued)),
        ]
        if self._benchmark is None:
            wiring.connect(m, wiring.flipped(self.i), sender.i)
        # Requests are under way, or the answer to the last one is leaving.
        answering, busy = Signal(), Signal()
        with m.If(sender.i.valid & sender.i.ready & sender.i.payload.last):
            m.d.sync += answering.eq(0)
        with m.Elif(buffer.place.valid & buffer.place.ready):
            m.d.sync += answering.eq(1)
        m.d.comb += busy.eq(answering | (buffer.queued != 0))
        if self._loader is not None:
            self._load(m, self._loader, busy)
        if self._benchmark is not None:
            self._bench(m, self._benchmark, busy)
        return m

    def _line(self, m: Module) -> tuple[Any, Any, Value]:
        """Put in what makes bytes of the wires and wires of the bytes; tell where it errs."""
        if self._spi is not None:
            m.submodules.spi = spi = self._spi
            m.d.comb += [
                spi.sck.eq(self.sck),
                spi.cs.eq(self.cs),
                spi.mosi.eq(self.mosi),
                self.miso.eq(spi.miso),
            ]
            return spi.o, spi.i, spi.error
        if self._usb is not None:
            m.submodules.usb = usb = self._usb
            for name, member in USB_WIRES.items():
                outer, inner = getattr(self, name), getattr(usb, name)
                m.d.comb += inner.eq(outer) if member.flow is In else outer.eq(inner)
            # What arrives damaged is sent again below our sight.
            return usb.o, usb.i, Const(0)
        m.submodules.uart_rx = uart_rx = self._rx
        m.submodules.uart_tx = uart_tx = self._tx
        m.d.comb += [uart_rx.rx.eq(self.rx), self.tx.eq(uart_tx.tx)]
        return uart_rx.o, uart_tx.i, uart_rx.error

    def _bench(self, m: Module, bench: Benchmark, busy: Signal) -> None:
        """Put the benchmark before the sender, and beside the buffer."""
        m.submodules.benchmark = bench
        receiver, buffer = self._receiver, self._buffer
        wiring.connect(m, wiring.flipped(self.i), bench.i)
        wiring.connect(m, bench.o, self._sender.i)
        m.d.comb += [
            bench.arm.eq(receiver.bench),
            bench.disarm.eq(receiver.hello),
            bench.count.eq(receiver.count),
            bench.offers.eq(buffer.o.valid),
            bench.begins.eq(buffer.o.valid & buffer.o.ready),
            bench.ends.eq(buffer.ends),
            buffer.repeat.eq(bench.repeat),
            receiver.benching.eq(bench.busy),
            receiver.engaged.eq(bench.busy | busy),
        ]

    def _load(self, m: Module, loader: WeightLoader, busy: Signal) -> None:
        """Let the loader listen to payloads, and keep uploads and answers apart."""
        m.submodules.loader = loader
        receiver, sender = self._receiver, self._sender
        m.d.comb += [
            loader.i.payload.eq(receiver.o.payload),
            loader.i.valid.eq(receiver.o.valid),
            loader.good.eq(receiver.weights),
            loader.busy.eq(busy if self._benchmark is None else busy | self._benchmark.busy),
            receiver.busy.eq(loader.refused),
            receiver.unloaded.eq(~loader.loaded),
            sender.status[8 * STATUS_BYTES :].eq(loader.status),
            sender.original.eq(loader.original),
        ]
        wiring.connect(m, loader.o, wiring.flipped(self.o_load))
