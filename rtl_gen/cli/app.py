"""Commands gathered, errors turned into one paragraph and an exit code."""

import json
import sys
import warnings
from typing import Annotated, Any

import typer

from bnnhw import __version__
from bnnhw.errors import BnnhwError

from . import (
    board,
    demo,
    doctor,
    evaluate,
    generate,
    imports,
    info,
    patch,
    run,
    serve,
    simulate,
    train,
)
from .show import Reported

__all__ = ["app", "main"]

_DEFECT = 70  # EX_SOFTWARE of sysexits.h: nothing that a user did.
_INTERRUPTED = 130
# Typer brings a click of its own or uses the installed one, by version; its public names lead to
# whichever it is.
_ClickError: Any = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")

app = typer.Typer(
    name="bnnhw",
    help="FPGA accelerators for binary neural networks, with open tools only.",
    epilog="Exit codes: 0 done, 1 a check found mismatches, 2 bad option, file or model, 3 a tool "
    "is missing, 4 does not fit, 5 timing not met, 6 board or port, 70 a defect of bnnhw.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(generate.app, name="generate")
app.command("simulate")(simulate.simulate)
app.command("build")(board.build)
app.command("flash")(board.flash)
app.command("patch")(patch.patch)
app.command("run")(run.run)
app.command("serve")(serve.serve)
app.command("info")(info.info)
app.command("import")(imports.import_model)
app.command("evaluate")(evaluate.evaluate)
app.command("train")(train.train)
app.command("boards")(board.boards)
app.command("doctor")(doctor.doctor)
app.command("demo")(demo.demo)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"bnnhw {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


def _quiet() -> None:
    """Keep hardware that an error left half-built from talking after the error's last line."""
    if "amaranth.hdl" in sys.modules:
        from amaranth.hdl import UnusedElaboratable

        warnings.simplefilter("ignore", UnusedElaboratable)


def _complain(what: str, todo: str, code: int, *, document: bool = True) -> int:
    _quiet()
    print(f"bnnhw: {what}\n{todo}", file=sys.stderr)
    if document and "--json" in sys.argv[1:]:
        print(json.dumps({"error": {"what": what, "todo": todo, "exit_code": code}}))
    return code


def _usage(error: Any) -> int:
    message = error.format_message()
    if type(error).__name__ == "NoArgsIsHelpError":
        # The help has been printed, or is the message.
        print(message, end="")
        return 2
    path = getattr(getattr(error, "ctx", None), "command_path", "bnnhw")
    return _complain(message, f"See: {path} --help", 2)


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        outcome = app(standalone_mode=False, prog_name="bnnhw")
        code = outcome if isinstance(outcome, int) else 0
        if code == _INTERRUPTED:  # How newer releases of Typer pass it on.
            raise KeyboardInterrupt
    except BnnhwError as error:
        told = isinstance(error, Reported)
        code = _complain(error.what, error.todo, error.exit_code, document=not told)
    except _ClickError as error:
        code = _usage(error)
    except (KeyboardInterrupt, typer.Abort):
        print("\nbnnhw: stopped by the user.", file=sys.stderr)
        code = _INTERRUPTED
    except SystemExit:
        # Typer's way out when whoever read our output has had enough, such as `head`.
        code = 0
    except Exception as error:
        code = _missing(error) or _defect()
    sys.exit(code)


def _defect() -> int:
    import traceback

    traceback.print_exc()
    return _complain(
        "This is a defect of bnnhw.", "Please report it with the lines above.", _DEFECT
    )


def _missing(error: Exception) -> int | None:
    extras = {"amaranth": "hw", "onnx": "onnx", "cocotb": "sim", "amaranth_boards": "boards"}
    name = error.name if isinstance(error, ModuleNotFoundError) else None
    package = (name or "").partition(".")[0]
    if package not in extras:
        return None
    return _complain(
        f"This command needs the Python package '{package}', which is not installed.",
        f'Install it: pip install "bnnhw[{extras[package]}]", or "bnnhw[all]" for everything.',
        3,
    )
