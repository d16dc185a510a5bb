#!/bin/bash
# A user who is not root, with a user's PATH (MariaDB's server stands in /usr/sbin, which is not in it) and without HOME: a drill runs.
. "$(dirname "$0")/lib.sh"
[ "$(id -u)" = 0 ] && command -v setpriv >/dev/null && command -v mariadbd >/dev/null || { echo "skipped: needs root, setpriv and MariaDB"; exit 77; }
chmod 755 "$scratch"
here=$scratch/here
mkdir "$here" && cp "$DRTEST" "$here/drtest" && cp -r scenarios "$here/" && chown -R 65534:65534 "$here" && cd "$here" || exit 1
as_user=(setpriv --reuid 65534 --regid 65534 --clear-groups env -i PATH="$(tr : '\n' <<<"$PATH" | grep -v sbin | paste -sd:)")
expect "doctor finds the server" 3 'mariadbd.*/usr/sbin/mariadbd' "${as_user[@]}" ./drtest doctor # MinIO is another user's
LIMIT=120 expect "a drill passes" 0 '^PASS' "${as_user[@]}" ./drtest run scenarios/failover.lua --store file --set soak=1s --set tables=2 --set table_size=500 \
	--set load_tables=2 --set forensic=false --out "$here/runs"
theirs=$(echo "$here"/runs/*-failover-42)
chown -R 0:0 "$theirs" && chmod -R a+rX,u+w "$theirs"
expect "another's run in JSON" 0 '"verdict": "pass"' "${as_user[@]}" ./drtest report --json "$theirs"
expect "another's run as Markdown" 0 '^PASS' "${as_user[@]}" ./drtest report --markdown "$here/md" "$theirs"
grep -q '^### PASS failover' "$here/md" && ok || bad "no Markdown of another's run"
expect "another's run's reports" 3 '^drtest report: .*Permission denied' "${as_user[@]}" ./drtest report "$theirs"
cache=/var/tmp/drtest-cache-65534
[ "$(stat -c %u "$cache" 2>/dev/null)" = 65534 ] || { echo "the template is elsewhere"; exit 0; }
# Another user's directory in the template's place would run SQL in our servers.
rm -rf "$cache" && mkdir "$cache"
expect "a foreign cache is refused" 3 "is another user's" "${as_user[@]}" ./drtest run scenarios/failover.lua --store file --out "$here/runs"
rmdir "$cache"
