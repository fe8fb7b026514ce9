#!/bin/sh
# SLURM: sixteen jobs, each with a GPU and a sixteenth of the photos:   sbatch array.sh
# Run it again after a failure or a time limit: photos with a session file are skipped.
#SBATCH --job-name=sam-widget
#SBATCH --array=1-16
#SBATCH --gpus=1
#SBATCH --cpus-per-task=4
#SBATCH --time=04:00:00
#SBATCH --output=sam-widget-%A-%a.log
set -eu
: "${PHOTOS:=photos}" "${WORK:=work}" "${MODEL:=vit_h}"
exec sam-widget everything "$PHOTOS" --recursive --out "$WORK" --model "$MODEL" \
  --shard "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT"
