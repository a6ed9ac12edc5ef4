#!/usr/bin/env bash
# SPDX-FileCopyrightText: 2026 The i2p_ros authors
# SPDX-License-Identifier: Apache-2.0
#
# A Ray cluster of one machine, before and after a program has used Ray on its own there.
#
# Expected: `ray start --head` followed by ray.init("127.0.0.1:PORT") of the same user works the same way both times.
# Seen in ray 2.60.0: it works while the user has no ~/.ray/auth_token. A ray.init() without an address writes that file.
# From then on the cluster wants a token, and the same driver fails with a message about the cluster's address, unless
# RAY_AUTH_MODE=token is set for it too.
set -euo pipefail
folder=$(mktemp -d)
export HOME="$folder/home" RAY_USAGE_STATS_ENABLED=0 RAY_gcs_rpc_server_reconnect_timeout_s=5
mkdir "$HOME"
python3 -m venv "$folder/venv"
export PATH="$folder/venv/bin:$PATH"
trap 'ray stop --force > /dev/null 2>&1; rm -rf "$folder"' EXIT
pip install --quiet ray==2.60.0 2>/dev/null
port=$(python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
start() { ray start --head --port="$port" --num-cpus=1 --include-dashboard=false --temp-dir="$folder/$1" > "$folder/$1.log" 2>&1; }
connect() { timeout 120 python -c "import ray; ray.init('127.0.0.1:$port', log_to_driver=False); print('connected')" 2>&1 | grep -c '^connected$' || true; }
start first; before=$(connect); ray stop --force > /dev/null 2>&1
python -c 'import ray; ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False); ray.shutdown()' > /dev/null 2>&1
token=$([ -s "$HOME/.ray/auth_token" ] && echo yes || echo no)
start second; after=$(connect); named=$(RAY_AUTH_MODE=token connect)
echo "connected before: $before, token file written by ray.init: $token, connected after: $after, with RAY_AUTH_MODE=token: $named"
[ "$before $token $after $named" = "1 yes 0 1" ] || { echo "the behaviour has changed"; exit 1; }
