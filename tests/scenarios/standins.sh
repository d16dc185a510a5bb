#!/bin/bash
# The stand-ins answer as the recordings of real TiDB show (tests/fixtures/real-tidb): status, keys and codes of each answer.
. "$(dirname "$0")/lib.sh"
chmod 755 "$scratch"
export DRTEST
LIMIT=120 expect "the stand-ins answer as recorded" 0 'answers have the recorded shape' tests/standins/compare "$scratch/tiup"
cat "$scratch/out"
