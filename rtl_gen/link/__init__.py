"""The board's end of the host link."""

from .answer import ResultBytes
from .benchmark import Benchmark
from .cobs import CobsDecoder, CobsEncoder
from .host import UART_WIRES, HostLink, default_credits
from .reply import ReplySender
from .request import RequestBuffer, RequestReceiver
from .spi import CLOCKS_PER_BIT, SPI_WIRES, SpiPeripheral
from .uart import UartReceiver, UartTransmitter
from .usb import USB_HZ, USB_IDS, USB_IO_HZ, USB_WIRES, UsbSerial
from .weights import WeightLoader

__all__ = [
    "CLOCKS_PER_BIT",
    "SPI_WIRES",
    "UART_WIRES",
    "USB_HZ",
    "USB_IDS",
    "USB_IO_HZ",
    "USB_WIRES",
    "Benchmark",
    "CobsDecoder",
    "CobsEncoder",
    "HostLink",
    "ReplySender",
    "RequestBuffer",
    "RequestReceiver",
    "ResultBytes",
    "SpiPeripheral",
    "UartReceiver",
    "UartTransmitter",
    "UsbSerial",
    "WeightLoader",
    "default_credits",
]
