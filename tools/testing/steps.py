"""Runs one command with a bound on its time and its output in a log; ends it with all its children."""
from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

_running: set[subprocess.Popen] = set()
_lock = threading.Lock()
_print_lock = threading.Lock()


def say(text: str):
    with _print_lock:
        print(text, flush=True)


@dataclass
class Outcome:
    code: int
    seconds: float
    log: Path

    @property
    def good(self) -> bool:
        return self.code == 0

    def tail(self, lines: int = 40) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def _end_group(process: subprocess.Popen):
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(5)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def end_everything():
    with _lock:
        processes = list(_running)
    for process in processes:
        _end_group(process)


def run(command: list[str], log: Path, timeout: float, environment: dict | None = None, folder: Path | None = None,
        nice: int = 0) -> Outcome:
    """The command in a process group of its own. Code 124 after the timeout, 127 where it cannot be started."""
    log.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    prefix = ["nice", "-n", str(nice)] if nice else []
    with log.open("wb") as output:
        output.write(("$ " + " ".join(command) + "\n").encode())
        output.flush()
        try:
            process = subprocess.Popen(prefix + command, stdin=subprocess.DEVNULL, stdout=output,
                                       stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})}, cwd=folder,
                                       start_new_session=True)
        except OSError as error:
            output.write(f"{error}\n".encode())
            return Outcome(127, 0.0, log)
        with _lock:
            _running.add(process)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            _end_group(process)
            output.write(f"\nended after {timeout:.0f} s: too slow\n".encode())
            code = 124
        finally:
            with _lock:
                _running.discard(process)
    return Outcome(code, time.monotonic() - began, log)
