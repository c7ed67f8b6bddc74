#!/bin/sh
# Makes sure that promtool, amtool, prometheus and prometheus-alertmanager are here.
set -eu
. "$(dirname "$0")/install.sh"
packages=""
for tool in promtool:prometheus amtool:prometheus-alertmanager prometheus:prometheus \
    prometheus-alertmanager:prometheus-alertmanager; do
    command -v "${tool%%:*}" >/dev/null || packages="$packages ${tool##*:}"
done
# shellcheck disable=SC2086
[ -z "$packages" ] || install_missing "Prometheus or Alertmanager" $packages
