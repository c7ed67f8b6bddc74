#!/bin/sh
# Makes sure that a Docker engine can be started here.
set -eu
. "$(dirname "$0")/install.sh"
missing=""
for tool in dockerd docker debootstrap; do
    command -v "$tool" >/dev/null || missing="$missing $tool"
done
if [ -n "$missing" ]; then
    # Where the client has a package of its own, the engine does not bring it.
    client=$(apt-cache show docker-cli >/dev/null 2>&1 && echo docker-cli || true)
    # shellcheck disable=SC2086
    install_missing "${missing# }" docker.io $client debootstrap
fi
# Compose is wanted by one test alone, which says so where it is not here.
if ! docker compose version >/dev/null 2>&1 && ! command -v docker-compose >/dev/null; then
    (install_missing compose docker-compose) 2>/dev/null || true
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "no rights to start dockerd: it needs root" >&2
    exit 1
fi
