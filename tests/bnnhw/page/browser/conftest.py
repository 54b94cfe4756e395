"""A headless Chromium over the DevTools protocol, on two pipes: no package, no driver, no port."""

import base64
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bnnhw import data
from bnnhw.fold import Folding, LayerFold
from bnnhw.images import load_images
from bnnhw.load import load_model
from bnnhw.page import PageServer, Target
from bnnhw.page.design import design
from bnnhw.plan import Plan, make_plan
from bnnhw.plan import manifest as manifest_of
from bnnhw.target import Board
from rtl_gen.build.boards import load_board
from sim.board import SimulatedBoard

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_FAKE = Path(__file__).with_name("fake_serial.js").read_text()
_PATIENCE = 60.0
_OPTIONS = (
    "--headless=new", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu", "--no-sandbox",
    "--disable-dev-shm-usage", "--disable-extensions", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--mute-audio", "--no-default-browser-check",
    "--hide-scrollbars", "--force-color-profile=srgb",
)  # fmt: skip


class Chrome:
    """One browser; commands wait for their replies, events go to the tabs."""

    def __init__(self, program: str, folder: Path) -> None:
        (their_in, self._out), (self._in, their_out) = os.pipe(), os.pipe()
        # The protocol is on descriptors 3 and 4, whatever numbers the pipes have here.
        words = [program, *_OPTIONS, f"--user-data-dir={folder}", "about:blank"]
        shell = f'exec "$@" 3<&{their_in} 4>&{their_out}'
        self._process = subprocess.Popen(
            ["bash", "-c", shell, "chrome", *words], pass_fds=(their_in, their_out),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        for theirs in (their_in, their_out):
            os.close(theirs)
        self._number = 0
        self._news = threading.Condition()
        self._replies: dict[int, Any] = {}
        self._tabs: dict[str, Tab] = {}
        self._gone = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def send(self, method: str, session: str | None = None, **parameters: Any) -> Any:
        with self._news:
            self._number += 1
            number = self._number
            message = {"id": number, "method": method, "params": parameters}
            message |= {"sessionId": session} if session else {}
            os.write(self._out, json.dumps(message).encode() + b"\0")
            done = self._news.wait_for(lambda: number in self._replies or self._gone, _PATIENCE)
            assert done and number in self._replies, f"no reply to {method}"
            reply = self._replies.pop(number)
        assert "error" not in reply, (method, reply["error"])
        return reply["result"]

    def tab(self, url: str, **view: Any) -> "Tab":
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        tab = self._tabs[session] = Tab(self, target, session)
        tab.start(url, **view)
        return tab

    def close(self) -> None:
        os.close(self._out)
        self._process.kill()
        self._process.wait()
        self._reader.join(10)
        os.close(self._in)

    def _read(self) -> None:
        rest = b""
        while data := os.read(self._in, 1 << 16):
            *whole, rest = (rest + data).split(b"\0")
            for text in whole:
                self._take(json.loads(text))
        with self._news:
            self._gone = True
            self._news.notify_all()

    def _take(self, message: dict[str, Any]) -> None:
        if "id" in message:
            with self._news:
                self._replies[message["id"]] = message
                self._news.notify_all()
        elif tab := self._tabs.get(message.get("sessionId", "")):
            tab.heard(message["method"], message["params"])


class Tab:
    """One page."""

    def __init__(self, chrome: Chrome, target: str, session: str) -> None:
        self._chrome, self._target, self._session = chrome, target, session
        self.complaints: list[str] = []
        self.asked: list[str] = []
        self.on_call: Callable[[str], None] = lambda text: None

    def send(self, method: str, **parameters: Any) -> Any:
        return self._chrome.send(method, self._session, **parameters)

    def start(
        self, url: str, *, width: int = 1280, height: int = 900, phone: bool = False,
        dark: bool = False, script: str = "", on_call: Callable[[str], None] | None = None,
    ) -> None:  # fmt: skip
        self.on_call = on_call or self.on_call
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=height,
            deviceScaleFactor=2 if phone else 1, mobile=phone,
        )  # fmt: skip
        self.send("Emulation.setTouchEmulationEnabled", enabled=phone)
        wishes = {"color-scheme": "dark" if dark else "light", "reduced-motion": "reduce"}
        features = [{"name": f"prefers-{name}", "value": value} for name, value in wishes.items()]
        self.send("Emulation.setEmulatedMedia", features=features)
        self.send("Runtime.addBinding", name="callTest")
        if script:
            self.send("Page.addScriptToEvaluateOnNewDocument", source=script)
        self.send("Page.navigate", url=url)
        self.until("document.readyState === 'complete' && document.title !== ''")

    def heard(self, method: str, facts: dict[str, Any]) -> None:
        if method == "Runtime.consoleAPICalled" and facts["type"] in ("error", "warning"):
            self.complaints.append(str([part.get("value") for part in facts["args"]]))
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(facts["exceptionDetails"])[:1000])
        elif method == "Log.entryAdded" and facts["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"{facts['entry']['text']} {facts['entry'].get('url', '')}")
        elif method == "Network.requestWillBeSent":
            self.asked.append(facts["request"]["url"])
        elif method == "Runtime.bindingCalled":
            self.on_call(facts["payload"])

    def value(self, expression: str) -> Any:
        """Evaluate JavaScript as a user who has just clicked, and wait for what it promises."""
        result = self.send(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True,
            userGesture=True,
        )  # fmt: skip
        assert "exceptionDetails" not in result, json.dumps(result["exceptionDetails"])[:1000]
        return result["result"].get("value")

    def until(self, expression: str) -> Any:
        """Wait until an expression is true."""
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            if found := self.value(expression):
                return found
            time.sleep(0.05)
        state = self.value("document.body.innerText")
        raise AssertionError(f"{expression} never came; {self.complaints}; the page says: {state}")

    def text(self, selector: str) -> str:
        return self.value(f"document.querySelector({json.dumps(selector)}).textContent")

    def click(self, selector: str) -> None:
        x, y = self.place(selector, 0.5, 0.5)
        self.mouse([(x, y)])

    def place(self, selector: str, right: float, down: float) -> tuple[float, float]:
        """Bring an element into view and find a point of it on the screen."""
        box = self.value(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); "
            "e.scrollIntoView({block: 'nearest'}); const b = e.getBoundingClientRect(); "
            "return [b.x, b.y, b.width, b.height]; })()"
        )
        return box[0] + right * box[2], box[1] + down * box[3]

    def mouse(self, path: list[tuple[float, float]]) -> None:
        kinds = ["mousePressed", *["mouseMoved"] * (len(path) - 1), "mouseReleased"]
        for kind, (x, y) in zip(kinds, [*path, path[-1]], strict=True):
            self.send(
                "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1,
                clickCount=1,
            )  # fmt: skip

    def finger(self, path: list[tuple[float, float]]) -> None:
        kinds = ["touchStart", *["touchMove"] * (len(path) - 1)]
        for kind, (x, y) in zip(kinds, path, strict=True):
            self.send("Input.dispatchTouchEvent", type=kind, touchPoints=[{"x": x, "y": y}])
        self.send("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def key(self, name: str, *, shift: bool = False) -> None:
        text = {"Space": " ", "Enter": "\r"}.get(name)
        shown = " " if name == "Space" else name
        facts: dict[str, Any] = {"key": shown, "code": name, "modifiers": 8 if shift else 0}
        if name == "Tab":
            facts |= {"windowsVirtualKeyCode": 9}
        self.send(
            "Input.dispatchKeyEvent", type="keyDown", **facts, **({"text": text} if text else {})
        )
        self.send("Input.dispatchKeyEvent", type="keyUp", **facts)

    def picture(self, path: Path, *, whole: bool = True) -> None:
        shot = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def close(self) -> None:
        self._chrome.send("Target.closeTarget", targetId=self._target)


@pytest.fixture(scope="session")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    named = os.environ.get("BNNHW_CHROMIUM")
    found = named or next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.fail("no Chromium was found: install one (Debian: apt-get install chromium)")
    browser = Chrome(found, tmp_path_factory.mktemp("chrome"))
    yield browser
    browser.close()


@dataclass(frozen=True)
class Planned:
    """A plan for a board."""

    plan: Plan
    board: Board


@pytest.fixture(scope="module")
def planned() -> Planned:
    """Fold the bundled network by hand, so that the compiled board stays the same."""
    graph = load_model(data.path("digits_mlp.onnx"))
    layers = {f"fc{k}": LayerFold(pe=2, simd=8) for k in (1, 2, 3)}
    plan = make_plan(graph, Folding(layers), name="digits")
    return Planned(plan, load_board("icebreaker"))


@pytest.fixture(scope="module")
def real(planned: Planned) -> dict[str, Any]:
    return manifest_of(planned.plan)


@pytest.fixture(scope="module")
def images(planned: Planned) -> Any:
    return load_images(data.path("digits_test.npz"), planned.plan.graph)


@pytest.fixture(scope="module")
def simulated(planned: Planned) -> Iterator[SimulatedBoard]:
    board = planned.board
    with SimulatedBoard(
        planned.plan, clock_hz=board.clock.sync_hz, baud=board.link.baud, benchmark=True
    ) as running:
        yield running


@pytest.fixture
def describe(planned: Planned, images: Any) -> Callable[..., dict[str, Any]]:
    def make_design(manifest: dict[str, Any]) -> dict[str, Any]:
        board = planned.board
        return design(
            planned.plan.graph, manifest, board=board.title, clock_hz=board.clock.sync_hz,
            baud=board.link.baud, samples=images,
        )  # fmt: skip

    return make_design


@pytest.fixture
def serve(planned: Planned, real: dict[str, Any], describe) -> Iterator[Callable[..., str]]:
    """Give a function that serves a page and gives its address."""
    with ExitStack() as stack:

        def start(url: str | None = None, title: str = "The golden model", **facts: Any) -> str:
            manifest = facts.pop("manifest", real)
            target = Target(planned.plan.graph, title=title, url=url, manifest=manifest, **facts)
            with suppress(Exception):
                target.connect()
            server = PageServer(target, describe(manifest))
            thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
            thread.start()
            for leave in (target.close, server.server_close, thread.join, server.shutdown):
                stack.callback(leave)
            return server.url

        yield start


@pytest.fixture
def open_page(chrome: Any) -> Iterator[Callable[..., Any]]:
    """Give a function that opens a page; at the end it has asked nobody else and not complained."""
    tabs = []

    def start(url: str, **view: Any) -> Any:
        tab = chrome.tab(url, **view)
        tabs.append((tab, url))
        tab.until("document.querySelectorAll('.bar').length === 10")
        return tab

    yield start
    for tab, url in tabs:
        complaints, asked = tab.complaints, set(tab.asked)
        tab.close()
        expected = getattr(tab, "expected", "")
        assert [line for line in complaints if not (expected and expected in line)] == []
        assert asked and all(one.startswith(url) for one in asked)


class Bridge:
    """Carries the bytes of a page's fake serial port to a board, and the board's to the page."""

    def __init__(self, url: str) -> None:
        host, port = url.removeprefix("socket://").split(":")
        self.line = socket.create_connection((host, int(port)))
        self.opened: list[int] = []
        self.tab: Any = None
        self.damage = 0  # So many pieces of what the board says still get a bit turned over.

    def call(self, text: str) -> None:
        said = json.loads(text)
        if "write" in said:
            self.line.sendall(bytes(said["write"]))
        elif "open" in said:
            self.opened.append(said["open"])

    def run(self, tab: Any) -> None:
        self.tab = tab
        threading.Thread(target=self._carry, daemon=True).start()

    def _carry(self) -> None:
        with suppress(OSError, AssertionError):
            while got := self.line.recv(4096):
                if self.damage:
                    self.damage -= 1
                    got = bytes([got[0] ^ 0x10]) + got[1:]
                self.tab.value(f"fakeSerial.arrive({list(got)})")


@pytest.fixture
def serial_page(open_page) -> Iterator[Callable[[str, str], Any]]:
    """Give a function that opens a page whose browser has a board at its serial port."""
    with ExitStack() as stack:

        def start(page: str, board: str) -> Any:
            bridge = Bridge(board)
            stack.enter_context(closing(bridge.line))
            stack.callback(lambda: bridge.line.shutdown(socket.SHUT_RDWR))
            tab = open_page(page, script=_FAKE, on_call=bridge.call)
            bridge.run(tab)
            tab.bridge = bridge
            return tab

        yield start
