#!/bin/bash
#SBATCH --job-name=glomspike
#SBATCH --gpus=1
#SBATCH --cpus-per-task=8
#SBATCH --mem=16G
#SBATCH --time=12:00:00
# A folder of slides on several nodes, whose tasks share the slides among themselves:
#   sbatch --array=1-8 examples/slurm-array.sh /data/biopsies /data/results [OPTIONS]
# Submit it from the folder of glomspike.sif (docs/cluster.md). A task that is stopped loses one slide at most;
# submit the same line again to finish.
set -euo pipefail

slides=$(realpath "$1") results=$(realpath --canonicalize-missing "$2")
shift 2
mkdir -p "$results"
exec apptainer run --nv --containall --bind "$slides:$slides:ro" --bind "$results" --bind "${TMPDIR:-/tmp}" \
    glomspike.sif "$slides" "$results" --stage "${TMPDIR:-/tmp}" "$@"
