#!/usr/bin/env bash
# Makes the environment that the other scripts use and prints its folder.
#
# Needs only Python 3.11, 3.12 or 3.13 with pip.  A second call finds everything in place.
#   ABM_PYTHON    interpreter to use                    (default: the first that fits)
#   ABM_VENV      folder of the environment             (default: .venv in the clone)
#   ABM_UNPINNED  1 = newest versions that pyproject.toml allows, not requirements.lock
#   ABM_EXTRAS    further extras of pyproject.toml, e.g. gpu
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
venv="${ABM_VENV:-$root/.venv}"
case "$venv" in /*) ;; *) venv="$PWD/$venv" ;; esac
stamp="$venv/.abm-stamp"

wanted() {
    echo "interpreter ${ABM_PYTHON:-default}"
    echo "unpinned ${ABM_UNPINNED:-0}, extras ${ABM_EXTRAS:-none}, clone $root"
    cat "$root/pyproject.toml" "$root/requirements.lock"
}

is_ready() {
    [ -x "$venv/bin/python" ] && [ -f "$stamp" ] && wanted | cmp -s - "$stamp"
}

say() { echo "abm: $*" >&2; }

find_python() {
    local name
    for name in ${ABM_PYTHON:-python3 python3.12 python3.13 python3.11 python}; do
        if "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' >/dev/null 2>&1; then
            echo "$name"
            return
        fi
    done
    say "no Python 3.11, 3.12 or 3.13 found (looked for: ${ABM_PYTHON:-python3 python3.12 python3.13 python3.11 python})."
    say "Install one, or name it: ABM_PYTHON=/path/to/python $0"
    exit 1
}

# uv from this machine, or fetched with pip into a folder of its own; empty if neither works.
find_uv() {
    local python="$1" own="$root/.venv-uv"
    if uv --version >/dev/null 2>&1; then
        echo uv
    elif "$own/bin/uv" --version >/dev/null 2>&1; then
        echo "$own/bin/uv"
    elif "$python" -m pip install --quiet --disable-pip-version-check --target "$own" uv >/dev/null 2>&1 && "$own/bin/uv" --version >/dev/null 2>&1; then
        echo "$own/bin/uv"
    fi
}

version_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

# Keeps an environment whose interpreter is the wanted one, e.g. after an interrupted or outdated installation.
make_venv() {
    local python="$1" uv="$2"
    if [ -x "$venv/bin/python" ] && [ "$(version_of "$venv/bin/python")" = "$(version_of "$python")" ]; then
        return
    fi
    if [ -e "$venv" ]; then
        if [ ! -f "$venv/pyvenv.cfg" ] && [ -n "$(ls -A "$venv")" ]; then
            say "$venv exists and is no Python environment; choose another folder with ABM_VENV."
            exit 1
        fi
        rm -rf "$venv"
    fi
    if [ -n "$uv" ]; then
        "$uv" venv --quiet --no-project --python "$(command -v "$python")" "$venv" >&2
    else
        "$python" -m venv "$venv" >&2
    fi
}

install() {
    local uv="$1" extras="dev,analysis,launchers${ABM_EXTRAS:+,$ABM_EXTRAS}"
    shift
    local pip=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check)
    if [ -n "$uv" ]; then
        # Compiled once here: where the environment forbids writing bytecode every start would compile 1,500 modules.
        pip=("$uv" pip install --quiet --compile-bytecode --python "$venv/bin/python")
    elif ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        "$venv/bin/python" -m ensurepip >/dev/null
    fi
    if [ "${ABM_UNPINNED:-0}" = 1 ]; then
        "${pip[@]}" --upgrade --editable "$root[$extras]" >&2
    else
        "${pip[@]}" --requirement "$root/requirements.lock" --constraint "$root/requirements.lock" --editable "$root[$extras]" >&2
    fi
}

if ! is_ready; then
    # Two starts at once (a cluster's array job) must not build the same folder twice.
    if command -v flock >/dev/null 2>&1; then
        exec 9>"${TMPDIR:-/tmp}/abm-bootstrap-$(id -u)-$(printf %s "$venv" | cksum | cut -d' ' -f1).lock"
        flock 9
    fi
fi
if ! is_ready; then
    python="$(find_python)"
    uv="$(find_uv "$python")"
    say "setting up $venv with $("$python" --version 2>&1) (once)"
    make_venv "$python" "$uv"
    rm -f "$stamp"
    install "$uv"
    wanted >"$stamp"
fi
echo "$venv"
