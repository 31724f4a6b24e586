#!/usr/bin/env bash
# go-zeromq/zmq4 v0.17.0 with libzmq 4.3.5 (pyzmq 27.3.0): the peer's heartbeats are delivered as messages, and then the
# connection ends.
#
# Expected: a stack that announces ZMTP 3.0 ignores a PING command, or answers it.
# Seen: a Go PULL receives the PING of a libzmq PUSH with heartbeat_ivl 200 ms as a message "\x04PING\x00\x00" after its
# first message. No PONG goes back, so libzmq closes the connection, and Recv fails.
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
	"time"

	"github.com/go-zeromq/zmq4"
)

func main() {
	pull := zmq4.NewPull(context.Background())
	if err := pull.Listen("tcp://127.0.0.1:0"); err != nil {
		panic(err)
	}
	fmt.Println(pull.Addr())
	go func() { time.Sleep(10 * time.Second); fmt.Println("nothing more"); panic("time is up") }()
	for {
		message, err := pull.Recv()
		if err != nil {
			fmt.Println("failed")
			return
		}
		fmt.Printf("%q\n", message.Frames[0])
	}
}
SCRIPT
go mod tidy > /dev/null 2>&1
go build -o look .
timeout 60 venv/bin/python - <<'PYTHON'
import subprocess

import zmq

program = subprocess.Popen(["./look"], stdout=subprocess.PIPE, text=True)
push = zmq.Context().socket(zmq.PUSH)
push.linger = 0
push.heartbeat_ivl = 200
push.connect(f"tcp://{program.stdout.readline().strip()}")
push.send(b"one")
seen = [program.stdout.readline().strip() for _ in range(3)]
program.kill()
print(f"go-zeromq/zmq4 v0.17.0: a PULL's program receives {seen}")
assert seen == ['"one"', r'"\x04PING\x00\x00"', "failed"]
PYTHON
