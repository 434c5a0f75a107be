#!/bin/sh
# Generates api/gen from api/proto with the tools pinned in tools/go.mod and tools/buf/go.mod. Running
# it again leaves the tree as it was.
set -eu
cd "$(dirname "$0")/proto"
buf() { go tool -modfile=../../tools/buf/go.mod buf "$@"; }
buf lint
rm -rf ../gen
buf generate
