#!/usr/bin/env bash
# Shows the command at work on an archive that Docker saved, in a store of its
# own that goes away. Each command is printed before what it says.
set -euo pipefail
cd "$(dirname "$0")"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -o "$work/jettison" ./cmd/jettison
export JETTISON_STORE="$work/store"

say() { printf '\n# %s\n' "$*"; }
jettison() {
	echo "\$ jettison $*"
	"$work/jettison" "$@"
}
refused() {
	if jettison "$@" 2>&1; then
		echo "demo: this should have been refused: jettison $*" >&2
		exit 1
	fi
}

say "Load an archive made by docker save: a base and three images built on it."
jettison load -i testdata/images/docker-archive.tar
jettison images

say "Ask what would go. Nothing does yet."
jettison rmi --dry-run full:1.0
jettison rmi --dry-run app:latest

say "A container runs from base:1.0, its only name: the removal is refused, and says why."
jettison container add db base:1.0 --running
refused rmi base:1.0

say "One name of several: only the name goes."
jettison rmi app:latest

say "The last name: the image goes, with the layers that nothing else uses."
jettison rmi full:1.0

say "The container is done. The layer of base:1.0 stays, for app and web are built on it."
jettison container stop db
jettison container rm db
jettison rmi base:1.0

say "What is left."
jettison images

say "What would a prune take that spares web? And why does the rest stay?"
jettison container add job registry.example.com/team/app:1.0
jettison prune -a --protect web --dry-run --explain

say "The container is done too, so app goes. In a script nobody is asked."
jettison container rm job
jettison prune -a --protect web --force
