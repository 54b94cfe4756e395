"""The driver in a Python that has NumPy, pyserial, cobs and crc, and nothing else of ours."""

import json
import socket
import subprocess
import sys
import threading
from pathlib import Path

from bnnhw.driver.model import GoldenBoard
from bnnhw.fold import serial
from bnnhw.plan import make_plan, manifest
from sim.samples import images, network

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import asyncio, json, sys

class Only:
    allowed = {"bnnhw", "numpy", "serial", "cobs", "crc"}

    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in self.allowed and top not in sys.stdlib_module_names:
            raise ImportError(f"{name} is no part of the light core")

sys.meta_path.insert(0, Only())
sys.path.insert(0, sys.argv[1])
import bnnhw, bnnhw.aio
try:
    import yaml_or_whatever
except ImportError as error:
    assert "no part" in str(error)
else:
    raise SystemExit("the hook does not work")
manifest, images = json.loads(sys.stdin.read())
with bnnhw.open(sys.argv[2], manifest=manifest, timeout=20) as device:
    told = device.predict(images).logits.tolist()
    one = [answer.logits.tolist() for answer in device.predict_iter(images)]
    made = [check for check in device.self_test() if check.name != "golden"]
    assert made and all(check.passed for check in made), made
    device.counters()
assert one == told
async def again():
    async with await bnnhw.aio.open(sys.argv[2], manifest=manifest, timeout=20) as device:
        return (await device.predict(images)).logits.tolist()
assert asyncio.run(again()) == told
loaded = {name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)
print(json.dumps([told, sorted(loaded & {"amaranth", "typer", "rich", "onnx", "numba"})]))
"""


def serve(server: socket.socket, board: GoldenBoard) -> None:
    """Bring bytes to the golden model and back, one host after the other."""
    while True:
        try:
            peer, _ = server.accept()
        except OSError:
            return
        with peer:
            while data := peer.recv(4096):
                board.write(data)
                peer.sendall(board.read(0))


def test_light_core_alone() -> None:
    from bnnhw import golden

    net = network([20, 6, 3], 2)
    told = manifest(make_plan(net, serial(net)))
    pool = images(net, 5, 1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, args=(server, GoldenBoard(net, told)), daemon=True).start()
        url = f"socket://127.0.0.1:{server.getsockname()[1]}"
        child = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(ROOT), url],
            input=json.dumps([told, pool.tolist()]),
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert child.returncode == 0, child.stderr
    logits, heavy = json.loads(child.stdout)
    assert logits == golden.run(net, pool).logits.tolist()
    assert heavy == []
