#!/bin/bash
# drtest clean takes what this user's drtest left and nothing that merely looks like it. It looks at all of /var/tmp: so in a namespace of its own.
if [ "${1:-}" != inside ]; then
	unshare --mount true 2>/dev/null || { echo "skipped: no mount namespaces here"; exit 77; }
	exec unshare --mount bash "$0" inside
fi
mount -t tmpfs tmpfs /var/tmp && chmod 1777 /var/tmp || exit 1
. "$(dirname "$0")/lib.sh"

foreign=/var/tmp/drtest-2024-my-own-results other=/var/tmp/drtest-7zip-cache moved=/var/tmp/drtest-20200101T000000Z-moved-1
mkdir "$foreign" "$other" "$moved" && touch "$foreign/data.txt" "$other/lock" /var/tmp/drtest-5file
printf "drtest's data directory 1:1, uid 0\n" >"$moved/lock"           # another directory's mark
chown 12345 "$other"
linked=/var/tmp/drtest-20200101T000000Z-linked-1
mkdir "$scratch/precious" && mark "$scratch/precious" && ln -s "$scratch/precious" "$linked"
tail -f "$foreign/data.txt" &
reader=$!
dead=/var/tmp/drtest-20200101T000000Z-dead-1
mkdir -p "$dead/primary" && mark "$dead" && touch "$dead/primary/file"
tail -f "$dead/primary/file" &                                          # names it, and is no process of drtest's
stranger=$!
DRTEST_FAMILY=';x;' tail -f "$dead/primary/file" &
child=$!

expect "a dry run says what it would do" 0 "would remove $dead and 1 process" "$DRTEST" clean --dry-run
[ -e "$dead/primary/file" ] && kill -0 $child 2>/dev/null && ok || bad "a dry run did it"
expect "what a run left goes" 0 "removed $dead and 1 process" "$DRTEST" clean
[ ! -e "$dead" ] && ! kill -0 $child 2>/dev/null && ok || bad "$dead or its process is still there"
kill -0 $stranger 2>/dev/null && ok || bad "a process was ended that was not drtest's"
for d in "$foreign" "$other" "$moved" "$linked"; do
	[ -e "$d" ] && ok || bad "$d was removed"
	expect "$d is named" 0 "not removed: $d" "$DRTEST" clean
done
[ -e "$scratch/precious/lock" ] && [ -e /var/tmp/drtest-5file ] && ok || bad "something behind a link, or a file, was removed"
kill -0 $reader 2>/dev/null && ok || bad "a reader of somebody's folder was ended"
mkdir "$scratch/numbers" && touch "$scratch/numbers/44061" "$scratch/numbers/name"
rm -rf /var/tmp/drtest-ports && ln -s "$scratch/numbers" /var/tmp/drtest-ports
expect "the folder of ports is a link" 0 '' "$DRTEST" clean
[ -e "$scratch/numbers/44061" ] && [ -e "$scratch/numbers/name" ] && ok || bad "what lies behind the link was removed"
rm /var/tmp/drtest-ports && mkdir -m 1777 /var/tmp/drtest-ports && touch /var/tmp/drtest-ports/44061 /var/tmp/drtest-ports/notes
expect "a lock of a port goes, another file there does not" 0 'removed /var/tmp/drtest-ports/44061' "$DRTEST" clean
[ -e /var/tmp/drtest-ports/notes ] && [ ! -e /var/tmp/drtest-ports/44061 ] && ok || bad "in drtest-ports: $(ls /var/tmp/drtest-ports)"
kill $reader $stranger 2>/dev/null || :
