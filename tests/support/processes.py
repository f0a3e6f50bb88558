"""What /proc says about processes: memory, children, and who is left behind."""
from __future__ import annotations

import os
import re
from pathlib import Path


def memory_kib(pid: int, what: str = "Pss") -> int:
    """Pss or Rss of the whole process in KiB."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(what + ":"):
            return int(line.split()[1])
    raise AssertionError(f"/proc/{pid}/smaps_rollup has no {what}")


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def state(pid: int) -> str:
    """One letter as in ps: R, S, T, Z …; 'gone' where there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "gone"


def alive(pid: int) -> bool:
    return state(pid) not in ("gone", "Z", "X")


def children(pid: int) -> list[int]:
    """Direct children of every thread of the process."""
    found: list[int] = []
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        pass
    return sorted(found)


def with_argument(text: str) -> list[int]:
    """Processes whose command line contains the text, zombies and ourselves left out."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if text.encode() in command and alive(int(entry.name)):
            found.append(int(entry.name))
    return sorted(found)


def environment(pid: int) -> dict[str, str]:
    entries = Path(f"/proc/{pid}/environ").read_bytes().decode("utf-8", "replace").split("\0")
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def descriptor_targets(pid: int) -> list[str]:
    """What its descriptors stand for; those that are closed meanwhile are left out."""
    targets = []
    for entry in os.listdir(f"/proc/{pid}/fd"):
        try:
            targets.append(os.readlink(f"/proc/{pid}/fd/{entry}"))
        except FileNotFoundError:
            continue
    return targets


def descriptors(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def machine() -> str:
    """One line for a report: processor, count, kernel."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    name = model.group(1) if model else os.uname().machine
    return f"{name}, {len(os.sched_getaffinity(0))} CPUs, Linux {os.uname().release}"
