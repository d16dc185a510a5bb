#!/bin/bash
# `drtest init`: a first clusters file from tiup, from TiDB Operator's objects, and from a pair that runs; what is written is read by drtest again.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
export STANDIN_CLUSTERS=$PWD/tests/fixtures/clusters
fixtures=$STANDIN_CLUSTERS
PATH=$PWD/tests/standins:$PATH
f=$scratch/clusters.lua
init=("$DRTEST" init --out "$f")
plan=("$DRTEST" run scenarios/rehearse.lua --on attach --clusters "$f" --plan)
has() { grep -Eq -- "$1" "$f" && ok || bad "no /$1/ in: $(cat "$f")"; }

expect "nothing to ask" 2 '^drtest init: --from is missing: tiup:CLUSTER' "$DRTEST" init
expect "from tiup" 0 "^$f: primary, secondary$" "${init[@]}" --from tiup:prod --from tiup:standby
has 'host = "10\.0\.1\.10", port = 4000'
has 'ticdc = "https://10\.0\.1\.15:8300", -- one of 2 TiCDCs'
has 'ca = "/home/tidb/\.tiup/storage/cluster/clusters/prod/tls/ca\.crt"'
has '^    -- allow = '
[ "$(stat -c %a "$f")" = 600 ] && ok || bad "its mode is $(stat -c %a "$f")"
cp "$f" "$scratch/before"
expect "a file that is there" 2 'exists and is not overwritten' "${init[@]}" --from tiup:standby
cmp -s "$f" "$scratch/before" && ok || bad "it was changed"
expect "it allows nothing" 2 'the clusters file has no redo log' "${plan[@]}"
sed -i 's|^  -- redo = .*|  redo = "file:///nowhere/redo",|; s|^  -- store = .*|  store = "file:///nowhere/store",|' "$f"
expect "still nothing" 2 'does not allow backup on primary|names no cluster .scratch' "${plan[@]}"
rm -f "$f"; ln -s "$scratch/elsewhere" "$f"
expect "a link" 2 'is not overwritten|Too many levels' "${init[@]}" --from tiup:standby
[ -e "$scratch/elsewhere" ] && bad "the link was followed" || ok
rm -f "$f"
expect "a cluster that tiup does not know" 3 '^drtest init: tiup cluster display nowhere: .*not found' "${init[@]}" --from tiup:nowhere
expect "an option is no cluster" 2 "tiup:NAME, kubernetes:NAMESPACE" "${init[@]}" --from tiup:--yes
expect "the same twice" 2 'is 10\.0\.1\.10:4000, as primary is' "${init[@]}" --from tiup:prod --from tiup:prod
[ -e "$f" ] && bad "a refused init left a file" || ok
expect "names of one's own" 0 "^$f: scratch, new-primary" "${init[@]}" --from scratch=tiup:prod --from "new-primary=tiup:@$fixtures/tiup-standby.json"
has '^  \["new-primary"\] = \{'
has 'expendable = true, -- a cluster only for drills'
rm -f "$f"
expect "operator 1" 0 "^$f: secondary, primary$" "${init[@]}" --from kubernetes:dr-drill
has 'host = "primary-tidb\.dr-drill", port = 4000'
has 'cluster_id = "17412997407283468988"'
has '^  redo_time_zone = "Asia/Shanghai",'
has 'primary-tidb-client-secret'
rm -f "$f"
expect "operator 2" 0 "^$f: primary$" "${init[@]}" --from kubernetes:operator2
has 'ticdc = "http://cdc-ticdc-peer\.operator2:8300"'
expect "to print" 0 '^return \{$' "$DRTEST" init --from kubernetes:operator2 --out -
expect "no such namespace" 3 'kubectl get tidbcluster -n nowhere: .*resource type' "$DRTEST" init --from kubernetes:nowhere --out "$scratch/none"
expect "no server" 3 '^drtest init: 127\.0\.0\.1:1: connect: ' "$DRTEST" init --from mysql://root:topsecret@127.0.0.1:1/ --out "$scratch/none"
grep -q topsecret "$scratch/out" && bad "the password is told" || ok

# ---- a pair that runs
attached_pair
rm -f "$f"
sql=mysql://root@127.0.0.1
wait_for 60 sh -c "mariadb -h127.0.0.1 -P$((offset + 4000)) -uroot --ssl=0 -BNe 'SELECT TYPE, INSTANCE, STATUS_ADDRESS, VERSION FROM information_schema.cluster_info' | grep -q ticdc" ||
	bad "TiCDC is not told of by SQL"
expect "from the servers" 0 "^$f: primary, secondary" "${init[@]}" --from "$sql:$((offset + 4000))/" --from "$sql:$((offset + 5000))/"
has "pd = \"http://127\.0\.0\.1:$((offset + 2379))\""
has "ticdc = \"http://127\.0\.0\.1:$((offset + 8300))\""
has "status = \"http://127\.0\.0\.1:$((offset + 10080))\""
[ "$(grep -c '^    cluster_id = "7[0-9]*"' "$f")" = 2 ] && ok || bad "no cluster ids: $(cat "$f")"
expect "the doctor reads it" 0 'nothing is in the way' "$DRTEST" doctor --clusters "$f"
rm -f "$f"
expect "TiCDC by hand" 0 "" "${init[@]}" --from "$sql:$((offset + 4000))/" --ticdc http://127.0.0.1:1
has 'ticdc = "http://127\.0\.0\.1:1"'
