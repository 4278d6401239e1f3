# shellcheck shell=bash
# The checkout's private Python environment, .venv/: sourced by run.sh and tests/run.sh.

# use_venv CHECKOUT LOCK: returns when CHECKOUT/.venv holds what LOCK pins and glomspike itself. While the
# caller runs, and what it replaces itself with, nobody else rebuilds the environment under it.
use_venv() {
    local checkout=$1 lock=$2 stamp
    stamp=$(_stamp "$checkout" "$lock")
    exec 9>"$checkout/.venv.lock" || exit 1
    flock --shared 9
    if ! _holds "$checkout/.venv" "$stamp"; then
        flock --nonblock 9 || { echo "glomspike: .venv is in use by another run; waiting for it" >&2; flock 9; }
        _holds "$checkout/.venv" "$stamp" || _make_venv "$checkout" "$lock" "$stamp" || exit 1
        flock --shared 9
    fi
    unset PYTHONHOME PYTHONPATH
}

# The lock file's name, and a hash of all that decides what the environment holds. The place counts, since
# an environment cannot be moved.
_stamp() {
    local checkout=$1 lock=$2
    printf '%s ' "$lock"
    { cat "$checkout/$lock" "$checkout/pyproject.toml"; printf '%s' "$checkout"; } | sha256sum | cut -d ' ' -f 1
}

_holds() {
    local venv=$1 stamp=$2
    [ -x "$venv/bin/python" ] && grep --quiet --line-regexp --fixed-strings "$stamp" "$venv/stamps" 2>/dev/null
}

# The stamps are written last: an environment without them was interrupted and is made anew. The development
# lock holds the runtime lock, so that an environment for one thing is extended for the other.
_make_venv() {
    local checkout=$1 lock=$2 stamp=$3 venv=$1/.venv runtime
    runtime=$(_stamp "$checkout" requirements.lock)
    if ! _holds "$venv" "$runtime"; then
        local python
        python=$(_find_python) || return 1
        echo "glomspike: setting up .venv (once: some minutes, about 6 GB)" >&2
        rm -rf "$venv" && "$python" -m venv "$venv" || return 1
    fi
    : >"$venv/stamps"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: \
        --require-hashes --requirement "$checkout/$lock" >&2 &&
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-index --no-deps \
            --no-build-isolation --editable "$checkout" >&2 &&
        printf '%s\n' "$runtime" "$stamp" >"$venv/stamps"
}

_find_python() {
    local python
    for python in python3.11 python3 python3.12 python3.13; do
        "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
        if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
            echo "$python"
            return
        fi
        echo "glomspike: $python cannot make environments: run \`apt-get install $python-venv\`, then this again" >&2
        return 1
    done
    echo "glomspike: there is no Python 3.11: run \`apt-get install python3.11 python3.11-venv\`, then this again" >&2
    return 1
}
