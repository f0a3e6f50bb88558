"""The machine under the measurement: its own network, its limits, who else is busy, and what it is."""

import ctypes
import fcntl
import os
import platform
import resource
import socket
import struct
import time
from pathlib import Path

CLONE_NEWNET = 0x40000000
PF_KTHREAD = 0x00200000


def enter_own_network():
    """Moves this process, and all that it starts, into a network namespace with nothing but loopback.

    No firewall rule and no connection tracking is in the way there, and OutSegs counts nobody else's segments.
    Returns a sentence that says what holds now."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0:
        reason = os.strerror(ctypes.get_errno())
        return f"no network namespace of its own ({reason}): firewall rules of this machine take part"
    _raise_loopback()
    # Connections per request use up ports faster than they come back.
    Path("/proc/sys/net/ipv4/ip_local_port_range").write_text("1024 65535\n")
    return "a network namespace of its own, loopback only"


def _raise_loopback():
    SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = fcntl.ioctl(any_socket, SIOCGIFFLAGS, struct.pack("16sH14x", b"lo", 0))
        flags = struct.unpack("16sH14x", request)[1] | IFF_UP
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags))


def raise_descriptor_limit():
    """The soft limit becomes the hard one, for everything that is started from here. Returns it."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def cpu_seconds(pid):
    """CPU time of a whole process, ended threads included, to the nanosecond. 0 once it is gone."""
    try:
        return time.clock_gettime((~pid << 3) | 2)  # CPUCLOCK_SCHED, see clock_getcpuclockid(3)
    except OSError:
        return 0.0


class Neighbours:
    """CPU time that processes which are not ours take while we measure."""

    def __init__(self, own_pids):
        self.own = set(own_pids)
        self.kernel = set()
        self.before = self._sample()
        self.begin = time.monotonic()
        self.steal = _stolen_seconds()

    def percent(self):
        """(percent of one CPU taken by others, the busiest of them, percent of one CPU stolen by the hypervisor)."""
        passed = time.monotonic() - self.begin
        used = {pid: seconds - self.before.get(pid, 0.0) for pid, seconds in self._sample().items()}
        used = {pid: seconds for pid, seconds in used.items() if seconds > 0}
        worst = max(used, key=used.get, default=None)
        stolen = _stolen_seconds() - self.steal
        return 100 * sum(used.values()) / passed, _name_of(worst), 100 * stolen / passed

    def _sample(self):
        sample = {}
        for entry in os.listdir("/proc"):
            pid = int(entry) if entry.isdigit() else 0
            if pid and pid not in self.own and pid not in self.kernel:
                if _is_kernel_thread(pid):
                    self.kernel.add(pid)  # works for everybody, for us too
                else:
                    sample[pid] = cpu_seconds(pid)
        return sample


def _is_kernel_thread(pid):
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return True
    return bool(int(fields[6]) & PF_KTHREAD)


def _name_of(pid):
    try:
        return f"{Path(f'/proc/{pid}/comm').read_text().strip()} ({pid})" if pid else ""
    except OSError:
        return f"pid {pid}, gone"


def _stolen_seconds():
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()
    return int(fields[8]) / os.sysconf("SC_CLK_TCK")


def _busy_share():
    """Seconds for which some CPU was not idle, whoever used it: sees also what begins and ends within the second."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    return (sum(fields[:8]) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def busy_percent(seconds=1.0):
    """(percent of one CPU that this machine's other work takes right now, the busiest process)."""
    neighbours, busy, begin = Neighbours({os.getpid()}), _busy_share(), time.monotonic()
    time.sleep(seconds)
    percent, worst, _ = neighbours.percent()
    return max(percent, 100 * (_busy_share() - busy) / (time.monotonic() - begin)), worst


def describe():
    """What a reader needs to judge the figures."""
    fields = [line.partition(":") for line in Path("/proc/cpuinfo").read_text().splitlines()]
    cpu = {name.strip(): value.strip() for name, _, value in fields}
    vulnerabilities = Path("/sys/devices/system/cpu/vulnerabilities")
    return {
        "kernel": platform.release(),
        "cpu": cpu.get("model name", platform.machine()),
        "cpus": os.cpu_count(),
        "hypervisor": "hypervisor" in cpu.get("flags", ""),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "congestion_control": Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip(),
        "mitigations": {path.name: path.read_text().strip() for path in sorted(vulnerabilities.glob("*"))},
    }
