#!/usr/bin/env bash
# JeroMQ 0.6.0 (Java): it announces ZMTP 3.0 and answers PING, a command of ZMTP 3.1.
#
# Expected: heartbeats work between peers that both announce 3.1; a 3.0 peer does not know the command.
# Seen: the greeting says 3.0, and PING with a context is answered by PONG with the same context. A peer that decides by
# the announced version alone never uses heartbeats with JeroMQ, although both sides could.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
for artifact in org.zeromq:jeromq:0.6.0 eu.neilalexander:jnacl:1.0.0; do
    mvn -q -B dependency:copy -Dartifact="$artifact" -DoutputDirectory=. > /dev/null
done
cat > Look.java <<'SCRIPT'
import org.zeromq.*;

public class Look {
    public static void main(String[] words) {
        ZMQ.Socket pull = new ZContext().createSocket(SocketType.PULL);
        System.out.println(pull.bindToRandomPort("tcp://127.0.0.1"));
        pull.recv();
    }
}
SCRIPT
timeout 60 python3 - <<'PYTHON'
import glob
import socket
import subprocess
import time

program = subprocess.Popen(["java", "-cp", ":".join(glob.glob("*.jar")), "Look.java"], stdout=subprocess.PIPE, text=True)
peer = socket.create_connection(("127.0.0.1", int(program.stdout.readline())))
peer.sendall(b"\xff" + bytes(8) + b"\x7f\x03\x01NULL" + bytes(48))
ready = b"\x05READY\x0bSocket-Type\x00\x00\x00\x04PUSH"
peer.sendall(b"\x04" + bytes([len(ready)]) + ready)
time.sleep(1)
came = peer.recv(1000)
peer.sendall(b"\x04\x09\x04PING\x00\x00ab")
peer.settimeout(5)
answer = peer.recv(100)
program.kill()
print(f"JeroMQ 0.6.0: version {came[10]}.{came[11]}, answer to PING: {answer!r}")
assert (came[10], came[11]) == (3, 0)
assert answer == b"\x04\x07\x04PONGab"
PYTHON
