#!/bin/sh
# Installs the servers written by others that tests/it runs against, into target/peers (or the folder given).
# Does nothing when they are there already. Needs node and npm, and a registry that npm is set up for.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
target=${1:-$here/../../target/peers}

if cmp -s "$here/package-lock.json" "$target/package-lock.json" && [ -d "$target/node_modules/smpp" ]; then
    echo "peers: already in $target"
    exit 0
fi

# Made aside and moved in at once: another test may be doing the same.
aside=$target.$$
rm -rf "$aside"
mkdir -p "$aside"
trap 'rm -rf "$aside"' EXIT
cp "$here/package.json" "$here/package-lock.json" "$aside"
echo "peers: npm ci into $target"
(cd "$aside" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
rm -rf "$target"
mv "$aside" "$target" 2>/dev/null || [ -d "$target/node_modules/smpp" ]
echo "peers: installed"
