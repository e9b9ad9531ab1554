#!/bin/sh
# Makes .venv from requirements.lock and this folder. Uses uv where it is found, else venv and pip.
set -eu
cd "$(dirname "$0")/.."
export LC_ALL="${LC_ALL:-C.UTF-8}" PIP_DISABLE_PIP_VERSION_CHECK=1

python=""
for candidate in python3 python3.13 python3.12 python3.11; do
    if command -v "$candidate" >/dev/null 2>&1 &&
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "error: Python 3.11 or newer was not found" >&2
    echo "hint: apt install python3" >&2
    exit 1
fi

usable() { .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

if command -v uv >/dev/null 2>&1; then
    usable || uv venv --quiet --clear --python "$python" .venv
    uv pip sync --quiet --python .venv/bin/python --require-hashes --compile-bytecode requirements.lock
    uv pip install --quiet --python .venv/bin/python --no-deps --no-build-isolation --editable .
else
    if ! usable; then
        rm -rf .venv
        # Debian leaves ensurepip out of python3; then the system's pip installs into the environment.
        "$python" -m venv .venv >/dev/null 2>&1 || { rm -rf .venv; "$python" -m venv --without-pip .venv; }
    fi
    if .venv/bin/python -m pip --version >/dev/null 2>&1; then
        pip() { .venv/bin/python -m pip "$@"; }
    elif "$python" -m pip --version >/dev/null 2>&1; then
        pip() { "$python" -m pip --python .venv/bin/python "$@"; }
    else
        echo "error: neither uv nor pip was found" >&2
        echo "hint: apt install python3-pip" >&2
        exit 1
    fi
    pip install --quiet --require-hashes --no-deps -r requirements.lock
    pip install --quiet --no-deps --no-build-isolation --editable .
fi
if [ -f scripts/declarations.py ]; then
    .venv/bin/python scripts/declarations.py >/dev/null # spares every start half a second of parsing
fi
# The editable folders are compiled now: the command line's start counts in milliseconds.
.venv/bin/python -m compileall -q quarterdeck terminals profiles sessions memory pipelines orchestrator cli tui themes || true
touch .venv/ready
