"""A program under measurement, with all the processes and threads that it becomes."""

import ctypes
import json
import os
import signal
import subprocess
import time
from pathlib import Path

from harness import machine

PR_SET_PDEATHSIG = 1
MEMORY_LINES = {"Rss:": ("rss",), "Pss:": ("pss",), "Pss_Anon:": ("own",), "Pss_Shmem:": ("own",)}  # in smaps_rollup
_libc = ctypes.CDLL(None)  # loaded before any fork


class ProgramFailed(Exception):
    """It did not start, or ended by itself; says what it wrote last."""


class Program:
    """Started on the CPUs given; ended with close(), or with us."""

    def __init__(self, command, cpus, log, environment=None, **pipes):
        def become():
            os.sched_setaffinity(0, cpus)
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

        self.name = Path(command[0]).name
        self.log = Path(log)
        with open(log, "ab") as output:
            pipes.setdefault("stdin", subprocess.DEVNULL)
            pipes.setdefault("stdout", output)
            self.process = subprocess.Popen(
                command, stderr=output, preexec_fn=become, env={**os.environ, **(environment or {})}, **pipes
            )
        self.pid = self.process.pid

    def check(self):
        """Raises ProgramFailed where it is gone."""
        if self.process.poll() is not None:
            raise ProgramFailed(f"{self.name} ended with {self.process.returncode}: {self.last_words()}")

    def last_words(self):
        return self.log.read_text(errors="replace").strip()[-2000:] or "(it wrote nothing)"

    def pids(self):
        """Itself and its descendants."""
        found, look = [], [self.pid]
        while look:
            pid = look.pop()
            found.append(pid)
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                look += [int(child) for child in _read(children).split()]
        return found

    def threads(self):
        return sum(len(os.listdir(f"/proc/{pid}/task")) for pid in self.pids())

    def cpu_ns(self):
        """Time on a CPU of every thread of every process, from schedstat: exact while they sleep."""
        return sum(
            int((_read(path) or "0").split()[0])
            for pid in self.pids()
            for path in Path(f"/proc/{pid}/task").glob("*/schedstat")
        )

    def clock_ns(self):
        """The same from the processes' clocks, which remember threads that have ended: a check of the other."""
        return int(sum(machine.cpu_seconds(pid) for pid in self.pids()) * 1e9)

    def memory(self):
        """Bytes: resident; proportional (shared pages divided among their users); and of the latter the own ones, which
        the program itself has written. The rest are pages of files, and a library's are divided among all who run it:
        there this program "grows" whenever another one ends."""
        total = {"rss": 0, "pss": 0, "own": 0}
        for pid in self.pids():
            for line in _read(f"/proc/{pid}/smaps_rollup").splitlines()[1:]:
                name, value = line.split()[:2]
                for kind in MEMORY_LINES.get(name, ()):
                    total[kind] += int(value) * 1024
        return total

    def close(self):
        """Ends it, and whatever of it is left, by pid."""
        pids = self.pids() if self.process.poll() is None else []
        if pids:
            self.process.terminate()
        try:
            self.process.wait(3)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        deadline = time.monotonic() + 1
        for pid in pids[1:]:
            while _is_alive(pid) and time.monotonic() < deadline:
                time.sleep(0.005)
            if _is_alive(pid):
                os.kill(pid, signal.SIGKILL)


class Commanded:
    """A program that is told what to do by lines on its standard input, and answers each with a line of JSON."""

    def __init__(self, command, cpus, log):
        self.program = Program(command, cpus, log, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def command(self, line):
        self.program.process.stdin.write(line + "\n")
        self.program.process.stdin.flush()
        return self.answer()

    def answer(self):
        line = self.program.process.stdout.readline()
        if not line:
            raise ProgramFailed(f"{self.program.name} ended: {self.program.last_words()}")
        answer = json.loads(line)
        if "error" in answer:
            raise ProgramFailed(f"{self.program.name}: {answer['error']}")
        return answer

    def close(self):
        self.program.process.stdin.close()
        self.program.close()


def _is_alive(pid):
    return _read(f"/proc/{pid}/stat").rpartition(")")[2].split()[:1] not in ([], ["Z"])


def _read(path):
    try:
        return Path(path).read_text()
    except OSError:  # a thread or process that ended meanwhile
        return ""
