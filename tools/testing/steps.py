"""Runs one command with a bound on its time and its output in a log; ends it with all its children.

stop() may come at any moment, from a signal or the clock: what runs is ended, what would come next is not begun, and
the runner goes on to its count. Nothing that was started outlives end_strays().
"""
from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

MARK = "TOOLS_TEST_RUN"
# pytest takes its fixtures down on SIGINT, the program drains on SIGTERM.
ENDING = ((signal.SIGINT, 10.0), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))

_running: dict[subprocess.Popen, tuple[Path, float]] = {}
_lock = threading.Lock()
_print_lock = threading.Lock()
_stopped: str | None = None


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
    """Returns when the process has ended; what is left of its group is killed then."""
    for number, patience in ENDING:
        try:
            os.killpg(process.pid, number)
            process.wait(patience)
            break
        except ProcessLookupError:
            break
        except subprocess.TimeoutExpired:
            continue
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def stop(why: str):
    """From any thread, but not from a signal handler: it waits for a lock, and until what runs has ended."""
    global _stopped
    with _lock:
        _stopped = _stopped or why
        endings = [threading.Thread(target=_end_group, args=(process,)) for process in _running]
    for ending in endings:
        ending.start()
    for ending in endings:
        ending.join()


def stop_on_signals():
    def begin_to_stop(number: int, _frame):
        threading.Thread(target=stop, args=(f"ended by {signal.Signals(number).name}",)).start()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, begin_to_stop)


def stopped() -> str | None:
    """Why nothing is begun any more; None while all goes on."""
    return _stopped


def mark():
    """Everything that is started from now on can be told by its environment, wherever in the process tree it goes."""
    os.environ[MARK] = str(os.getpid())


def _marked() -> list[int]:
    wanted, found = f"{MARK}={os.getpid()}".encode(), []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            continue  # gone, or not ours to read
    return [pid for pid in found if pid != os.getpid()]


def end_strays(patience: float = 10.0) -> list[str]:
    """Ends what our commands left behind. Returns the command lines."""
    found: dict[int, str] = {}
    began = time.monotonic()
    while (strays := _marked()) and time.monotonic() < began + 2 * patience:
        for pid in strays:
            number = signal.SIGTERM if time.monotonic() < began + patience else signal.SIGKILL
            try:
                if pid not in found or number == signal.SIGKILL:
                    command = Path(f"/proc/{pid}/cmdline").read_bytes()
                    found[pid] = command.replace(b"\0", b" ").decode("utf-8", "replace")
                    os.kill(pid, number)
            except (ProcessLookupError, FileNotFoundError):
                continue
        time.sleep(0.05)
    return list(found.values())


def tell_every(seconds: float):
    """Says now and then what runs, for how long, and the last line of its log."""
    def tell():
        while True:
            time.sleep(seconds)
            with _lock:
                running = list(_running.values())
            for log, began in running:
                last = Outcome(0, 0, log).tail(1)[:100]
                say(f"  … {log.parent.parent.parent.name} {log.stem}, {time.monotonic() - began:.0f} s: {last}")
    threading.Thread(target=tell, daemon=True).start()


def run(command: list[str], log: Path, timeout: float, environment: dict | None = None, folder: Path | None = None,
        nice: int = 0) -> Outcome:
    """The command in a process group of its own. Code 124 after the timeout, 127 where it cannot be started, 130 where
    it was not because of stop(); the command that stop() ended has its signal's."""
    log.parent.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    prefix = ["nice", "-n", str(nice)] if nice else []
    with log.open("wb") as output:
        output.write(("$ " + " ".join(command) + "\n").encode())
        output.flush()
        try:
            with _lock:
                if _stopped:
                    output.write(f"not begun: {_stopped}\n".encode())
                    return Outcome(130, 0.0, log)
                process = subprocess.Popen(prefix + command, stdin=subprocess.DEVNULL, stdout=output,
                                           stderr=subprocess.STDOUT, env={**os.environ, **(environment or {})},
                                           cwd=folder, start_new_session=True)
                _running[process] = (log, began)
        except OSError as error:
            output.write(f"{error}\n".encode())
            return Outcome(127, 0.0, log)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            _end_group(process)
            output.write(f"\nended after {timeout:.0f} s: too slow\n".encode())
            code = 124
        finally:
            with _lock:
                del _running[process]
    return Outcome(code, time.monotonic() - began, log)
