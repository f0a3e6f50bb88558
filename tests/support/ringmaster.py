"""The real program under test: started on free ports, waited for, asked, ended by its pid."""
from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

from . import processes, toml
from .wire import Address, Answer, Wire, exchange, wait_until

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("RINGMASTER_BUILD", ROOT / "build")).resolve()
SANITIZED = "-asan" in BUILD.name or "-tsan" in BUILD.name
SANITIZER_REPORT = re.compile(r"ERROR: \w+Sanitizer|WARNING: ThreadSanitizer|runtime error:|LeakSanitizer")


def executable(name: str) -> Path:
    """The built program; the tests fail plainly where it is missing."""
    for folder in ("", "src", "replica"):
        path = BUILD / folder / name
        if path.is_file() and os.access(path, os.X_OK):
            return path
    raise AssertionError(f"{BUILD} has no {name}: build it, or set RINGMASTER_BUILD")


def parse_address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)


class Ringmaster:
    """One running ringmaster with its replicas.

    `settings` are merged over a base that suits tests: one proxy port and one admin port of the kernel's choice, two
    workers, drop-in mode, three replica processes. The replicas are started by a name of their own (a link in the
    test's folder), so that whoever is left behind can be told from everybody else's.
    """

    def __init__(self, directory: Path, settings: dict | None = None, arguments: tuple[str, ...] = (),
                 pass_fds: tuple[int, ...] = (), prefix: tuple[str, ...] = (), environment: dict | None = None,
                 replica_arguments: tuple[str, ...] = (), expect_proxy_listener: bool = True):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.replica_link = self.directory / "ringmaster-replica"
        if not self.replica_link.exists():
            self.replica_link.symlink_to(executable("ringmaster-replica"))
        base = {
            "proxy": {"listen": ["127.0.0.1:0"], "workers": 2, "drop_in": True},
            "replicas": {"count": 3, "command": [str(self.replica_link), *replica_arguments]},
            "heartbeat": {"interval": "100ms"},
            "admin": {"listen": "127.0.0.1:0"},
        }
        self.settings = toml.merge(base, settings)
        self.config = self.directory / "ringmaster.toml"
        self.config.write_text(toml.dump(self.settings))
        self.command = [*prefix, str(executable("ringmaster")), "run", "--config", str(self.config), *arguments]
        self.pass_fds = pass_fds
        self.environment = {**os.environ, **(environment or {})}
        self.expect_proxy_listener = expect_proxy_listener
        self.log: list[str] = []
        self._news = threading.Condition()
        self.process: subprocess.Popen | None = None
        self.proxies: list[Address] = []
        self.admin: Address = ("", 0)

    def __enter__(self) -> "Ringmaster":
        return self.start()

    def __exit__(self, kind, *_):
        if kind is None:
            self.stop()
        else:
            self.kill()

    # --- life ---------------------------------------------------------------------------------------------------------
    def start(self, ready: bool = True) -> "Ringmaster":
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                        errors="replace", pass_fds=self.pass_fds, env=self.environment)
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        try:
            admin = self.wait_for_log(r"admin listening on (\S+)", 20).group(1)
            if not admin.startswith("unix:"):
                self.admin = parse_address(admin)
            if self.expect_proxy_listener:
                wanted = len(self.settings["proxy"]["listen"])
                wait_until(lambda: len(self._proxy_lines()) >= wanted, 20, f"{wanted} 'proxy listening on' lines")
                self.proxies = [parse_address(text) for text in self._proxy_lines()]
            if ready:
                self.wait_ready()
        except BaseException:
            self.kill()
            raise
        return self

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def proxy(self) -> Address:
        return self.proxies[0]

    def _proxy_lines(self) -> list[str]:
        return [m.group(1) for line in list(self.log) if (m := re.search(r"proxy listening on (\S+:\d+)", line))]

    def _read_log(self):
        for line in self.process.stderr:
            with self._news:
                self.log.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def wait_for_log(self, pattern: str, within: float = 15.0, after: int = 0) -> re.Match:
        """The first log line from index `after` on that matches.

        The thread that does what the line says may not have come further than the line: ask it for something before
        relying on more.
        """
        deadline = time.monotonic() + within
        position = after
        with self._news:
            while True:
                while position < len(self.log):
                    if match := re.search(pattern, self.log[position]):
                        return match
                    position += 1
                if self.process.poll() is not None and not self._reader.is_alive():
                    raise AssertionError(f"ringmaster ended with {self.process.returncode}:\n{self.log_text()}")
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    raise AssertionError(f"no log line matches {pattern!r} within {within} s:\n{self.log_text()}")
                self._news.wait(min(remaining, 0.2))

    def log_text(self) -> str:
        return "\n".join(self.log[-60:])

    def wait_ready(self, within: float = 20.0):
        def is_ready():
            if self.process.poll() is not None:
                raise AssertionError(f"ringmaster ended with {self.process.returncode}:\n{self.log_text()}")
            return self.admin_get("/readyz").status == 200
        wait_until(is_ready, within, "/readyz says 200")
        replicas = self.settings["replicas"]
        count = len(replicas["static"]) if replicas.get("runtime") == "static" else replicas["count"]
        wait_until(lambda: len(self.ready_replicas()) == count, within, f"{count} replicas are ready")

    def wait_under_way(self, count: int = 1, within: float = 10.0):
        """Until so many requests have begun and are not answered yet. What was sent may not have been read yet."""
        wait_until(lambda: self.metric("ringmaster_exchanges") >= count, within, f"{count} requests are under way")

    def signal(self, number: int):
        os.kill(self.pid, number)

    def wait_end(self, within: float = 30.0) -> int:
        code = self.process.wait(within)
        self._reader.join(5)
        return code

    def stop(self, within: float = 30.0):
        """SIGTERM; the end must be a clean one: status 0, no replica left, no sanitizer report."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        try:
            code = self.wait_end(within)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"ringmaster did not end within {within} s of SIGTERM:\n{self.log_text()}") from None
        self.assert_no_sanitizer_report()
        assert code == 0, f"ringmaster ended with {code}:\n{self.log_text()}"
        left = self.left_replicas()
        assert not left, f"replicas left behind: {left}"

    def kill(self):
        """SIGKILL, to it and to whatever of its replicas is left; for cleaning up after a failure."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for pid in self.left_replicas():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def assert_no_sanitizer_report(self):
        reports = [line for line in self.log if SANITIZER_REPORT.search(line)]
        assert not reports, "\n".join(self.log)

    # --- asking -------------------------------------------------------------------------------------------------------
    def get(self, target: str, **fields: str) -> Answer:
        return exchange(self.proxy, "GET", target, **fields)

    def admin_get(self, target: str) -> Answer:
        return exchange(self.admin, "GET", target)

    def admin_send(self, method: str, target: str, body: bytes | str = b"", **fields: str) -> Answer:
        body = body.encode() if isinstance(body, str) else body
        if body:
            fields.setdefault("content_type", "application/json")
        return exchange(self.admin, method, target, body, **fields)

    def connect(self, timeout: float = 10.0, **options) -> Wire:
        return Wire(self.proxy, timeout, **options)

    def replicas(self) -> list[dict]:
        """The native API's list."""
        reply = self.admin_get("/v1/replicas").json()
        return reply["replicas"] if isinstance(reply, dict) else reply

    def ready_replicas(self) -> list[dict]:
        return [replica for replica in self.replicas() if replica["state"] == "ready"]

    def metrics(self) -> dict[str, float]:
        """Every sample of /metrics, by its name with labels as printed."""
        samples = {}
        for line in self.admin_get("/metrics").body.decode().splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                samples[name] = float(value)
        return samples

    def metric(self, name: str, **labels: str) -> float:
        """Sum of the samples of that name which carry these labels."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(value for sample, value in self.metrics().items()
                   if sample.partition("{")[0] == name and all(label in sample for label in wanted))

    # --- replica processes --------------------------------------------------------------------------------------------
    def left_replicas(self) -> list[int]:
        found = processes.with_argument(str(self.replica_link))
        return [pid for pid in found if pid != getattr(self.process, "pid", 0)]

    def replica_pids(self) -> dict[str, int]:
        """Live replica processes by their SERVER_ID."""
        found = {}
        for pid in self.left_replicas():
            try:
                found[processes.environment(pid).get("SERVER_ID", f"pid {pid}")] = pid
            except OSError:
                continue
        return found
