"""A Docker engine of the tests' own: started and ended by its pid, in a folder of its own, beside any other engine.

It keeps out of the packet filter and has no default bridge; its user-defined networks work all the same. It runs with
live-restore, so that containers outlive it. No registry is asked: images come from the programs that were built here
and from a Debian root that debootstrap makes once (kept in the user's cache folder).

RINGMASTER_ENGINE is the path of another engine's program than the dockerd of PATH: of a newer dockerd, or of podman.
What lies beside it (containerd, runc, docker-proxy …; conmon, crun, netavark …) is taken before that of PATH.
"""
from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from . import processes
from .ringmaster import ROOT, executable
from .wire import wait_until

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "ringmaster"
BASE = "debian:trixie-slim"
REPLICA = "ringmaster-replica"
PROFILE = ROOT / "docker/seccomp-io_uring.json"
BRIDGES = ("-i", "br-+", "-o", "br-+", "-j", "ACCEPT")


def slack() -> float:
    """Times that are promised are held to on a quiet machine, which RINGMASTER_QUIET=1 says that this is; beside other
    work they show that something came by itself and not by a time-out."""
    return 1 if os.environ.get("RINGMASTER_QUIET") else 10


def run(*command: str, within: float = 60, **options) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=within, **options)
    assert done.returncode == 0, f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
    return done.stdout.strip()


def mirror() -> str:
    """Where this machine's own apt gets Debian from."""
    for path in [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]:
        text = path.read_text() if path.is_file() else ""
        for word in text.split():
            if word.startswith(("http://", "https://")) and word.rstrip("/").endswith("/debian"):
                return word
    raise AssertionError("no Debian mirror in /etc/apt: debootstrap has nothing to make an image from")


def base_tarball() -> Path:
    tarball = CACHE / "trixie.tar"
    if not tarball.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="ringmaster-trixie-") as folder:
            run("debootstrap", "--variant=minbase", "trixie", folder, mirror(), within=300)
            half = CACHE / f"trixie.{os.getpid()}"
            run("tar", "-C", folder, "-cf", str(half), ".")
            half.rename(tarball)
    return tarball


def make_engine() -> Engine:
    program = os.environ.get("RINGMASTER_ENGINE") or shutil.which("dockerd")
    assert program, "there is no dockerd: tools/setup test installs it"
    return Podman(program) if Path(program).name == "podman" else Engine(program)


class Engine:
    kind = "docker"

    def __init__(self, program: str):
        self.program = program
        self.folder = Path(tempfile.mkdtemp(prefix="rm-engine-"))
        self.socket = self.folder / "docker.sock"
        self.address = f"unix:{self.socket}"
        self.environment = {**os.environ, "DOCKER_HOST": f"unix://{self.socket}", "DOCKER_BUILDKIT": "0"}
        self.own_environment = {**os.environ, "PATH": f"{Path(program).parent}:{os.environ['PATH']}"}
        self.process: subprocess.Popen | None = None
        self.rule_added = False

    # --- life ---------------------------------------------------------------------------------------------------------
    def command(self) -> list[str]:
        return [self.program, "--data-root", str(self.folder / "data"), "--exec-root", str(self.folder / "exec"),
                "--host", f"unix://{self.socket}", "--pidfile", str(self.folder / "pid"), "--live-restore",
                "--bridge", "none", "--iptables=false", "--ip6tables=false"]

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True, env=self.own_environment)
        wait_until(self.answers, 30, "the engine answers")
        self._let_bridges_speak()

    def _let_bridges_speak(self):
        """Another engine may have left the packet filter so that containers of one bridge do not reach each other."""
        shown = subprocess.run(["iptables", "-S", "FORWARD"], capture_output=True, text=True).stdout
        if "-P FORWARD DROP" in shown and not self.rule_added:
            run("iptables", "-I", "FORWARD", *BRIDGES)
            self.rule_added = True

    def answers(self) -> bool:
        assert self.process.poll() is None, f"the engine ended:\n{(self.folder / 'log').read_text()[-3000:]}"
        return subprocess.run(["docker", "version"], env=self.environment, capture_output=True).returncode == 0

    def stop(self):
        """The engine alone: its containers run on."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)

    def end(self):
        """Everything that it started, and its folder."""
        try:
            if self.process and self.process.poll() is None:
                self.remove_all()
                self.docker("network", "prune", "-f")  # their bridges would outlive the engine
        finally:
            self.stop()
            if self.rule_added:
                subprocess.run(["iptables", "-D", "FORWARD", *BRIDGES], capture_output=True)
            for pid in processes.with_argument(str(self.folder)):
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            mounts = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
            for mount in reversed([path for path in mounts if path.startswith(str(self.folder))]):
                subprocess.run(["umount", "-l", mount], capture_output=True)
            shutil.rmtree(self.folder, ignore_errors=True)

    # --- asking it ----------------------------------------------------------------------------------------------------
    def docker(self, *arguments: str, within: float = 60, **options) -> str:
        return run("docker", *arguments, within=within, env=self.environment, **options)

    def containers(self, *filters: str, everything: bool = True) -> dict[str, str]:
        """Names and ids."""
        options = [part for one in filters for part in ("--filter", one)]
        listing = self.docker("ps", "--no-trunc", "--format", "{{.Names}} {{.ID}}", *(["-a"] if everything else []),
                              *options)
        return dict(line.split() for line in listing.splitlines())

    def ours(self, everything: bool = True) -> dict[str, str]:
        return self.containers("label=ringmaster.instance", everything=everything)

    def inspect(self, name: str) -> dict:
        return json.loads(self.docker("inspect", name))[0]

    def remove_all(self):
        if ids := list(self.containers().values()):
            subprocess.run(["docker", "rm", "-f", "-v", *ids], env=self.environment, capture_output=True, timeout=60)

    def remove_network(self, name: str):
        """With the endpoints of containers that went while the engine was away, or are on their way out."""
        def gone() -> bool:
            for network in json.loads(self.docker("network", "inspect", name)):
                for endpoint in network["Containers"].values():
                    subprocess.run(["docker", "network", "disconnect", "-f", name, endpoint["Name"]],
                                   env=self.environment, capture_output=True, timeout=30)
            removed = subprocess.run(["docker", "network", "rm", name], env=self.environment, capture_output=True,
                                     timeout=30)
            return removed.returncode == 0
        wait_until(gone, 20, f"the network {name} is removed", step=0.2)

    # --- images -------------------------------------------------------------------------------------------------------
    def build(self, name: str, dockerfile: str, context: Path | None = None, *options: str):
        """From the text of a Dockerfile; without a context nothing can be copied."""
        with tempfile.TemporaryDirectory() as empty:
            path = Path(empty) / "Dockerfile"
            path.write_text(dockerfile)
            self.docker("build", "-q", "--network", "none", "-t", name, "-f", str(path), *options,
                        str(context or empty), within=120)

    def import_base(self):
        with base_tarball().open("rb") as tarball:
            self.docker("import", "-", BASE, within=120, stdin=tarball)


class Podman(Engine):
    """Podman's service, which speaks a good part of Docker's API."""
    kind = "podman"

    def __init__(self, program: str):
        super().__init__(program)
        folder = json.dumps(str(Path(program).parent))
        config = self.folder / "containers.conf"
        config.write_text(f'''[network]
network_backend = "netavark"
firewall_driver = "none"
network_config_dir = "{self.folder}/networks"
[engine]
runtime = "runc"  # crun refuses machines with both versions of cgroups
cgroup_manager = "cgroupfs"
events_logger = "file"
helper_binaries_dir = [{folder}, "/usr/lib/podman", "/usr/libexec/podman"]
conmon_path = [{json.dumps(str(Path(program).parent / "conmon"))}, "/usr/bin/conmon", "/usr/libexec/podman/conmon"]
init_path = "{shutil.which("docker-init") or "catatonit"}"
''')
        home = self.folder / ".config/containers"
        home.mkdir(parents=True)
        (home / "policy.json").write_text('{"default": [{"type": "insecureAcceptAnything"}]}')
        (home / "registries.conf").write_text("unqualified-search-registries = []\n")
        self.own_environment |= {"CONTAINERS_CONF": str(config), "PODMAN_IGNORE_CGROUPSV1_WARNING": "1",
                                 "HOME": str(self.folder), "XDG_RUNTIME_DIR": str(self.folder)}

    def command(self) -> list[str]:
        return [self.program, "--root", str(self.folder / "data"), "--runroot", str(self.folder / "exec"), "--tmpdir",
                str(self.folder / "tmp"), "system", "service", "--time", "0", f"unix://{self.socket}"]


def docker_settings(engine: Engine, **replicas) -> dict:
    """Replicas in that engine's containers, reached by their addresses, with io_uring whatever its default profile.

    All containers together may have no more of a busy machine than one process has: two heartbeats of half a second in
    a row went by unanswered by all three of them.
    """
    return {"replicas": {"runtime": "docker", **replicas}, "heartbeat": {"timeout": "2s"},
            "docker": {"engine": engine.address, "reach": "network", "seccomp_file": str(PROFILE)}}


def build_context(folder: Path) -> str:
    """The tree's docker folder and the programs that were built here, as the Dockerfile's first stage leaves them.

    Gives the Dockerfile with that stage replaced: the stages that are shipped stay as they are.
    """
    for name, program, options in (("ringmaster", "ringmaster", ()), ("replica", "ringmaster-replica", ("--whole",))):
        run(str(ROOT / "docker/collect"), str(executable(program)), str(folder / "out" / name), *options)
    shutil.copytree(ROOT / "docker", folder / "docker")
    text = (ROOT / "docker/Dockerfile").read_text()
    dockerfile = "FROM scratch AS build\nCOPY out /out\n\n" + text[text.index("FROM scratch AS replica"):]
    (folder / "docker/Dockerfile").write_text(dockerfile)
    return dockerfile
