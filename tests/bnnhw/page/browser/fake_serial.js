// A `navigator.serial` with one port, whose bytes go through the test to a board.
(() => {
  class Port {
    async open({ baudRate }) {
      if (this.opened) throw new DOMException("The port is already open.", "InvalidStateError");
      if (fake.absent) throw new DOMException("Failed to open serial port.", "NetworkError");
      this.opened = true;
      this.readable = new ReadableStream({ start: (controller) => (this.controller = controller) });
      this.writable = new WritableStream({
        write: (bytes) => {
          if (fake.absent) throw new DOMException("The device has been lost.", "NetworkError");
          callTest(JSON.stringify({ write: Array.from(bytes) }));
        },
      });
      callTest(JSON.stringify({ open: baudRate }));
    }
    async close() {
      if (this.readable?.locked || this.writable?.locked) throw new TypeError("A stream is locked.");
      this.opened = false;
      callTest(JSON.stringify({ close: true }));
    }
  }
  const port = new Port();
  const serial = new EventTarget();
  const fake = {
    absent: false,
    refused: false,
    // What comes while the board is pulled out is lost.
    arrive: (bytes) => !fake.absent && port.opened && port.controller.enqueue(Uint8Array.from(bytes)),
    pull() {
      fake.absent = true;
      port.controller.error(new DOMException("The device has been lost.", "NetworkError"));
      const event = new Event("disconnect");
      Object.defineProperty(event, "target", { value: port });
      serial.dispatchEvent(event);
    },
  };
  serial.requestPort = async () => {
    if (!navigator.userActivation.isActive) throw new DOMException("No user gesture.", "SecurityError");
    if (fake.refused) throw new DOMException("No port selected by the user.", "NotFoundError");
    return port;
  };
  Object.defineProperty(navigator, "serial", { value: serial });
  window.fakeSerial = fake;
})();
