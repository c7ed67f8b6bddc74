#!/bin/sh
# Makes sure that promtool, amtool, prometheus and prometheus-alertmanager are here: Debian's
# packages, installed where we are root in CI. Ends with 1 and the reason where they are not.
set -eu
missing=""
for tool in promtool:prometheus amtool:prometheus-alertmanager prometheus:prometheus \
    prometheus-alertmanager:prometheus-alertmanager; do
    command -v "${tool%%:*}" >/dev/null || missing="$missing ${tool##*:}"
done
[ -n "$missing" ] || exit 0
if [ "${CI:-}" != true ] || [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    echo "missing:$missing (on Debian: apt-get install$missing)" >&2
    exit 1
fi
# Their services are not wanted, and are not started: a policy that lasts as long as this script.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
fi
apt-get update -qq >&2
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >&2
