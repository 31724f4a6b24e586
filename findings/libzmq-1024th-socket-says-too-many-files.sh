#!/usr/bin/env bash
# libzmq 4.3.5 (pyzmq 27.3.0): about the thousandth socket of a context fails with "Too many open files" although the
# process may open many more files.
#
# Expected: EMFILE tells that the limit of the process (ulimit -n) is reached.
# Seen: EMFILE after 1,023 sockets or fewer with a limit of 4,096 files: it is the context's own max_sockets (1023). With
# max_sockets 3000, 1,500 sockets can be made.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pyzmq==27.3.0
cd "$folder"
timeout 120 venv/bin/python - <<'PYTHON'
import resource

import zmq

soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, hard))


def sockets(context):
    made = []
    try:
        while len(made) < 1500:
            made.append(context.socket(zmq.PULL))
    except zmq.ZMQError as error:
        return len(made), str(error)
    finally:
        for one in made:
            one.close(0)
    return len(made), "no error"


plain, large = zmq.Context(), zmq.Context()
large.max_sockets = 3000
seen = sockets(plain), sockets(large)
print(f"libzmq {zmq.zmq_version()}: by default {seen[0]}, with max_sockets 3000 {seen[1]}")
assert 1000 < seen[0][0] < 1024
assert seen[0][1] == "Too many open files"
assert seen[1] == (1500, "no error")
PYTHON
