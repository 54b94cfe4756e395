"""A serial port as USB knows it (CDC ACM), of LUNA's parts; imported where USB is asked for."""

import warnings

from amaranth.hdl import *

with warnings.catch_warnings():
    # LUNA 0.2.3 still uses what Amaranth 0.5 calls deprecated.
    warnings.simplefilter("ignore", DeprecationWarning)
    from luna.gateware.stream import StreamInterface
    from luna.gateware.stream.generator import ConstantStreamGenerator
    from luna.gateware.usb.stream import USBInStreamInterface
    from luna.gateware.usb.usb2.device import USBDevice
    from luna.gateware.usb.usb2.endpoint import EndpointInterface
    from luna.gateware.usb.usb2.endpoints.stream import USBStreamInEndpoint, USBStreamOutEndpoint
    from luna.gateware.usb.usb2.request import USBRequestHandler
    from usb_protocol.emitters import DeviceDescriptorCollection
    from usb_protocol.emitters.descriptors import cdc
    from usb_protocol.types import USBRequestType

__all__ = ["DATA", "LINE_CODING", "PACKET", "STATUS", "CdcDevice", "UsbLines", "descriptors"]

STATUS, DATA = 1, 2
"""Numbers of the endpoints."""
PACKET = 64
"""Most bytes of one packet at full speed."""
LINE_CODING = (115_200).to_bytes(4, "little") + bytes([0, 0, 8])
"""What is answered to a host that asks for rate and format: 8 data bits, no parity, 1 stop bit."""
_SET_LINE_CODING, _GET_LINE_CODING, _SET_CONTROL_LINES, _SEND_BREAK = 0x20, 0x21, 0x22, 0x23


class _Wire:
    def __init__(self, name: str) -> None:
        self.i = Signal(name=f"{name}_i")
        self.o = Signal(name=f"{name}_o")
        self.oe = Signal(name=f"{name}_oe")


class UsbLines:
    """The wires, in the shape in which LUNA looks for pins.

    Members
    -------
    d_p, d_n : with Signal() `i`, `o`, `oe`
    pullup : with Signal() `o`
    """

    def __init__(self) -> None:
        self.d_p, self.d_n, self.pullup = _Wire("d_p"), _Wire("d_n"), _Wire("pullup")


def descriptors(vendor: int, product: int, title: str) -> DeviceDescriptorCollection:
    """Describe the device: one function, of an interface for control and one for data."""
    told = DeviceDescriptorCollection()
    with told.DeviceDescriptor() as device:
        device.idVendor, device.idProduct = vendor, product
        # "See the interface association": Windows looks for one in no other class.
        device.bDeviceClass, device.bDeviceSubclass, device.bDeviceProtocol = 0xEF, 2, 1
        device.iManufacturer, device.iProduct = "bnnhw", title
        device.bNumConfigurations = 1
    with told.ConfigurationDescriptor() as configuration:
        with configuration.InterfaceAssociationDescriptor() as function:
            function.bFirstInterface, function.bInterfaceCount = 0, 2
            function.bFunctionClass, function.bFunctionSubClass = 2, 2
            function.bFunctionProtocol = 1
        with configuration.InterfaceDescriptor() as control:
            control.bInterfaceNumber = 0
            control.bInterfaceClass, control.bInterfaceSubclass = 2, 2
            control.bInterfaceProtocol = 1
            control.add_subordinate_descriptor(cdc.HeaderDescriptorEmitter())
            calls = cdc.CallManagementFunctionalDescriptorEmitter()
            calls.bDataInterface = 1
            control.add_subordinate_descriptor(calls)
            # Its default says that line coding and control lines may be set.
            control.add_subordinate_descriptor(cdc.ACMFunctionalDescriptorEmitter())
            union = cdc.UnionFunctionalDescriptorEmitter()
            union.bControlInterface, union.bSubordinateInterface0 = 0, 1
            control.add_subordinate_descriptor(union)
            _endpoint(control, 0x80 | STATUS, attributes=3, packet=8, interval=255)
        with configuration.InterfaceDescriptor() as data:
            data.bInterfaceNumber = 1
            data.bInterfaceClass, data.bInterfaceSubclass, data.bInterfaceProtocol = 0x0A, 0, 0
            _endpoint(data, DATA, attributes=2, packet=PACKET, interval=0)
            _endpoint(data, 0x80 | DATA, attributes=2, packet=PACKET, interval=0)
    return told


def _endpoint(interface, address, *, attributes, packet, interval):
    with interface.EndpointDescriptor() as endpoint:
        endpoint.bEndpointAddress, endpoint.bmAttributes = address, attributes
        endpoint.wMaxPacketSize, endpoint.bInterval = packet, interval


class _ClassRequests(USBRequestHandler):
    """Take every line coding, control line and break, and say one line coding."""

    def elaborate(self, platform: object) -> Module:
        m = Module()
        request = self.interface
        m.submodules.coding = coding = ConstantStreamGenerator(
            LINE_CODING, domain="usb", stream_type=USBInStreamInterface, max_length_width=16
        )
        m.d.comb += coding.max_length.eq(request.setup.length)
        with m.If(request.setup.type == USBRequestType.CLASS), m.Switch(request.setup.request):
            with m.Case(_SET_LINE_CODING, _SET_CONTROL_LINES, _SEND_BREAK):
                m.d.comb += [
                    request.claim.eq(1),
                    request.handshakes_out.ack.eq(request.rx_ready_for_response),
                ]
                with m.If(request.status_requested):
                    m.d.comb += self.send_zlp()
            with m.Case(_GET_LINE_CODING):
                m.d.comb += [
                    request.claim.eq(1),
                    request.tx_data_pid.eq(1),
                    coding.start.eq(request.data_requested),
                    coding.stream.attach(request.tx),
                    request.handshakes_out.ack.eq(request.status_requested),
                ]
        return m


class _Status(Elaboratable):
    """The endpoint for news of the line, of which there are none: it says so."""

    def __init__(self) -> None:
        self.interface = EndpointInterface()

    def elaborate(self, platform: object) -> Module:
        m = Module()
        token = self.interface.tokenizer
        asked = (token.endpoint == STATUS) & token.is_in & token.ready_for_response
        m.d.comb += self.interface.handshakes_out.nak.eq(asked)
        return m


class _Restarted(Elaboratable):
    """Hold an endpoint in reset until the host has chosen the configuration.

    LUNA's endpoints keep their place in the sequence of DATA0 and DATA1 over a reset of the bus,
    after which the host begins anew: the first packet would be taken for a repetition.
    """

    def __init__(self, endpoint: Elaboratable) -> None:
        self._endpoint = endpoint
        self.interface = endpoint.interface

    def elaborate(self, platform: object) -> Module:
        m = Module()
        away = self.interface.active_config == 0
        m.submodules.endpoint = ResetInserter({"usb": away})(self._endpoint)
        return m


# LUNA names endpoints by their classes, and those of one class by their addresses in Python's
# memory, so that no two builds would be the same.
class _FromHost(_Restarted):
    pass


class _ToHost(_Restarted):
    pass


class CdcDevice(Elaboratable):
    """A USB device of full speed that carries bytes, in the domains `usb` and `usb_io`.

    Parameters
    ----------
    lines : UsbLines
    vendor, product : int
        How the device calls itself.
    title : str
        Its name for people.

    Members
    -------
    received, to_send : StreamInterface
        Bytes from and to the host, in `usb`. A `last` to send ends a packet, and a transfer: one
        that fills its packet is followed by an empty one.
    """

    def __init__(self, *, lines: UsbLines, vendor: int, product: int, title: str) -> None:
        self._lines = lines
        self._told = descriptors(vendor, product, title)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            self.received, self.to_send = StreamInterface(), StreamInterface()

    def elaborate(self, platform: object) -> Fragment:
        """Elaborate down to the last of LUNA's parts, whose warnings say nothing to our users."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return Fragment.get(self._module(), platform)

    def _module(self) -> Module:
        m = Module()
        m.submodules.device = device = USBDevice(bus=self._lines)
        # A block RAM of descriptors would make answers two bits later, of which there are few.
        control = device.add_standard_control_endpoint(self._told, avoid_blockram=True)
        control.add_request_handler(_ClassRequests())
        from_host = USBStreamOutEndpoint(endpoint_number=DATA, max_packet_size=PACKET)
        to_host = USBStreamInEndpoint(endpoint_number=DATA, max_packet_size=PACKET)
        for endpoint in (_Status(), _FromHost(from_host), _ToHost(to_host)):
            device.add_endpoint(endpoint)
        # An endpoint takes bytes in its reset as well, and they would be lost.
        there = to_host.interface.active_config != 0
        m.d.comb += [
            device.connect.eq(1),
            self.received.stream_eq(from_host.stream),
            to_host.stream.stream_eq(self.to_send, omit={"valid", "ready"}),
            to_host.stream.valid.eq(self.to_send.valid & there),
            self.to_send.ready.eq(to_host.stream.ready & there),
        ]
        return m
