#!/bin/sh
# A real etcd for tests: one member or a cluster on loopback. See etcd.mjs, or run without arguments for the commands.
exec node "$(dirname "$0")/etcd.mjs" "$@"
