# shellcheck shell=bash
# The checkout's private Python environment, .venv/: sourced by run.sh and tests/run.sh.

# use_venv CHECKOUT LOCK: returns when CHECKOUT/.venv holds what LOCK pins and glomspike itself. While the
# caller runs, and what it replaces itself with, nobody else rebuilds the environment under it.
use_venv() {
    local checkout=$1 lock=$2 stamp
    stamp=$(_stamp "$checkout" "$lock")
    exec 9>"$checkout/.venv.lock"
    flock --shared 9
    if ! _holds "$checkout/.venv" "$stamp"; then
        flock --nonblock 9 || { echo "glomspike: .venv is in use by another run; waiting for it" >&2 && flock 9; }
        _holds "$checkout/.venv" "$stamp" || _make_venv "$checkout" "$lock" || exit 1
        flock --shared 9
    fi
    unset PYTHONHOME PYTHONPATH
}

# The lock file's name, and a hash of what it pins and of the checkout's place: an environment cannot be moved.
_stamp() {
    local checkout=$1 lock=$2
    printf '%s ' "$lock"
    { cat "$checkout/$lock" && printf '%s' "$checkout"; } | sha256sum | cut -d ' ' -f 1
}

_holds() {
    local venv=$1 stamp=$2
    [ -x "$venv/bin/python" ] && grep --quiet --line-regexp --fixed-strings "$stamp" "$venv/stamps" 2>/dev/null
}

# The development lock contains the runtime lock, so an environment that holds the latter is extended; any
# other is made anew. The stamps are written last: an interrupted set-up leaves none.
_make_venv() {
    local checkout=$1 lock=$2 venv=$1/.venv python
    if ! _holds "$venv" "$(_stamp "$checkout" requirements.lock)"; then
        python=$(_find_python) || return 1
        echo "glomspike: setting up .venv (once: some minutes, about 6 GB)" >&2
        rm -rf "$venv"
        "$python" -m venv "$venv" || return 1
    fi
    : >"$venv/stamps"
    if ! _install "$venv" "$checkout" "$lock" >&2; then
        echo "glomspike: .venv could not be set up, for the reason above; fix it and run this again" >&2
        return 1
    fi
    { _stamp "$checkout" requirements.lock && _stamp "$checkout" "$lock"; } >"$venv/stamps"
}

_install() {
    local venv=$1 checkout=$2 lock=$3 pip
    pip=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check)
    # A lock file names all that is needed, so a package's word on what it needs is not followed.
    "${pip[@]}" --no-deps --only-binary :all: --require-hashes --requirement "$checkout/$lock" &&
        "${pip[@]}" --no-index --no-deps --no-build-isolation --editable "$checkout"
}

# Prints the name of a Python that can make environments; the lock files are made for 3.11, so that is first.
_find_python() {
    local python missing="python3.11 python3.11-venv"
    for python in python3.11 python3 python3.12 python3.13; do
        "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
        if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
            echo "$python"
            return
        fi
        missing="$python-venv"
    done
    echo "glomspike: Python 3.11 with venv is missing; run \`apt-get install $missing\`, then this again" >&2
    return 1
}
