#!/usr/bin/env bash
# Sets up .venv/ with the development tools, then checks style, types and behaviour; lists at the end which tests
# were skipped, and why, and which took longest.
# tests/run.sh [--slow] [PYTEST ARGUMENTS]; --slow also runs the tests that take long.
set -euo pipefail

checkout=$(dirname "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")")
. "$checkout/setup/venv.sh"
use_venv "$checkout" requirements-dev.lock

cd "$checkout"
export PATH="$checkout/.venv/bin:$PATH"
if [ "${1-}" = --slow ]; then
    shift
    set -- -m "slow or not slow" "$@"
fi
ruff check .
ruff format --check .
if command -v shellcheck >/dev/null; then shellcheck run.sh setup/*.sh tests/*.sh docker/*.sh .ci/run; fi
mypy
# A process for each core, of which every one loads PyTorch: 1 GB each.
exec python -m pytest -rs --durations=10 --numprocesses auto --maxprocesses 4 --dist worksteal "$@"
