# amaranth: UnusedElaboratable=no
"""The page in a real browser: drawn on, answered, unplugged, connected again, at any width."""

import functools
import http.server
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cobs import cobs

from bnnhw import golden
from bnnhw.link import Frame, Kind, encode
from bnnhw.page import PageServer, Target, write_page
from sim.board import SimulatedBoard

pytestmark = pytest.mark.slow

# Where set, pictures of the page are kept there.
SHOTS = os.environ.get("BNNHW_SCREENSHOTS")
SEVEN = [(0.25, 0.2), (0.5, 0.19), (0.75, 0.2), (0.65, 0.4), (0.55, 0.6), (0.48, 0.8), (0.45, 0.88)]
THREE = [
    *((0.3, 0.22), (0.42, 0.14), (0.58, 0.14), (0.68, 0.24), (0.66, 0.36), (0.56, 0.45)),
    *((0.46, 0.48), (0.58, 0.51), (0.69, 0.6), (0.7, 0.73), (0.6, 0.84), (0.44, 0.86), (0.3, 0.78)),
]


def draw(tab: Any, path: list[tuple[float, float]], how: str = "mouse") -> None:
    # Between the corners a hand makes many points.
    fine = [
        (a[0] + (b[0] - a[0]) * k / 5, a[1] + (b[1] - a[1]) * k / 5)
        for a, b in zip(path, path[1:], strict=False)
        for k in range(5)
    ]
    left, upper = tab.place("#pad", 0, 0)
    right, lower = tab.place("#pad", 1, 1)
    points = [
        (left + x * (right - left), upper + y * (lower - upper)) for x, y in [*fine, path[-1]]
    ]
    getattr(tab, how)(points)


def answered(tab: Any, kind: str) -> None:
    tab.until(f"document.querySelector('#class').textContent === '{kind}'")


def fact(tab: Any, title: str) -> str:
    return tab.value(
        f"[...document.querySelectorAll('dt')].find(e => e.textContent === '{title}')"
        ".nextSibling.firstChild.textContent"
    )


def at_rest(tab: Any) -> None:
    """Wait until the answer on show is the one to the whole drawing."""
    tab.until("document.querySelector('#answer').ariaBusy === 'false'")


def equal(tab: Any) -> None:
    tab.until("document.querySelector('#facts dd.good')?.textContent.startsWith('equal')")


def keep(tab: Any, name: str, **how: Any) -> None:
    if SHOTS:
        tab.picture(Path(SHOTS) / name, **how)


def shown_logits(tab: Any) -> list[int]:
    texts = tab.value("[...document.querySelectorAll('.bar')].map(e => e.lastChild.textContent)")
    return [int(text.replace("−", "-").replace(",", "")) for text in texts]


def test_draw_with_the_simulated_board(
    serve, open_page, simulated: SimulatedBoard, planned: Any
) -> None:
    title = "The simulated 1BitSquared iCEBreaker"
    tab = open_page(serve(simulated.url, title, timeout=30.0, simulated=True))
    assert tab.text("#status-what") == f"{title} answers."
    tab.until("document.querySelectorAll('#layers canvas').length === 6")
    tab.value(
        "window.jumps = []; new PerformanceObserver(list => list.getEntries().forEach(entry => "
        "entry.sources.forEach(source => jumps.push(source.node?.id || source.node?.outerHTML))))"
        ".observe({type: 'layout-shift'})"
    )
    draw(tab, THREE)
    answered(tab, "3")
    equal(tab)
    assert "says the simulated 1BitSquared" in tab.text("#said")
    assert fact(tab, "Clocks an image") == f"{planned.plan.cycles:,}"
    assert "counted by the board" in tab.text("#facts")
    assert fact(tab, "Answer over the line").endswith("s")
    tab.until("document.querySelectorAll('#layers canvas').length === 6")
    tab.until("+document.querySelector('#facts').innerText.match(/Images answered\\s+(\\d+)/)[1]")
    keep(tab, "desktop.png")
    tab.click("#clear")
    answered(tab, "–")
    draw(tab, SEVEN)
    answered(tab, "7")
    tab.click("#undo")
    answered(tab, "–")
    assert tab.value("jumps") == []


def test_real_scans(serve, open_page, planned: Any, images: Any) -> None:
    tab = open_page(serve())
    assert tab.text("#status-what") == "The golden model answers."
    first = [int(np.flatnonzero(images.y == label)[0]) for label in range(10)]
    wanted = golden.run(planned.plan.graph, images.x[first], path="plain")
    assert wanted.classes is not None
    for label in range(10):
        tab.click(f"#samples button:nth-child({label + 1})")
        answered(tab, str(int(wanted.classes[label])))
        tab.until(
            "[...document.querySelectorAll('.bar')].map(e => e.lastChild.textContent)"
            f".join() === '{','.join(map(str, wanted.logits[label]))}'.replaceAll('-', '−')"
        )


def test_dark(serve, open_page) -> None:
    tab = open_page(serve(), dark=True)
    draw(tab, THREE)
    answered(tab, "3")
    assert tab.value("getComputedStyle(document.body).backgroundColor") == "rgb(14, 19, 27)"
    keep(tab, "dark.png")


def test_phone(serve, open_page) -> None:
    tab = open_page(serve(), width=360, height=740, phone=True)
    draw(tab, THREE, "finger")
    answered(tab, "3")
    assert tab.value("document.documentElement.scrollWidth") <= 360
    narrow = "[...document.querySelectorAll('button, label')].filter(e => e.offsetParent).filter"
    assert tab.value(f"{narrow}(e => e.getBoundingClientRect().right > 360).length") == 0
    keep(tab, "phone.png", whole=False)
    tab.send("Emulation.setDeviceMetricsOverride", width=320, height=640, deviceScaleFactor=2,
             mobile=True)  # fmt: skip
    assert tab.value("document.documentElement.scrollWidth") <= 320


def test_keys_alone(serve, open_page) -> None:
    tab = open_page(serve())
    for _ in range(6):
        tab.key("Tab")
        if tab.value("document.activeElement.id") == "pad":
            break
    assert tab.value("document.activeElement.id") == "pad"
    assert tab.value("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    for name, times in (("ArrowUp", 3), ("Space", 1), ("ArrowDown", 16), ("Space", 1)):
        for _ in range(times):
            tab.key(name)
    answered(tab, "1")
    tab.key("Escape")
    answered(tab, "–")
    for name in ("Space", "ArrowDown", "Backspace"):
        tab.key(name)
    answered(tab, "–")
    tab.key("Tab")
    assert tab.value("document.activeElement.tagName") == "BUTTON"


def test_everything_has_a_name(serve, open_page) -> None:
    tab = open_page(serve())
    draw(tab, SEVEN)
    answered(tab, "7")
    tree = tab.send("Accessibility.getFullAXTree")["nodes"]
    roles = ("button", "radio", "image", "img", "application", "heading", "checkbox")
    found = [node for node in tree if node.get("role", {}).get("value") in roles]
    assert len(found) > 25
    assert [node for node in found if not node.get("name", {}).get("value")] == []


def test_unplug_and_connect_again(serve, open_page, make_board, planned, real) -> None:
    board = make_board(planned.plan.graph, real)
    tab = open_page(serve(board.url, "The board at the desk", timeout=0.3))
    tab.expected = "503"  # The browser itself notes the refused request.
    draw(tab, THREE)
    answered(tab, "3")
    equal(tab)
    board.unplug()
    tab.until("document.querySelector('#status').dataset.state === 'bad'")
    assert "Check the cable" in tab.text("#status-todo")
    assert tab.text("#connect") == "Connect again"
    keep(tab, "unplugged.png", whole=False)
    tab.click("#connect")
    tab.until("document.querySelector('#status-what').textContent.includes('Nothing answers')")
    # Without a board the golden model still answers.
    tab.click("#sources label:nth-of-type(2)")
    tab.until("document.querySelector('#said').textContent.includes('the golden model')")
    tab.click("#sources label:nth-of-type(1)")
    tab.until("document.querySelector('#status').dataset.state === 'bad'")
    board.plug()
    tab.click("#connect")
    tab.until("document.querySelector('#status').dataset.state === 'good'")
    tab.until("document.querySelector('#said').textContent.includes('the board at the desk')")
    equal(tab)


def test_wrong_build(serve, open_page, make_board, planned, real) -> None:
    board = make_board(planned.plan.graph, real | {"identity": "ab" * 32})
    tab = open_page(serve(board.url, "The board", timeout=0.3))
    assert "runs the design abababababababab…" in tab.text("#status-what")
    assert "Flash the manifest's design" in tab.text("#status-todo")
    draw(tab, THREE)
    tab.until("!document.querySelector('#clear').disabled")
    assert tab.text("#class") == "–" and board.asked == 0


def test_a_server_that_is_gone(serve, open_page, chrome: Any, describe, planned, real) -> None:
    target = Target(planned.plan.graph, title="The golden model", manifest=real)
    server = PageServer(target, describe(real))
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    tab = open_page(server.url)
    tab.expected = "ERR_CONNECTION_REFUSED"
    server.shutdown()
    thread.join()
    server.server_close()
    tab.click("#samples button")
    tab.until("document.querySelector('#status-what').textContent.includes('does not answer')")


def test_web_serial(serve, serial_page, simulated: SimulatedBoard, planned: Any) -> None:
    tab = serial_page(serve(), simulated.url)
    tab.click("#sources label:nth-of-type(2)")
    tab.until("document.querySelector('#connect').textContent === 'Connect a board'")
    assert tab.text("#status-what") == "No board is connected to this browser."
    tab.value("fakeSerial.refused = true")
    tab.click("#connect")
    tab.until("document.querySelector('#status').dataset.state === 'idle'")
    tab.value("fakeSerial.refused = false")
    tab.click("#connect")
    tab.until("document.querySelector('#status').dataset.state === 'good'")
    assert tab.bridge.opened == [planned.board.link.baud]
    tab.until("document.querySelector('#facts').textContent.includes('counted by the board')")
    assert fact(tab, "Clocks an image") == f"{planned.plan.cycles:,}"
    shown = []
    for path, kind in ((THREE, "3"), (SEVEN, "7"), (THREE, "3")):
        tab.click("#clear")
        draw(tab, path)
        answered(tab, kind)
        at_rest(tab)
        equal(tab)
        shown.append(shown_logits(tab))
    # The same drawing, however many answers to halves of it came in between.
    assert shown[0] == shown[2] != shown[1]
    keep(tab, "web-serial.png", whole=False)
    tab.value("fakeSerial.pull()")
    tab.until("document.querySelector('#status').dataset.state === 'bad'")
    assert "connection to the board broke" in tab.text("#status-what")
    tab.click("#connect")
    tab.until("document.querySelector('#status-what').textContent.includes('cannot be opened')")
    tab.value("fakeSerial.absent = false")
    tab.click("#connect")
    tab.until("document.querySelector('#status').dataset.state === 'good'")
    tab.click("#samples button:nth-child(7)")
    answered(tab, "6")
    equal(tab)
    assert "the board at this browser" in tab.text("#said")
    tab.click("#connect")  # Which now says Disconnect.
    tab.until("document.querySelector('#status').dataset.state === 'idle'")


def test_web_serial_wrong_build(serve, serial_page, simulated, real) -> None:
    tab = serial_page(serve(manifest=real | {"identity": "cd" * 32}), simulated.url)
    tab.click("#sources label:nth-of-type(2)")
    tab.until("document.querySelector('#connect').textContent === 'Connect a board'")
    tab.click("#connect")
    tab.until("document.querySelector('#status').dataset.state === 'bad'")
    assert "This is the wrong build" in tab.text("#status-what")
    assert "Flash the design of this page" in tab.text("#status-todo")


def test_web_serial_over_a_bad_line(serve, serial_page, make_board, planned, real) -> None:
    """What arrives damaged is asked for again, and what differs is told."""
    board = make_board(planned.plan.graph, real)
    tab = serial_page(serve(), board.url)
    tab.click("#sources label:nth-of-type(2)")
    tab.until("document.querySelector('#connect').textContent === 'Connect a board'")
    tab.bridge.damage = 2
    tab.click("#connect")
    tab.until("document.querySelector('#status').dataset.state === 'good'")
    tab.bridge.damage = 2
    tab.click("#samples button:nth-child(3)")
    answered(tab, "2")
    equal(tab)
    assert tab.bridge.damage == 0
    board.wrong = True
    tab.click("#samples button:nth-child(4)")
    tab.until("document.querySelector('#facts dd.bad')?.textContent.startsWith('differs')")
    board.silent = True
    tab.click("#samples button:nth-child(5)")
    tab.until("document.querySelector('#status').dataset.state === 'bad'")
    assert "No board of bnnhw answers" in tab.text("#status-what")


def test_web_serial_without_a_server(
    serial_page, simulated, real, describe, images, planned, tmp_path: Path
) -> None:
    """Plain files on a web server that knows nothing of us."""
    write_page(tmp_path / "site", describe(real))

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *words: Any) -> None:
            pass

    handler = functools.partial(Quiet, directory=str(tmp_path / "site"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        tab = serial_page(f"http://127.0.0.1:{server.server_address[1]}/", simulated.url)
        assert tab.value("document.querySelectorAll('#sources label').length") == 1
        tab.click("#connect")
        tab.until("document.querySelector('#status').dataset.state === 'good'")
        first = int(np.flatnonzero(images.y == 4)[0])
        tab.click("#samples button:nth-child(5)")
        wanted = golden.run(planned.plan.graph, images.x[first : first + 1], path="plain")
        assert wanted.classes is not None
        answered(tab, str(int(wanted.classes[0])))
        assert shown_logits(tab) == wanted.logits[0].tolist()
        server.shutdown()


def test_frames_in_the_browser(serve, open_page) -> None:
    """Framing in JavaScript is that of the driver, for frames of all lengths and for garbage."""
    tab = open_page(serve())
    tab.value("import('./frames.js').then(all => { window.frames_ = all; })")
    assert tab.value("frames_.crc16(new TextEncoder().encode('123456789'))") == 0x29B1
    rng = np.random.default_rng(11)
    for size in (0, 1, 2, 24, 252, 253, 254, 255, 256, 508, 509, 700):
        for most in (2, 256):
            payload = rng.integers(0, most, size).tolist()
            sequence = int(rng.integers(256))
            wanted = list(encode(Frame(Kind.INFER, sequence, bytes(payload))))
            assert tab.value(f"Array.from(frames_.encodeFrame(2, {sequence}, {payload}))") == wanted
            raw = bytes(payload)
            assert tab.value(f"Array.from(frames_.cobsEncode({payload}))") == list(cobs.encode(raw))
            back = f"Array.from(frames_.cobsDecode({list(cobs.encode(raw))}))"
            assert tab.value(back) == payload
    good = list(encode(Frame(Kind.RESULT, 9, b"\0\1\2")))
    noise = [int(x) for x in rng.integers(0, 256, 3000)]
    tab.value("window.decoder = new frames_.Decoder()")
    tab.value(f"decoder.feed({[*noise, 0]})")
    assert tab.value("decoder.bad") > 0
    cut = f"[...decoder.feed({good[:4]}), ...decoder.feed({good[4:]})]"
    told = tab.value(f"{cut}.map(f => [f.version, f.kind, f.sequence, ...f.payload])")
    assert told == [[1, Kind.RESULT, 9, 0, 1, 2]]
    for k in range(len(good) - 1):
        bent = [*good[:k], good[k] ^ 0x40, *good[k + 1 :]]
        assert tab.value(f"decoder.feed({bent}).length") == 0
