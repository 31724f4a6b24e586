#!/usr/bin/env bash
# go-zeromq/zmq4 v0.17.0 with libzmq 4.3.5 (pyzmq 27.3.0): a REP sends part of the request back in front of its reply, if
# the request contains an empty frame.
#
# Expected: the first empty frame of a request ends its envelope (28/REQREP); everything behind it belongs to the program,
# and only the envelope goes back in front of the reply.
# Seen: a REQ sends ["request", ""], and the reply "reply" of a Go REP arrives as ["request", "", "reply"].
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
	"context"
	"fmt"

	"github.com/go-zeromq/zmq4"
)

func main() {
	rep := zmq4.NewRep(context.Background())
	if err := rep.Listen("tcp://127.0.0.1:0"); err != nil {
		panic(err)
	}
	fmt.Println(rep.Addr())
	for {
		if _, err := rep.Recv(); err != nil {
			panic(err)
		}
		if err := rep.Send(zmq4.NewMsgString("reply")); err != nil {
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

program = subprocess.Popen(["./look"], stdout=subprocess.PIPE, text=True)
req = zmq.Context().socket(zmq.REQ)
req.linger = 0
req.rcvtimeo = 10_000
req.connect(f"tcp://{program.stdout.readline().strip()}")
seen = []
for request in ([b"request"], [b"request", b""]):
    req.send_multipart(request)
    seen.append(req.recv_multipart())
    print(f"go-zeromq/zmq4 v0.17.0: the reply to {request} is {seen[-1]}")
program.kill()
assert seen == [[b"reply"], [b"request", b"", b"reply"]]
PYTHON
