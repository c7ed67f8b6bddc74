# To be sourced. `install_missing "why" package…`: Debian's packages, installed where we are root in CI;
# ends with 1 and the reason where they are not.
install_missing() {
    reason=$1
    shift
    if [ "${CI:-}" != true ] || [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "missing: $reason (on Debian: apt-get install $*)" >&2
        exit 1
    fi
    # Their services are not wanted, and are not started: a policy that lasts as long as the script.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
        trap 'rm -f "$policy"' EXIT
    fi
    apt-get update -qq >&2
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
}
