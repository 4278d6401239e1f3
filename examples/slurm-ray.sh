#!/bin/bash
#SBATCH --job-name=glomspike
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=2
#SBATCH --cpus-per-task=16
#SBATCH --time=12:00:00
# A folder of slides on a Ray cluster that lives as long as the job:
#   sbatch examples/slurm-ray.sh /data/biopsies /data/results [OPTIONS]
# The environment with `glomspike[cluster]` must be active on all nodes (docs/cluster.md).
set -euo pipefail

head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
srun --nodes="$SLURM_JOB_NUM_NODES" --ntasks="$SLURM_JOB_NUM_NODES" ray symmetric-run \
    --address "$head:6379" --min-nodes "$SLURM_JOB_NUM_NODES" -- glomspike "$@" --ray auto
