# Shared by the scripts beside it: `. common.sh`, then `set_up EXTRA`. Needs bash.
# Sets up one virtual environment in the checkout, from PyPI only; a second run does nothing.
# With BNNHW_LOCKED=1 it holds exactly what requirements.lock pins by hash, whatever the extra.

set -euo pipefail

ROOT=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
VENV=$ROOT/.venv

say() { printf '%s\n' "-- $*" >&2; }

fail() {
    printf '%s\n' "error: $1" "$2" >&2
    exit 3
}

# Path of a Python that is new enough: the newest of those on PATH that has venv.
find_python() {
    local name
    for name in "${BNNHW_PYTHON:-}" python3.13 python3.12 python3.11 python3 python; do
        if [ -n "$name" ] && "$name" -c \
            'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            command -v -- "$name"
            return
        fi
    done
    fail "No Python 3.11 or newer with its venv module was found." \
        "Install one (Debian: apt-get install python3 python3-venv) or set BNNHW_PYTHON to its path."
}

need() {
    command -v -- "$1" >/dev/null 2>&1 || fail "$1 is not installed." \
        "Install it with your package manager (Debian: apt-get install $2)."
}

# What an installed environment was made of: it is made anew when any of this changes.
stamp_of() {
    local extra=$1 python=$2
    local file=$ROOT/pyproject.toml
    [ "$extra" != locked ] || file=$ROOT/requirements.lock
    "$python" - "$file" "$extra" <<'PY'
import hashlib, pathlib, sys
print(sys.version, sys.argv[2], hashlib.sha256(pathlib.Path(sys.argv[1]).read_bytes()).hexdigest())
PY
}

# An environment with everything serves those who ask for less.
is_set_up() {
    local extra enough=("$1" dev)
    [ -x "$VENV/bin/python" ] || return 1
    [ "$1" != locked ] || enough=(locked)
    for extra in "${enough[@]}"; do
        if [ "$(cat "$VENV/bnnhw-$extra.stamp" 2>/dev/null)" = \
            "$(stamp_of "$extra" "$VENV/bin/python" 2>/dev/null)" ]; then
            return 0
        fi
    done
    return 1
}

# set_up EXTRA: the environment at $VENV holds this checkout with the extra's packages.
set_up() {
    local extra=$1 python
    [ -z "${BNNHW_LOCKED:-}" ] || extra=locked
    case $ROOT in
        *[[:space:]]*) fail "Verilator and make cannot work in a folder with a blank in its path: $ROOT" \
            "Move the checkout to another path." ;;
    esac
    need g++ g++
    need make make
    need git git
    need perl perl
    if is_set_up "$extra"; then
        return
    fi
    python=$(find_python)
    # Of what is not in the lock nothing may be left over from before.
    if [ "$extra" = locked ] || ! "$VENV/bin/python" -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        say "Making a virtual environment in $VENV with $("$python" --version)"
        "$python" -m venv --clear "$VENV" ||
            fail "The virtual environment could not be made." "See the lines above."
    fi
    rm -f "$VENV"/bnnhw-*.stamp
    say "Installing packages from PyPI into it (about 800 MB, a minute or so)"
    install_packages "$extra"
    stamp_of "$extra" "$VENV/bin/python" >"$VENV/bnnhw-$extra.stamp"
}

install_packages() {
    local log=$VENV/install.log
    # Only the lines that show progress; pip's status must not get lost in a pipe.
    if ! install_with_pip "$1" > >(tee "$log" | show_progress) 2>&1; then
        sleep 1
        tail -n 15 "$log" >&2
        fail "The packages could not be installed." \
            "Check the network connection and run this again; the whole output is in $log."
    fi
}

install_with_pip() {
    local pip=("$VENV/bin/python" -m pip install --disable-pip-version-check --progress-bar off)
    if [ "$1" = locked ]; then
        "${pip[@]}" --require-hashes --requirement "$ROOT/requirements.lock" &&
            # setuptools is in the lock: building the link to the checkout needs nothing else.
            "${pip[@]}" --no-deps --no-build-isolation --editable "$ROOT"
    else
        "${pip[@]}" --editable "$ROOT[$1]"
    fi
}

show_progress() {
    grep --line-buffered -E '^(Collecting|Installing|Building)' | cut -c 1-100 >&2 || true
}

# The first start of each YoWASP program compiles it. Done here, so that no later step looks hung.
warm_up() {
    "$VENV/bin/python" -c '
import sys
from bnnhw.errors import BnnhwError
from rtl_gen import tools
try:
    tools.warm_up(lambda line: print("--", line, file=sys.stderr, flush=True))
except BnnhwError as error:
    sys.exit(f"error: {error}")
'
}
