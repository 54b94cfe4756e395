"""The page's server over HTTP, without a browser: who may ask, and what is answered."""

import contextlib
import http.client
import json
import math
import re
import socket
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bnnhw.page
from bnnhw import golden
from bnnhw.errors import DeviceError
from bnnhw.graph import Graph
from bnnhw.page import PageServer, Target, write_page
from bnnhw.page.files import CSP

ASSETS = Path(bnnhw.page.__file__).with_name("assets")
SIZE = 20


IMAGE = [int(pixel) for pixel in np.random.default_rng(3).integers(0, 256, SIZE)]


def test_files_of_the_page(client: Any) -> None:
    status, headers, page = client.ask()
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert page == (ASSETS / "index.html").read_bytes()
    for file in ASSETS.iterdir():
        status, headers, content = client.ask(file.name)
        if file.name == "index.html":
            assert status == 404  # It has one name, the address itself.
        else:
            assert (status, content) == (200, file.read_bytes())


def test_headers_on_everything(client: Any) -> None:
    for reply in (
        client.ask(),
        client.ask("nothing"),
        client.ask("api/state"),
        client.ask(method="DELETE"),
        client.ask(headers={"Host": "evil.example"}),
    ):
        headers = reply[1]
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; ") and "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy and "http" not in policy and "*" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        assert "Access-Control-Allow-Origin" not in headers
        assert "Python" not in headers["Server"]


def test_page_holds_nothing_inline_and_names_nobody() -> None:
    page = (ASSETS / "index.html").read_text()
    assert CSP in page
    assert re.findall(r"<script(?![^>]*\bsrc=)", page) == []
    assert re.findall(r"<style|\sstyle=|\son[a-z]+=|javascript:", page) == []
    for file in ASSETS.iterdir():
        text = file.read_text()
        named = set(re.findall(r"https?://[^\s\"')]*", text)) - {"http://www.w3.org/2000/svg"}
        assert named == set(), file.name
        assert not re.search(r"innerHTML|outerHTML|document\.write|eval\(|new Function", text)


def test_every_file_that_is_named_is_there() -> None:
    names = {file.name for file in ASSETS.iterdir()}
    for file in ASSETS.iterdir():
        text = file.read_text()
        wanted = set(re.findall(r'from "\./([^"]+)"', text))
        if file.suffix == ".html":
            wanted |= set(re.findall(r'(?:src|href)="([^"]+)"', text))
        assert wanted <= names, file.name
        assert len(text.splitlines()) <= 400


@pytest.mark.parametrize("token", ["", "x", "%C3%A9", "A" * 22, "..", "%2e%2e"])
def test_wrong_token(client: Any, token: str) -> None:
    for path, body in (("", None), ("api/state", None), ("api/infer", {"image": IMAGE})):
        status, _, told = client.ask(path, body, token=token)
        assert status == 404 and "whole address" in told["error"]["what"]


def test_address_without_its_last_slash(client: Any) -> None:
    line = f"GET /{client.server.token} HTTP/1.1\r\nHost: localhost:{client.port}\r\n\r\n"
    assert client.raw(line.encode()).startswith(b"HTTP/1.1 404 ")


def test_tokens_differ(serve, graph: Graph, manifest: dict[str, Any]) -> None:
    made = [serve(Target(graph, title="x", manifest=manifest)).server for _ in range(3)]
    assert len({server.token for server in made}) == 3
    assert all(len(server.token) >= 22 and server.token in server.url for server in made)
    assert all(server.server_address[0] == "127.0.0.1" for server in made)


def test_port_that_is_taken(client: Any, document: dict[str, Any]) -> None:
    with pytest.raises(DeviceError, match=r"^Port \d+ of this machine cannot be taken"):
        PageServer(client.server.target, document, port=client.port)


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example:{port}", ""]
)
def test_other_hosts(client: Any, host: str) -> None:
    named = host.format(port=client.port)
    for path, body in (("", None), ("api/infer", {"image": IMAGE})):
        assert client.ask(path, body, headers={"Host": named})[0] == 403


def test_hosts_of_our_own(client: Any) -> None:
    for name in ("127.0.0.1", "localhost", "LOCALHOST"):
        assert client.ask(headers={"Host": f"{name}:{client.port}"})[0] == 200
    assert client.ask(headers={"Host": None})[0] == 400
    line = f"GET /{client.server.token}/ HTTP/1.1\r\nHost: localhost:{client.port}\r\n"
    twice = client.raw(f"{line}Host: evil.example\r\n\r\n".encode())
    assert twice.startswith(b"HTTP/1.1 400 ")


def test_other_sites(client: Any) -> None:
    mine = f"http://127.0.0.1:{client.port}"
    asks: tuple[tuple[str, Any], ...] = (
        ("api/state", None),
        ("api/infer", {"image": IMAGE}),
        ("api/connect", {}),
    )
    for path, body in asks:
        for origin in ("https://evil.example", "null", f"{mine}.evil.example", "http://127.0.0.1"):
            assert client.ask(path, body, headers={"Origin": origin})[0] == 403
        for site in ("cross-site", "same-site"):
            assert client.ask(path, body, headers={"Sec-Fetch-Site": site})[0] == 403
        allowed = {"Origin": mine, "Sec-Fetch-Site": "same-origin"}
        assert client.ask(path, body, headers=allowed)[0] == 200
    # Others may link to the page, as a terminal in a browser does, but not read it.
    assert client.ask(headers={"Sec-Fetch-Site": "cross-site"})[0] == 200
    assert client.ask("main.js", headers={"Sec-Fetch-Site": "cross-site"})[0] == 403


@pytest.mark.parametrize(
    "path",
    [
        *("../server.py", "..%2fserver.py", "assets/page.css", "./page.css", "/etc/passwd"),
        *("api", "api/", "api/infer", "index.html/", "page.css/..", "__init__.py", "\\page.css"),
    ],
)
def test_no_path_leads_to_files(client: Any, path: str) -> None:
    assert client.ask(path)[0] == 404


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "HEAD", "X"])
def test_other_methods(client: Any, method: str) -> None:
    line = f"{method} /{client.server.token}/ HTTP/1.1\r\nHost: localhost:{client.port}\r\n\r\n"
    assert client.raw(line.encode()).startswith(b"HTTP/1.1 501 ")


HOSTILE = [
    *(b"", b"{", b"[" * 100, b"[" * 1000, b"\xff\xfe", b'"image"', b"[1]", b"{}"),
    *(b'{"image": NaN}', b'{"image": [1e999]}', b'{"image": ' + b"9" * 1000 + b"}"),
    *(b'{"image": 5}', b'{"image": null}', b'{"image": {"a": 1}}'),
]


@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_json(client: Any, body: bytes) -> None:
    status, _, told = client.ask("api/infer", body)
    assert status == 400 and told["error"]["what"]
    assert client.ask("api/infer", {"image": IMAGE})[0] == 200


@pytest.mark.parametrize(
    "image",
    [
        *(IMAGE[:-1], [*IMAGE, 0], [[0] * SIZE]),
        *([*IMAGE[:-1], last] for last in (256, -1, True, 1.5, "1", None, 10**18)),
    ],
)
def test_wrong_images(client: Any, image: Any) -> None:
    status, _, told = client.ask("api/infer", {"image": image})
    assert (status, told["error"]["kind"]) == (400, "UsageError")
    assert told["error"]["todo"]


def test_wrong_words(client: Any) -> None:
    for body in ({"image": IMAGE, "on": "nobody"}, {"image": IMAGE, "path": "/etc/passwd"}):
        assert client.ask("api/infer", body)[0] == 400


def test_sizes_and_kinds(client: Any) -> None:
    limit = client.server.limit
    assert client.ask("api/infer", b" " * (limit + 1))[0] == 413
    assert client.ask("api/infer", b"{}", headers={"Content-Length": "9" * 30})[0] == 413
    for length in ("-1", "+2", "x", "2.0", "\u00b2"):
        assert client.ask("api/infer", b"{}", headers={"Content-Length": length})[0] == 400
    assert client.ask("api/infer", b"{}", headers={"Content-Length": None})[0] == 411
    assert client.ask("api/infer", b"{}", headers={"Transfer-Encoding": "chunked"})[0] == 411
    for kind in ("text/plain", "application/x-www-form-urlencoded", None):
        assert client.ask("api/infer", b"{}", headers={"Content-Type": kind})[0] == 415
    assert client.ask("a" * 70_000)[0] == 414


def test_nonsense_instead_of_http(client: Any) -> None:
    for data in (b"\x00" * 100, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", bytes(range(256))):
        assert b"Traceback" not in client.raw(data)
    assert client.ask()[0] == 200


def test_too_many_connections(client: Any) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(32):
            stack.enter_context(socket.create_connection(("127.0.0.1", client.port), timeout=10))
        with pytest.raises((ConnectionError, http.client.BadStatusLine)):
            client.ask()
    # They are gone, and there is room again as soon as the server has seen it.
    for _ in range(500):
        with contextlib.suppress(ConnectionError, http.client.BadStatusLine):
            assert client.ask()[0] == 200
            return
    pytest.fail("no room was made")


def test_design(client: Any, graph: Graph, manifest: dict[str, Any]) -> None:
    status, _, told = client.ask("design.json")
    assert status == 200 and told["server"] is True
    assert told["picture"] == [1, 4, 5] and told["top"] == 255
    assert told["manifest"]["input"]["lut"] == manifest["input"]["lut"]
    assert [sample["label"] for sample in told["samples"]] == [0, 1, 2]
    assert told["samples"][2]["image"] == list(range(SIZE))


def test_golden_model_answers(client: Any, graph: Graph) -> None:
    draw = np.random.default_rng(9)
    for _ in range(5):
        image = draw.integers(0, 256, SIZE)
        status, _, told = client.ask("api/infer", {"image": image.tolist()})
        wanted = golden.run(graph, image[None], path="plain", trace=True)
        assert status == 200 and wanted.classes is not None
        assert told["logits"] == wanted.logits[0].tolist()
        assert told["class"] == int(wanted.classes[0])
        assert (told["by"], told["milliseconds"]) == ("the golden model", None)
        assert [layer["name"] for layer in told["layers"]] == ["image", "fc1", "sign1", "fc2"]
        for layer in told["layers"]:
            values = wanted.edges[layer["name"]][0]
            assert layer["values"] == values.reshape(-1).tolist()
            assert math.prod(layer["shape"]) == values.size
            grid = graph.edges[layer["name"]].grid
            assert (layer["low"], layer["high"], layer["levels"]) == (
                grid.low,
                grid.high,
                grid.levels,
            )


def test_board_answers(desk: Any, graph: Graph) -> None:
    client, board = desk
    wanted = golden.run(graph, [IMAGE], path="plain")
    status, _, told = client.ask("api/infer", {"image": IMAGE})
    assert (status, told["by"], told["agrees"]) == (200, "the board", True)
    assert told["logits"] == wanted.logits[0].tolist()
    assert told["milliseconds"] > 0 and board.asked == 1
    _, _, told = client.ask("api/infer", {"image": IMAGE, "on": "model"})
    assert told["by"] == "the golden model" and board.asked == 1
    _, _, state = client.ask("api/state")
    assert state["connected"] and state["counts"]["images"] == 1
    assert state["board"] == {
        "clock_hz": 12_000_000, "credits": 4, "bad_frames": 7, "line_errors": 2, "queued": 0,
    }  # fmt: skip


def test_board_never_sees_a_bad_image(desk: Any) -> None:
    client, board = desk
    assert client.ask("api/infer", {"image": [256] * SIZE})[0] == 400
    assert board.asked == 0
    assert client.ask("api/state")[2]["connected"]


def test_a_board_that_differs_is_told(desk: Any) -> None:
    client, board = desk
    board.wrong = True
    assert client.ask("api/infer", {"image": IMAGE})[2]["agrees"] is False
    assert client.ask("api/state")[2]["counts"]["differences"] == 1


def test_unplug_and_reconnect(desk: Any) -> None:
    client, board = desk
    assert client.ask("api/infer", {"image": IMAGE})[0] == 200
    board.unplug()
    status, _, told = client.ask("api/infer", {"image": IMAGE})
    assert (status, told["error"]["exit_code"]) == (503, DeviceError.exit_code)
    assert "Check the cable" in told["error"]["todo"]
    # It is not asked again by itself, and the golden model goes on.
    again = client.ask("api/infer", {"image": IMAGE})
    assert (again[0], again[2]) == (503, told)
    assert client.ask("api/infer", {"image": IMAGE, "on": "model"})[0] == 200
    status, _, told = client.ask("api/connect", {})
    assert status == 503 and "Nothing answers" in told["error"]["what"]
    board.plug()
    status, _, state = client.ask("api/connect", {})
    assert (status, state["connected"], state["error"]) == (200, True, None)
    assert client.ask("api/infer", {"image": IMAGE})[2]["agrees"] is True
    counts = client.ask("api/state")[2]["counts"]
    assert (counts["images"], counts["connections"], counts["failures"]) == (2, 2, 1)


def test_before_it_is_connected(serve, make_board, graph: Graph, manifest: Any) -> None:
    board = make_board(graph, manifest)
    client = serve(Target(graph, title="The board", url=board.url, manifest=manifest, timeout=0.2))
    state = client.ask("api/state")[2]
    assert not state["connected"] and state["error"]["what"] == "The board is not connected."
    status, _, told = client.ask("api/infer", {"image": IMAGE})
    assert status == 503 and told["error"] == state["error"]
    assert client.ask("api/connect", {})[2]["connected"]


def test_state_notices_that_the_board_is_gone(desk: Any) -> None:
    client, board = desk
    board.unplug()
    state = client.ask("api/state")[2]
    assert not state["connected"] and state["board"] is None
    assert state["error"]["exit_code"] == DeviceError.exit_code


def test_silent_board(desk: Any) -> None:
    client, board = desk
    board.silent = True
    status, _, told = client.ask("api/infer", {"image": IMAGE})
    assert status == 503 and "stopped answering" in told["error"]["what"]


def test_wrong_build(serve, make_board, graph: Graph, manifest: dict[str, Any]) -> None:
    board = make_board(graph, manifest | {"identity": "ab" * 32})
    target = Target(graph, title="The board", url=board.url, manifest=manifest, timeout=0.2)
    with pytest.raises(DeviceError, match=r"runs the design abababababababab…"):
        target.connect()
    client = serve(target)
    state = client.ask("api/state")[2]
    assert not state["connected"] and "runs the design" in state["error"]["what"]
    status, _, told = client.ask("api/infer", {"image": IMAGE})
    assert (status, board.asked) == (503, 0) and "Flash the manifest's" in told["error"]["todo"]


def test_many_ask_at_once(desk: Any, graph: Graph) -> None:
    client, board = desk
    draw = np.random.default_rng(4)
    images = draw.integers(0, 256, (12, SIZE))
    wanted = golden.run(graph, images, path="plain").logits.tolist()
    got: dict[int, Any] = {}

    def ask(k: int) -> None:
        got[k] = client.ask("api/infer", {"image": images[k].tolist()})[2]["logits"]

    threads = [threading.Thread(target=ask, args=(k,)) for k in range(len(images))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [got[k] for k in range(len(images))] == wanted and board.asked == len(images)


def test_page_as_plain_files(tmp_path: Path, document: dict[str, Any]) -> None:
    files = write_page(tmp_path / "site", document)
    assert {file.name for file in files} == {file.name for file in ASSETS.iterdir()} | {
        "design.json"
    }
    assert json.loads((tmp_path / "site" / "design.json").read_text()) == document
    assert "server" not in document
