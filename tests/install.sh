#!/bin/sh
# Installs Debian's packages of programs that are missing. Wants root and Debian then, and otherwise says what to install.
#
#   tests/install.sh build       what `make test` wants beside Rust
#   tests/install.sh servers     the servers that the tests in tests/servers talk to, and their clients
#   tests/install.sh page        what builds the page, and opens it
#   tests/install.sh stores      what `make bench-store` compares with
#   tests/install.sh authors     what authors of plugins in other languages work with
set -eu

# Each program, and the package that has it.
case $1 in
build) wanted="make=make cc=build-essential" ;;
servers)
    wanted="victoria-metrics=victoria-metrics prometheus-node-exporter=prometheus-node-exporter
        prometheus=prometheus promtool=prometheus
        redis-server=redis-server nats-server=nats-server carbon-cache=graphite-carbon
        clickhouse-server=clickhouse-server docker-registry=docker-registry psql=postgresql pg_config=libpq-dev kcat=kcat
        python3=python3-venv"
    ;;
page) wanted="node=nodejs npm=npm chromium=chromium" ;;
stores) wanted="victoria-metrics=victoria-metrics prometheus=prometheus promtool=prometheus rrdtool=rrdtool" ;;
authors) wanted="python3=python3-venv node=nodejs npm=npm clang=clang wasm-ld=lld" ;;
*)
    echo "tests/install.sh build | servers | page | stores | authors" >&2
    exit 2
    ;;
esac

# Where Debian has servers, and users other than root do not look.
PATH=$PATH:/usr/sbin:/sbin
missing=
for program in $wanted; do
    command -v "${program%%=*}" >/dev/null || missing="$missing ${program#*=}"
done
if [ -z "$missing" ]; then exit; fi
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "missing:$missing. Install them, or run this as root on Debian." >&2
    exit 1
fi
# The tests start the servers themselves: none is to run as a service.
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap 'rm -f $policy' EXIT
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod +x $policy
fi
apt-get update -qq
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
