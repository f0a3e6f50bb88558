"""The programs that are compared, each set up for the same work.

One worker (or as many as the case says) on the CPUs given; keep-alive on both sides for as long as the run lasts; the
replica chosen by a consistent hash of request_id; X-Forwarded-For overwritten, -Proto and -Host set, hop-by-hop fields
removed; no log. Whatever a setting of a peer could cost it without being part of that work is turned off."""

import http.client
import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from harness.processes import Program, ProgramFailed

READY_SECONDS = 10
FLOOR_BUFFERS = ((512 << 10, 512 << 10, 8), (64 << 10, 256 << 10, 16), (16 << 10, 64 << 10, 512))  # from, bytes, number


@dataclass
class Site:
    """What a subject is to serve."""

    backends: list
    folder: Path
    cpus: set
    workers: int = 1
    connections: int = 1024  # clients' connections that it must be able to hold
    busy: int = 512  # of those, with a request in flight
    body_bytes: int = 0  # of a request or an answer
    balance: str = "hash"  # hash | round-robin: what the peers do; see perf/README.md
    environment: dict = field(default_factory=dict)
    quiet: bool = False  # nothing but the requests: heartbeats so rare that none falls into a run


def free_port():
    with socket.socket() as any_socket:
        any_socket.bind(("127.0.0.1", 0))
        return any_socket.getsockname()[1]


class Subject:
    name = ""
    is_peer = False  # one of those that ringmaster is compared with
    is_http = True
    has_process = True

    def __init__(self, binary):
        self.binary = binary
        self.program = None
        self.address = None

    def version(self):
        return ""

    def start(self, site):
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        command = self.command(site, port)
        log = site.folder / f"{self.name}.log"
        log.unlink(missing_ok=True)
        self.program = Program(command, site.cpus, log, site.environment)
        try:
            self._wait_until_ready()
        except ProgramFailed:
            self.stop()
            raise

    def command(self, site, port):
        """Writes its configuration into site.folder and returns what to run."""
        raise NotImplementedError

    def stop(self):
        if self.program:
            self.program.close()
            self.program = None

    def echo(self):
        """The head of a request as it arrives at a backend."""
        connection = http.client.HTTPConnection(self.address, timeout=2)
        try:
            fields = {"Host": "ringmaster.test", "X-Kept": "yes"}
            fields |= {"X-Forwarded-For": "192.0.2.66", "Keep-Alive": "timeout=5"}  # not to be passed on
            connection.request("GET", "/echo?request_id=1000000000", headers=fields)
            answer = connection.getresponse()
            text = answer.read().decode("latin-1")
            return text if answer.status == 200 else None
        finally:
            connection.close()

    def check_edits(self):
        """Raises ProgramFailed unless it edits heads as all of them must."""
        text = self.echo() or ""
        lines = text.split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        expected = {
            "host": "ringmaster.test",
            "x-forwarded-for": "127.0.0.1",
            "x-forwarded-proto": "http",
            "x-forwarded-host": "ringmaster.test",
            "x-kept": "yes",
            "keep-alive": None,
        }
        wrong = {name: fields.get(name) for name, value in expected.items() if fields.get(name) != value}
        keeps_alive = lines[0].endswith(" HTTP/1.1") and fields.get("connection", "").lower() in ("", "keep-alive")
        if wrong or not keeps_alive:
            raise ProgramFailed(f"{self.name} edits heads differently ({wrong}); a backend saw:\n{text}")

    def _wait_until_ready(self):
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            self.program.check()
            try:
                if self.echo() is not None:
                    return
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.01)
        raise ProgramFailed(f"{self.name} was not ready after {READY_SECONDS} s: {self.program.last_words()}")


class Nginx(Subject):
    name = "nginx"
    is_peer = True

    def version(self):
        return _first_line([self.binary, "-v"])

    def command(self, site, port):
        folder = site.folder / "nginx"
        folder.mkdir(exist_ok=True)
        servers = "".join(f"    server {backend};\n" for backend in site.backends)
        balance = "    hash $arg_request_id consistent;\n" if site.balance == "hash" else ""
        temporary = "".join(
            f"  {kind}_temp_path {folder}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        user = "user root;\n" if os.geteuid() == 0 else ""
        # With less than a sixteenth of them free it closes clients' connections that wait for a request.
        connections = (site.connections + site.busy) * 9 // 8 + 512
        reuse_port = " reuseport" if site.workers > 1 else ""
        configuration = f"""{user}daemon off;
worker_processes {site.workers};
pid {folder}/nginx.pid;
error_log stderr crit;
events {{ worker_connections {connections}; }}
http {{
  access_log off;
{temporary}  server_tokens off;
  keepalive_requests 2000000000;
  keepalive_timeout 1h;
  client_header_timeout 1h;
  client_body_buffer_size 64k;   # a body of 16 KiB must not touch a file
  proxy_max_temp_file_size 0;    # nor an answer
  upstream replicas {{
{balance}{servers}    keepalive 1024;
    keepalive_requests 2000000000;
    keepalive_timeout 1h;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=4096{reuse_port};
    location / {{
      proxy_pass http://replicas;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_read_timeout 1h;
    }}
  }}
}}
"""
        (folder / "nginx.conf").write_text(configuration)
        return [self.binary, "-e", "stderr", "-p", str(folder), "-c", str(folder / "nginx.conf")]


class Haproxy(Subject):
    name = "haproxy"
    is_peer = True

    def version(self):
        return _first_line([self.binary, "-v"])

    def command(self, site, port):
        servers = "".join(f"  server r{i} {backend}\n" for i, backend in enumerate(site.backends, 1))
        balance = "balance roundrobin"
        if site.balance == "hash":
            balance = "balance url_param request_id\n  hash-type consistent"
        configuration = f"""global
  nbthread {site.workers}
  maxconn {max(site.connections + 64, 8192)}
  no strict-limits
  tune.pool-low-fd-ratio 90    # else it closes upstream connections once a quarter of its descriptors
  tune.pool-high-fd-ratio 95   # is in use, and connects anew for each request
defaults
  mode http
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  http-reuse always
frontend clients
  bind 127.0.0.1:{port} backlog 4096
  http-request set-header X-Forwarded-For %[src]
  http-request set-header X-Forwarded-Proto http
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  http-request del-header Keep-Alive
  default_backend replicas
backend replicas
  {balance}
{servers}"""
        path = site.folder / "haproxy.cfg"
        path.write_text(configuration)
        return [self.binary, "-q", "-db", "-f", str(path)]


class Ringmaster(Subject):
    name = "ringmaster"

    def version(self):
        return _first_line([self.binary, "--version"])

    def command(self, site, port):
        self.admin = f"127.0.0.1:{free_port()}"
        self.backends = site.backends
        replicas = "".join(
            f'\n[[replicas.static]]\nname = "r{i}"\naddress = "{backend}"\nweight = 1\n'
            for i, backend in enumerate(site.backends, 1)
        )
        configuration = f"""[proxy]
listen = ["127.0.0.1:{port}"]
workers = {site.workers}

[routing]
key = ["query:request_id"]

[timeouts]
request_header = "1h"
response = "1h"
keep_alive = "1h"
upstream_keep_alive = "1h"

{'[heartbeat]' + chr(10) + 'interval = "60s"' + chr(10) if site.quiet else ''}
[limits]
connections = {site.connections + 64}

[admin]
listen = "{self.admin}"

[replicas]
runtime = "static"
{replicas}"""
        path = site.folder / "ringmaster.toml"
        path.write_text(configuration)
        return [self.binary, "run", "--config", str(path)]

    def table_swap(self):
        """What the load asks for to put another table in force, each time it asks; tried once. Raises CannotSwap."""
        path, bodies = "/v1/replicas/r1", ('{"weight":1}', '{"weight":2}')
        connection = http.client.HTTPConnection(self.admin, timeout=2)
        try:
            connection.request("PATCH", path, bodies[-1], {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
        finally:
            connection.close()
        if answer.status in (404, 405, 409, 501):
            raise CannotSwap(f"PATCH {path}: {answer.status} {text.strip()}")
        if answer.status != 200:
            raise ProgramFailed(f"PATCH {path}: {answer.status} {text.strip()}")
        return {"aside_target": self.admin, "aside_path": path, "aside_body": bodies}


class CannotSwap(Exception):
    """This ringmaster does not let anybody change a static replica's weight."""


class Floor(Subject):
    name = "floor"
    is_http = False

    def version(self):
        return "the bare layer-4 relay of this tree"

    def command(self, site, port):
        command = [self.binary, "--listen", f"127.0.0.1:{port}"]
        for backend in site.backends:
            command += ["--upstream", backend]
        # As tried with answers of 64 KiB and 1 MiB: more of them, or smaller ones, cost up to twice as much.
        for body_bytes, buffer_bytes, buffers in FLOOR_BUFFERS:
            if site.body_bytes >= body_bytes:
                return command + ["--buffer-bytes", str(buffer_bytes), "--buffers", str(buffers)]
        return command


class Direct(Subject):
    """No proxy at all: what the load itself takes."""

    name = "direct"
    is_http = False
    has_process = False

    def version(self):
        return "no proxy: what the load takes by itself"

    def start(self, site):
        self.address = site.backends[0]


def _first_line(command):
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except OSError as error:
        return str(error)
    return ((result.stdout + result.stderr).strip().splitlines() or [""])[0]


SUBJECTS = (Ringmaster, Nginx, Haproxy, Floor, Direct)


def find(kind, given, default):
    """The subject with its binary, or None where there is none. `given` by option counts before the default place."""
    if not kind.has_process:
        return kind(None)
    path = shutil.which(str(given or default))
    return kind(path) if path else None
