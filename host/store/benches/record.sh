#!/bin/sh
# Records what the collectors of this host say, once a second: a line of JSON for each sample, for `make bench-store`.
#
#   TARGET=target host/store/benches/record.sh SECONDS FILE
set -eu

seconds=$1
file=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cat >"$dir/agent.toml" <<TOML
data_dir = "data"
interval = "1s"
endpoint = "host-1.example.com"
[listen]
http = "off"
[plugins]
dir = "$TARGET/plugins"
[store]
enabled = false
[plugin.process]
settings.groups = [{ name = "sh" }, { name = "bash" }]
[node.recording]
backend = "stdout"
grant.stdout = true
[[route]]
nodes = ["recording"]
TOML
echo "recording for $seconds s"
# It ends the agent in order, which is what its status says.
timeout "$seconds" "$TARGET/release/saker" run --config "$dir/agent.toml" >"$dir/recorded" || [ $? = 124 ]
mv "$dir/recorded" "$file"
wc -l "$file"
