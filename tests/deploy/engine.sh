#!/bin/sh
# Makes sure that a Docker engine can be started here: Debian's packages, installed where we are root
# in CI. Ends with 1 and the reason where they are not.
set -eu
missing=""
for tool in dockerd docker debootstrap; do
    command -v "$tool" >/dev/null || missing="$missing $tool"
done
if [ -n "$missing" ]; then
    if [ "${CI:-}" != true ] || [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "missing:$missing (on Debian: apt-get install docker.io debootstrap)" >&2
        exit 1
    fi
    # Its service is not wanted, and is not started: a policy that lasts as long as this script.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
        trap 'rm -f "$policy"' EXIT
    fi
    apt-get update -qq >&2
    client=$(apt-cache show docker-cli >/dev/null 2>&1 && echo docker-cli || true)
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        docker.io $client debootstrap >&2
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "no rights to start dockerd: it needs root" >&2
    exit 1
fi
