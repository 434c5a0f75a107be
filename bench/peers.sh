#!/usr/bin/env bash
# Measures an echo server, Ostiary and OpenFGA on PostgreSQL, and prints a table: 'make bench-peers'.
# Installs PostgreSQL 15 from Debian and OpenFGA from the Go module proxy where they are missing.
#
#   BENCH_SECONDS    how long each load is measured (default 6; the whole takes about 7 minutes)
#   OSTIARY_OPENFGA  a binary of OpenFGA to use instead of building one
#   BENCH_OUTPUT     file for the reports (default dist/bench-peers.json)
# Further arguments are flags of bench/cmd/peers.
set -euo pipefail
cd "$(dirname "$0")/.."

version=v1.22.1
postgres=/usr/lib/postgresql/15/bin

if [ ! -x "$postgres/initdb" ]; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "bench-peers needs PostgreSQL 15 in $postgres: install postgresql-15" >&2
    exit 1
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends postgresql-common
  # No server beside the one that the benchmark starts.
  sed -i 's/^#\?create_main_cluster *=.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
  apt-get install -y -qq --no-install-recommends postgresql-15
fi

gobin=$(mktemp -d)
trap 'rm -rf "$gobin"' EXIT
openfga=${OSTIARY_OPENFGA:-}
if [ -z "$openfga" ]; then
  echo "building OpenFGA $version: about three minutes" >&2
  GOBIN=$gobin go install "github.com/openfga/openfga/cmd/openfga@$version"
  openfga=$gobin/openfga
fi
go build -o "$gobin/peers" ./bench/cmd/peers
"$gobin/peers" -ostiary bin/ostiary -openfga "$openfga" -postgres "$postgres" \
  -duration "${BENCH_SECONDS:-6}s" -output "${BENCH_OUTPUT:-dist/bench-peers.json}" "$@"
