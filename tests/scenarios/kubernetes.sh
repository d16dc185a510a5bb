#!/bin/bash
# The manifests for Kubernetes: the base is whole, a rehearsal's account may nothing and its pods have no token, and what the CronJob runs is a command
# that drtest takes. Whether a cluster takes them is not tried here.
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
build=
command -v kustomize >/dev/null && build='kustomize build'
command -v kubectl >/dev/null && build='kubectl kustomize'
if [ -n "$build" ]; then
	$build examples/kubernetes >"$scratch/all.yaml" 2>"$scratch/err" && ok || bad "$build: $(cat "$scratch/err")"
else
	echo "skipped: neither kubectl nor kustomize is here"
	skipped=$((skipped + 1))
	cat examples/kubernetes/[!k]*.yaml >"$scratch/all.yaml"
fi
kinds=$(sed -n 's/^kind: //p' "$scratch/all.yaml" | sort | tr '\n' ' ')
for kind in CronJob NetworkPolicy PersistentVolumeClaim ServiceAccount; do
	[[ $kinds == *"$kind"* ]] && ok || bad "no $kind in: $kinds"
done
[[ $kinds == *Role* ]] && bad "a role: $kinds" || ok
[ "$(grep -c 'automountServiceAccountToken: false' "$scratch/all.yaml")" = 2 ] && ok || bad "a token is mounted"
for line in 'allowPrivilegeEscalation: false' 'readOnlyRootFilesystem: true' 'runAsNonRoot: true' 'backoffLimit: 0' 'concurrencyPolicy: Forbid'; do
	grep -q "$line" "$scratch/all.yaml" && ok || bad "the CronJob lacks $line"
done
# what it runs, with the clusters file that it mounts
mapfile -t args < <(sed -n '/^ *args:/,/^ *env:/p' examples/kubernetes/rehearse.yaml | sed -n 's/^ *- \([^{]*\)$/\1/p')
for i in "${!args[@]}"; do
	args[i]=${args[i]/\/etc\/drtest\//examples/kubernetes/}
	args[i]=${args[i]/--out=\/runs/--out=$scratch/runs}
done
[ "${args[0]}" = run ] && ok || bad "the CronJob's arguments: ${args[*]}"
export AWS_ACCESS_KEY_ID=a AWS_SECRET_ACCESS_KEY=topsecret MYSQL_PWD=topsecret
expect "the CronJob's command" 0 'nothing is done' "$DRTEST" "${args[@]}" --plan
grep -q topsecret "$scratch/out" && bad "a secret is in the plan" || ok
# the load's shards
grep -q 'completionMode: Indexed' examples/load-job.yaml && ok || bad "the load's Job is not indexed"
number() { grep -m 1 -- "$1" examples/load-job.yaml | grep -o '[0-9]*' | head -n 1; }
shards=$(number 'SHARDS, value:') completions=$(number '^  completions:') parallelism=$(number '^  parallelism:')
if [ -n "$shards" ] && [ "$shards" = "$completions" ] && [ "$shards" = "$parallelism" ]; then ok
else bad "shards $shards, completions $completions, parallelism $parallelism"; fi
# the search over many pods: two Jobs that meet at one place, with commands that drtest takes
python3 - >"$scratch/capacity.env" <<'END' && ok || bad "examples/capacity-job.yaml: $(cat "$scratch/capacity.env")"
import shlex, yaml
search, shards = yaml.safe_load_all(open('examples/capacity-job.yaml'))
def env(job): return {e['name']: e.get('value') for e in job['spec']['template']['spec']['containers'][0]['env']}
one, many = env(search), env(shards)
assert one['RENDEZVOUS'] == many['RENDEZVOUS'] and one['SHARDS'] == many['SHARDS'] == str(shards['spec']['completions']) == str(shards['spec']['parallelism'])
assert shards['spec']['completionMode'] == 'Indexed' and shards['spec']['backoffLimitPerIndex'] == 0 and search['spec']['backoffLimit'] == 0
for job in search, shards:
    assert job['spec']['template']['spec']['automountServiceAccountToken'] is False
for k, v in one.items():
    if v: print('%s=%s' % (k, shlex.quote(v)))
print('search=%s' % shlex.quote(search['spec']['template']['spec']['containers'][0]['args'][0].replace('exec drtest ', '')))
print('follow=%s' % shlex.quote(shards['spec']['template']['spec']['containers'][0]['args'][0].replace('exec drtest ', '')))
END
# shellcheck source=/dev/null
. "$scratch/capacity.env"
search=${search//\/etc\/drtest/$scratch} search=${search//\/runs/$scratch\/runs}
cat >"$scratch/clusters.lua" <<'END'
local function at(host) return { sql = { host = host, port = 4000, password = env "DB_PASSWORD" }, pd = "http://" .. host .. ":2379", ticdc = "http://" .. host .. ":8300" } end
local primary, secondary = at "10.0.1.1", at "10.0.2.1"
primary.allow, secondary.allow = { "backup", "gc", "changefeed", "write" }, { "restore", "write" }
return { primary = primary, secondary = secondary, store = "file:///tmp/store" }
END
export DB_PASSWORD=topsecret SHARDS TARGET RENDEZVOUS
expect "the search's command" 0 "$SHARDS shards, which wait elsewhere" bash -c "'$DRTEST' $search --plan"
# shellcheck disable=SC2154
for word in $follow; do
	case $word in --*) "$DRTEST" load --help | grep -q -- "${word%%=*}" && ok || bad "drtest load has no ${word%%=*}" ;; esac
done
