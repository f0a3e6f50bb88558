#!/usr/bin/env python3
"""Where a real nginx sends keys with `hash KEY consistent`: makes ketama_golden.txt beside this file.

    python3 tests/balance/golden_ketama.py [/usr/sbin/nginx]

Starts one nginx on loopback with an upstream block for each case, asks it for every key, and records which server it
chose, from $upstream_addr. Nobody listens at the servers' addresses: the choice is made before the connection fails,
and max_fails=0 keeps a failure from counting. Wants nginx 1.7.2 or newer; no root, no other port than one free one.

The file: "nginx VERSION"; then for each case "case NAME", a line "server up|down WEIGHT NAME" for each server, and a
line "key INDEX KEY" for each key (index into the servers from 0; KEY is the rest of the line). The empty key is left
out: nginx does not hash it, but takes turns.
"""
import bisect
import os
import random
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import zlib

CASES = {
    "three": [("127.0.7.1:8081", 1, "up"), ("127.0.7.2:8081", 1, "up"), ("127.0.7.3:8081", 1, "up")],
    "weights": [("127.0.7.1:8081", 1, "up"), ("127.0.7.2:8081", 2, "up"), ("127.0.7.3:8081", 3, "up"),
                ("127.0.7.4:8081", 10, "up")],
    "down": [("127.0.7.1:8081", 1, "up"), ("127.0.7.2:8081", 1, "down"), ("127.0.7.3:8081", 1, "up"),
             ("127.0.7.4:8081", 2, "up")],
    "twelve": [(f"127.0.7.{i}:{8000 + i}", 1, "up") for i in range(1, 13)],
    "forms": [("127.0.7.1", 1, "up"), ("[::1]:8082", 1, "up"), ("unix:/tmp/ringmaster-golden.sock", 1, "up"),
              ("127.0.7.9:65535", 1, "up")],
    "collisions": [(f"127.0.7.{i}:8081", 300, "up") for i in range(1, 5)],
}


def points(servers):
    """Hash of each point -> the servers that have it, in their order. Only to find keys worth asking for."""
    found = {}
    for name, weight, _ in servers:
        host, _, port = name.rpartition(":")
        base, previous = zlib.crc32(f"{host}\0{port}".encode()), 0
        for _ in range(160 * weight):
            previous = zlib.crc32(struct.pack("<I", previous), base)
            found.setdefault(previous, []).append(name)
    return found


def keys_at_collisions():
    """Keys that go to a point which servers share: nginx keeps that of the first server."""
    found = points(CASES["collisions"])
    hashes = sorted(found)
    number, keys = 0, []
    while len(keys) < 6:
        number += 1
        at = bisect.bisect_left(hashes, zlib.crc32(str(number).encode()))
        if at < len(hashes) and len(set(found[hashes[at]])) > 1:
            keys.append(str(number))
    return keys


def keys():
    rng = random.Random(20160316)
    found = ["0", "a", "/", "100000", "999999", "%41%2f", "caf\xe9", "x" * 300]
    found += [str(rng.randint(100000, 999999)) for _ in range(250)]
    letters = "abcdefghijklmnopqrstuvwxyz0123456789-_./"
    found += ["".join(rng.choices(letters, k=rng.randint(1, 40))) for _ in range(150)]
    return found


def shown_address(name):
    """What $upstream_addr says for a server of this name."""
    return name if ":" in name else name + ":80"


def configuration(directory, port):
    upstreams = locations = ""
    for case, servers in CASES.items():
        lines = "".join(f"server {name} weight={weight} max_fails=0{' down' if state == 'down' else ''};\n"
                        for name, weight, state in servers)
        upstreams += f"upstream {case} {{ hash $arg_k consistent; {lines} }}\n"
        locations += f"location = /{case} {{ proxy_pass http://{case}; }}\n"
    temporary = "".join(f"{kind}_temp_path {directory}/{kind};\n"
                        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    return f"""daemon off; master_process off; pid {directory}/pid; error_log {directory}/error.log;
events {{ }}
http {{ access_log off; {temporary} {upstreams}
  proxy_next_upstream off; add_header X-Chosen $upstream_addr always;
  server {{ listen 127.0.0.1:{port}; keepalive_requests 1000000; large_client_header_buffers 4 16k; {locations} }} }}
"""


def ask(connection, case, key):
    connection.sendall(f"GET /{case}?k={key} HTTP/1.1\r\nHost: g\r\n\r\n".encode("latin-1"))
    reply = b""
    while b"\r\n\r\n" not in reply:
        reply += connection.recv(65536)
    head, _, body = reply.partition(b"\r\n\r\n")
    fields = dict(line.split(": ", 1) for line in head.decode("latin-1").split("\r\n")[1:])
    while len(body) < int(fields["Content-Length"]):
        body += connection.recv(65536)
    return fields["X-Chosen"]


def connect(port, process):
    for _ in range(100):
        if process.poll() is not None:
            sys.exit("nginx ended: see its message above")
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=5)
        except ConnectionRefusedError:
            time.sleep(0.05)
    sys.exit("nginx does not accept connections")


def main():
    nginx = sys.argv[1] if len(sys.argv) > 1 else "/usr/sbin/nginx"
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    directory = tempfile.mkdtemp()
    with open(f"{directory}/nginx.conf", "w") as file:
        file.write(configuration(directory, port))
    version = subprocess.run([nginx, "-v"], capture_output=True, text=True, check=True).stderr.strip().split("/")[-1]
    process = subprocess.Popen([nginx, "-p", directory, "-e", f"{directory}/error.log",
                                "-c", f"{directory}/nginx.conf"])
    try:
        connection = connect(port, process)
        lines = [f"nginx {version}"]
        for case, servers in CASES.items():
            lines.append(f"case {case}")
            lines += [f"server {state} {weight} {name}" for name, weight, state in servers]
            index = {shown_address(name): i for i, (name, _, _) in enumerate(servers)}
            asked = keys_at_collisions() if case == "collisions" else keys()
            lines += [f"key {index[ask(connection, case, key)]} {key}" for key in asked]
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(directory)
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "ketama_golden.txt"), "wb") as file:
        file.write("".join(line + "\n" for line in lines).encode("latin-1"))


if __name__ == "__main__":
    main()
