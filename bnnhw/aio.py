"""The driver for asyncio: the same devices, whose waiting is done in a thread."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import numpy.typing as npt

from . import driver
from .driver import Answer, Answers, Benchmark, Check, Counters, Device
from .graph import Graph
from .link.protocol import Hello

__all__ = ["AsyncDevice", "open"]

_T = TypeVar("_T")


async def open(
    url: str,
    *,
    manifest: Mapping[str, Any] | Path | str | None = None,
    model: Graph | Path | str | None = None,
    timeout: float | None = None,
) -> "AsyncDevice":
    """Reach a board as `bnnhw.driver.open` does, with its parameters, checks and errors."""

    def reach() -> Device:
        return driver.open(url, manifest=manifest, model=model, timeout=timeout)

    task = asyncio.ensure_future(asyncio.to_thread(reach))
    try:
        return AsyncDevice(await asyncio.shield(task))
    except asyncio.CancelledError:
        # The thread cannot be stopped; what it reaches is given back.
        task.add_done_callback(_give_back)
        raise


def _give_back(done: "asyncio.Future[Device]") -> None:
    if not done.cancelled() and done.exception() is None:
        done.result().close()


class AsyncDevice:
    """A device whose methods are awaited; use it in an `async with` statement.

    One call has the line at a time, the others wait. A call that is cancelled ends in its thread,
    after its time-outs at the latest, before the next one begins.

    Parameters
    ----------
    device : Device
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> "AsyncDevice":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Give the line back."""
        await self._call(self._device.close)

    @property
    def info(self) -> Hello:
        """What the board said of itself when it was opened."""
        return self._device.info

    async def hello(self) -> Hello:
        """Ask the board again, as `Device.hello`."""
        return await self._call(self._device.hello)

    async def counters(self) -> Counters:
        """Ask for the counts of errors, as `Device.counters`."""
        return await self._call(self._device.counters)

    async def predict(self, images: npt.ArrayLike) -> Answers:
        """Send images and collect the answers, as `Device.predict`."""
        return await self._call(lambda: self._device.predict(images))

    async def predict_iter(
        self, images: Iterable[npt.ArrayLike], *, inflight: int = 8
    ) -> AsyncIterator[Answer]:
        """Yield answers in the order of the images, as `Device.predict_iter`.

        The iterable is asked in a thread.
        """
        answers = self._device.predict_iter(images, inflight=inflight)
        try:
            while (answer := await self._call(lambda: next(answers, None))) is not None:
                yield answer
        finally:
            await self._call(getattr(answers, "close", lambda: None))

    async def benchmark(self, image: npt.ArrayLike | None = None, *, images: int = 0) -> Benchmark:
        """Count the clocks of many runs inside, as `Device.benchmark`."""
        return await self._call(lambda: self._device.benchmark(image, images=images))

    async def load_weights(self, model: Graph | Path | str) -> int:
        """Give the board other weights, as `Device.load_weights`."""
        return await self._call(lambda: self._device.load_weights(model))

    async def self_test(self, model: Graph | Path | str | None = None) -> tuple[Check, ...]:
        """Try the line and the design, as `Device.self_test`."""
        return await self._call(lambda: self._device.self_test(model))

    async def _call(self, work: Callable[[], _T]) -> _T:
        await self._turn.acquire()
        task = asyncio.ensure_future(asyncio.to_thread(work))
        task.add_done_callback(lambda done: self._turn.release())
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            # Nobody waits for it any more, so nobody else hears how it failed.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise
