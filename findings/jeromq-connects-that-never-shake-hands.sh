#!/usr/bin/env bash
# JeroMQ 0.6.0 (Java) with libzmq 4.3.5 (pyzmq 27.3.0): about one connect in twenty never finishes its handshake.
#
# Expected: a DEALER that connects to a ROUTER that is there can send to it at once.
# Seen: of 400 connects in a row, one after the other, some are accepted and then silent: the message does not come within
# 3 seconds. The next connect of a new socket works. (After libzmq's handshake_ivl of 30 seconds, the connection is made
# anew.)
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install -q pyzmq==27.3.0
for artifact in org.zeromq:jeromq:0.6.0 eu.neilalexander:jnacl:1.0.0; do
    mvn -q -B dependency:copy -Dartifact="$artifact" -DoutputDirectory=. > /dev/null
done
cat > Look.java <<'SCRIPT'
import java.io.*;
import org.zeromq.*;

public class Look {
    public static void main(String[] words) throws IOException {
        BufferedReader endpoints = new BufferedReader(new InputStreamReader(System.in));
        ZContext context = new ZContext();
        context.setLinger(0);
        String endpoint;
        while ((endpoint = endpoints.readLine()) != null) {
            ZMQ.Socket dealer = context.createSocket(SocketType.DEALER);
            dealer.connect(endpoint);
            dealer.send("hello");
            endpoints.readLine();
            context.destroySocket(dealer);
        }
    }
}
SCRIPT
timeout 500 venv/bin/python - <<'PYTHON'
import glob
import subprocess

import zmq

command = ["java", "-cp", ":".join(glob.glob("*.jar")), "Look.java"]
program = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1)
context = zmq.Context()
silent = 0
for number in range(400):
    router = context.socket(zmq.ROUTER)
    router.linger = 0
    port = router.bind_to_random_port("tcp://127.0.0.1")
    program.stdin.write(f"tcp://127.0.0.1:{port}\n")
    silent += not router.poll(10_000 if number == 0 else 3_000)
    program.stdin.write("next\n")
    router.close()
program.kill()
print(f"JeroMQ 0.6.0: of 400 connects, {silent} were accepted and brought nothing in 3 s")
assert silent > 0
PYTHON
