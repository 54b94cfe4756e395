"""Run a PyTorch module on an example and write down what it did; the only file that needs torch.

Every function of PyTorch that touches a tensor which depends on the input is written down; whatever
does not depend on it, such as weights that a quantiser of the module's own makes binary, is a
constant, with the values that PyTorch gave it. A second run on other images of another number must
do the same with the same constants: what a module decides by its input is refused.
"""

import importlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from ..errors import ToolMissing, UsageError
from ..names import printable
from .torch_calls import METADATA, Call, bound, spelled
from .torch_description import Description, Operation, Reference

__all__ = ["load_state", "trace"]

_TODO = "Change the module, or make a graph of its arrays with bnnhw.from_arrays."
_INPUT = "input"


def _torch() -> Any:
    try:
        return importlib.import_module("torch")
    except ImportError as error:
        raise ToolMissing(
            "Reading a live module needs PyTorch, which is not installed.",
            'Install it: pip install "bnnhw[train]", or record the module where PyTorch is.',
        ) from error


def load_state(model: Any, state: Path | Mapping[str, Any]) -> Any:
    """Put a state_dict, or the file of one, into a module and give the module.

    The file is read with ``weights_only=True``: no code of it runs.

    Raises
    ------
    UsageError
        If its keys or shapes are not those of the module.
    """
    torch = _torch()
    try:
        if isinstance(state, Path):
            state = torch.load(state, map_location="cpu", weights_only=True)
        model.load_state_dict(state, strict=True)
    except Exception as error:
        first = printable(str(error).strip().replace("\n", " "))[:400]
        raise UsageError(
            f"The state does not suit a {type(model).__name__}: {first}",
            "Give the state_dict of a module of the same class and sizes.",
        ) from error
    return model


def trace(model: Any, example_input: Any, *, taps: bool = False) -> Description:
    """Describe a module by what it does to an example, as at inference (``eval()``, no gradients).

    Parameters
    ----------
    model : torch.nn.Module
        On the CPU, in 32-bit floats; its mode is restored afterwards.
    example_input : torch.Tensor or array of floats, shape (n, ...)
        Images as the module expects them, not bytes; the more, the better are the ranges of values
        known that 8-bit layers are rounded to.
    taps : bool
        Keep the output of every operation as the array ``tap_NAME`` of the description.

    Raises
    ------
    UsageError
        If the module does what cannot be written down; the message says what and where.
    ToolMissing
        If PyTorch is not installed.
    """
    torch = _torch()
    example = torch.as_tensor(example_input).detach().to("cpu", torch.float32)
    if example.ndim < 2 or not len(example):
        raise UsageError(
            f"The example has the shape {tuple(example.shape)}.", "Give a batch of images."
        )
    others = torch.cat([example.flip(0) * 0.75, example[:1]])
    with _still(torch, model):
        first = _run(torch, model, example, taps)
        second = _run(torch, model, others, False)
    _check_same(first, second)
    return first


@contextmanager
def _still(torch: Any, model: Any) -> Iterator[None]:
    """Put a module into its mode for inference, and back."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training


def _run(torch: Any, model: Any, example: Any, taps: bool) -> Description:
    recorder = _Recorder(torch, model, example, taps)
    mode = type("Mode", (torch.overrides.TorchFunctionMode,), {
        "__torch_function__": lambda self, func, types, args=(), kwargs=None:
            recorder.call(func, args, kwargs or {}),
    })  # fmt: skip
    with ExitStack() as stack:
        stack.enter_context(recorder.paths())
        stack.enter_context(mode())
        result = model(example)
    if not isinstance(result, torch.Tensor):
        raise UsageError(
            f"The module gives a {type(result).__name__} instead of one tensor of scores.", _TODO
        )
    return recorder.description(result)


def _check_same(first: Description, second: Description) -> None:
    same = len(first.operations) == len(second.operations) and all(
        (a.op, a.arguments, a.shape) == (b.op, b.arguments, b.shape)
        for a, b in zip(first.operations, second.operations, strict=True)
    )
    constants = {key: array for key, array in first.arrays.items() if not key.startswith("tap_")}
    empty = np.zeros(0)
    arrays = [
        key
        for key, array in constants.items()
        if not np.array_equal(array, second.arrays.get(key, empty), equal_nan=True)
    ]
    if not same or arrays:
        what = "other operations" if not same else f"another constant '{arrays[0]}'"
        raise UsageError(
            f"The module computes with {what} for other images; a circuit does always the same.",
            _TODO,
        )


class _Recorder:
    """Writes down calls of functions while a module runs."""

    def __init__(self, torch: Any, model: Any, example: Any, taps: bool) -> None:
        self._torch, self._model, self._taps = torch, model, taps
        self._batch = len(example)
        self._shape = (1, *example.shape[1:])
        self._path = [""]
        self._alive: list[Any] = [example]  # A tensor that is gone may leave its number to another.
        self._names = {id(example): _INPUT}
        self._places = {self._place(example): _INPUT}
        self._storages = {example.untyped_storage().data_ptr()}
        self._operations: list[Operation] = []
        self._arrays: dict[str, npt.NDArray[Any]] = {}
        self._constants: dict[int, str] = {}

    def _fail(self, what: str) -> NoReturn:
        where = f"module '{self._path[-1]}' ({printable(what)})" if self._path[-1] else what
        raise UsageError(f"The module cannot be written down: {where}.", _TODO)

    def _place(self, tensor: Any) -> tuple[Any, ...]:
        place = tensor.untyped_storage().data_ptr(), tensor.storage_offset()
        return *place, tuple(tensor.shape), tuple(tensor.stride())

    @contextmanager
    def paths(self) -> Iterator[None]:
        """Keep track of which module runs."""
        known = {}
        for name, module in self._model.named_modules():
            known[id(module)] = name
            # A container of bitorch stands for the layer in it.
            inner = vars(module).get("_layer_implementation")
            if inner is not None:
                known[id(inner)] = name
        hooks = self._torch.nn.modules.module

        def before(module: Any, inputs: Any) -> None:
            self._path.append(known.get(id(module), self._path[-1]))

        def after(module: Any, inputs: Any, output: Any) -> None:
            self._path.pop()

        handles = [
            hooks.register_module_forward_pre_hook(before),
            hooks.register_module_forward_hook(after, always_call=True),
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _known(self, tensor: Any) -> str | None:
        """Give the name of a tensor that depends on the input, or None for a constant."""
        if id(tensor) in self._names:
            return self._names[id(tensor)]
        # A function of autograd may give back its own input as another object in the same place.
        name = self._places.get(self._place(tensor))
        if (
            name is None
            and tensor.numel()
            and (tensor.untyped_storage().data_ptr() in self._storages)
        ):
            self._fail("a tensor is a part of another in a way that was not seen")
        return name

    def call(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Run one function of PyTorch, and write it down if it reads what depends on the input."""
        tensors = list(_tensors(self._torch, [args, kwargs]))
        traced = any(self._known(tensor) for tensor in tensors)
        spelling = spelled(func)
        if not traced:
            return func(*args, **kwargs)
        if spelling.in_place and not self._known(args[0]):
            self._fail(f"{spelling.op} writes what depends on the input into a constant")
        call = None if spelling.op in METADATA else bound(spelling.op, args, kwargs)
        arguments = {} if call is None else self._arguments(call)
        result = func(*args, **kwargs)
        if not isinstance(result, self._torch.Tensor):
            return self._several(spelling.op, call, arguments, result)
        if call is None:
            if self._known(result) is None and spelling.op != "__get__":
                self._fail(f"{spelling.op} is a function that is not supported")
            self._alive.append(result)
            return result
        if spelling.op == "identity" and not result.is_floating_point():
            if any(tensor.is_floating_point() for tensor in tensors):
                self._fail(f"it turns numbers into {result.dtype}")
        changes = spelling.in_place or any(result is tensor for tensor in tensors)
        self._write(spelling.op, arguments, result, in_place=changes)
        return result

    def _several(self, op: str, call: Call | None, arguments: dict[str, Any], result: Any) -> Any:
        """Take apart what gives several tensors; let facts about tensors, such as shapes, pass."""
        if op in METADATA:
            return result
        if call is None or not call.splits:
            self._fail(f"{op} turns values that depend on the input into plain numbers or others")
        start, axis = 0, arguments.get("dim", 0)
        for part in result:
            own = {"input": arguments["input"], "dim": axis, "start": start}
            self._write("narrow", own | {"length": part.shape[axis]}, part)
            start += part.shape[axis]
        return result

    def _arguments(self, call: Call) -> dict[str, Any]:
        return {name: self._argument(value) for name, value in call.arguments.items()}

    def _argument(self, value: Any) -> Any:
        torch = self._torch
        if isinstance(value, torch.Tensor):
            name = self._known(value)
            return Reference("node", name) if name else Reference("array", self._constant(value))
        if isinstance(value, list | tuple):
            return [self._argument(part) for part in value]
        if isinstance(value, slice):
            return [value.start, value.stop, value.step]
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, torch.dtype | torch.device | torch.memory_format):
            return str(value)
        if value is Ellipsis:
            return "..."
        self._fail(f"an argument is a {type(value).__name__}")

    def _constant(self, tensor: Any) -> str:
        if id(tensor) not in self._constants:
            self._alive.append(tensor)
            name = f"c{len(self._constants)}"
            self._constants[id(tensor)] = name
            self._arrays[name] = np.array(tensor.detach().cpu().numpy())
        return self._constants[id(tensor)]

    def _write(self, op: str, arguments: Any, result: Any, in_place: bool = False) -> None:
        storage = result.untyped_storage().data_ptr()
        if op == "identity" and self._known(result):
            self._names[id(result)] = self._places[self._place(result)]
            self._alive.append(result)
            return
        if in_place:
            views = {id(each) for each in self._alive
                     if each.untyped_storage().data_ptr() == storage} - {id(result)}  # fmt: skip
            if views:
                self._fail(f"{op} changes a tensor in place that others are parts of")
        if result.ndim < 1 or result.shape[0] != self._batch:
            self._fail(f"{op} gives the shape {tuple(result.shape)} for {self._batch} images")
        name = f"{op}_{len(self._operations) + 1}"
        values = result.detach().to(self._torch.float64)
        seen = (float(values.min()), float(values.max())) if values.numel() else (0.0, 0.0)
        if not all(np.isfinite(seen)):
            self._fail(f"{op} gives values that are not finite")
        shape = (1, *result.shape[1:])
        self._operations.append(Operation(name, op, self._path[-1], arguments, shape, seen))
        self._alive.append(result)
        self._names[id(result)] = name
        self._places[self._place(result)] = name
        self._storages.add(storage)
        if self._taps:
            self._arrays[f"tap_{name}"] = np.array(result.detach().numpy())

    def description(self, result: Any) -> Description:
        """Give everything that leads to `result`."""
        output = self._known(result)
        if output is None:
            self._fail("what the module gives does not depend on the input")
        wanted, live = {output}, []
        for each in reversed(self._operations):
            if each.name in wanted:
                wanted.update(each.inputs())
                live.append(each)
        used = {ref.name for each in live for value in each.arguments.values()
                for ref in (value if isinstance(value, list) else [value])
                if isinstance(ref, Reference) and ref.kind == "array"}  # fmt: skip
        used |= {f"tap_{each.name}" for each in live}
        arrays = {name: array for name, array in self._arrays.items() if name in used}
        notes = {"torch": str(self._torch.__version__)}
        return Description(
            type(self._model).__name__, self._shape, tuple(live[::-1]), arrays, output, notes
        )


def _tensors(torch: Any, value: Any) -> Iterator[Any]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _tensors(torch, part)
    elif isinstance(value, dict):
        yield from _tensors(torch, list(value.values()))
