#!/bin/sh
# A real Kafka for tests: one broker or several on loopback. See kafka.mjs, or run without arguments for the commands.
exec node "$(dirname "$0")/kafka.mjs" "$@"
