#!/usr/bin/env bash
# Runs glomspike after setting up what it needs: ./run.sh SLIDE OUT, or any other command of glomspike.
# Where a Docker engine answers it runs in a container, else in a private Python environment, .venv/.
set -euo pipefail

checkout=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")

if docker info >/dev/null 2>&1; then
    . "$checkout/setup/container.sh"
    run_in_container "$checkout" "$@"
else
    . "$checkout/setup/venv.sh"
    use_venv "$checkout" requirements.lock
    exec "$checkout/.venv/bin/glomspike" "$@"
fi
