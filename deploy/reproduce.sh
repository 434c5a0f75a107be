#!/usr/bin/env bash
# Builds what is committed twice, in two folders and with two empty caches, and says whether every byte is the same.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
for copy in one another/and/deeper; do
  git clone -q . "$work/$copy/ostiary"
  GOCACHE="$work/$copy/cache" make --no-print-directory -C "$work/$copy/ostiary" release VERSION="$(git describe --tags --always)" >/dev/null
done
diff "$work/one/ostiary/dist/SHA256SUMS" "$work/another/and/deeper/ostiary/dist/SHA256SUMS"
echo "the same, twice:"
cat "$work/one/ostiary/dist/SHA256SUMS"
