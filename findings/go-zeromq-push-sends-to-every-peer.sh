#!/usr/bin/env bash
# go-zeromq/zmq4 v0.17.0 with libzmq 4.3.5 (pyzmq 27.3.0): a PUSH sends each message to all of its peers.
#
# Expected: a PUSH sends each message to one peer, in turn (30/PIPELINE: "SHALL route outgoing messages to available peers
# using a round-robin strategy"), so that the work is divided among the workers.
# Seen: of six messages, each of two PULLs receives all six. A DEALER does the same.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q pyzmq==27.3.0
cat > go.mod <<'MODULE'
module look
go 1.21
require github.com/go-zeromq/zmq4 v0.17.0
MODULE
cat > main.go <<'SCRIPT'
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"

	"github.com/go-zeromq/zmq4"
)

func main() {
	push := zmq4.NewPush(context.Background())
	if err := push.Listen("tcp://127.0.0.1:0"); err != nil {
		panic(err)
	}
	fmt.Println(push.Addr())
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if err := push.Send(zmq4.NewMsgString(lines.Text())); err != nil {
			panic(err)
		}
	}
}
SCRIPT
go mod tidy > /dev/null 2>&1
go build -o look .
timeout 60 venv/bin/python - <<'PYTHON'
import subprocess

import zmq
from zmq.utils.monitor import recv_monitor_message

program = subprocess.Popen(["./look"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
endpoint = f"tcp://{program.stdout.readline().strip()}"
pulls = []
for _ in range(2):
    pull = zmq.Context.instance().socket(zmq.PULL)
    pull.linger, pull.rcvtimeo = 0, 3000
    monitor = pull.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
    pull.connect(endpoint)
    recv_monitor_message(monitor)
    pulls.append(pull)
for number in range(6):
    print(number, file=program.stdin, flush=True)
seen = []
for pull in pulls:
    received = []
    while len(received) < 6:
        try:
            received.append(int(pull.recv()))
        except zmq.Again:
            break
    seen.append(received)
program.kill()
print(f"the two PULLs received {seen[0]} and {seen[1]}; expected three messages each")
assert seen == [[0, 1, 2, 3, 4, 5]] * 2
PYTHON
