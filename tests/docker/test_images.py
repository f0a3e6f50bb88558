"""What is shipped in docker/: the images, the seccomp profile and the compose files.

The images are made from the programs that were built here. With RINGMASTER_FULL_BUILD=1 they are made by compose.yaml
from nothing as well, compiler and all: that takes ten minutes on two cores, and needs a Debian mirror.
"""
from __future__ import annotations

import json
import os
import shutil
import subprocess
import time

import pytest
from support.engine import BASE, REPLICA
from support.load import Load, get
from support.ringmaster import ROOT
from support.upstream import HeldPort
from support.wire import exchange, wait_until

IO_URING = {"io_uring_enter", "io_uring_register", "io_uring_setup"}
LOCKED_UP = ("--cap-drop", "ALL", "--read-only", "--security-opt", "no-new-privileges", "--tmpfs",
             "/run/ringmaster:uid=5000,mode=0700", "--network", "none")


@pytest.fixture(scope="module")
def images(session_engine, context):
    folder, dockerfile = context
    session_engine.import_base()
    session_engine.build("ringmaster", dockerfile, folder)
    print(sizes(session_engine))
    return session_engine


def sizes(engine) -> str:
    def size(name: str) -> int:
        return int(engine.docker("image", "inspect", "--format", "{{.Size}}", name))
    on_top = size("ringmaster") - size(BASE)
    return f"{REPLICA} {size(REPLICA) / 1e6:.1f} MB, ringmaster {on_top / 1e6:.1f} MB on top of {BASE}"


def check(engine, *options: str) -> subprocess.CompletedProcess:
    """`ringmaster check`: whether io_uring works in such a container."""
    return subprocess.run(["docker", "run", "--rm", *LOCKED_UP, *options, "ringmaster", "check", "--config",
                           "/etc/ringmaster/ringmaster.toml"], env=engine.environment, capture_output=True, text=True,
                          timeout=60)


def test_the_image_works_with_its_own_profile_and_nobodys_rights(images):
    done = check(images, "--security-opt", f"seccomp={ROOT / 'docker/seccomp-io_uring.json'}")
    assert done.returncode == 0 and done.stdout.startswith("ok"), done.stderr
    user = images.docker("image", "inspect", "--format", "{{.Config.User}} {{json .Config.Healthcheck.Test}}",
                         "ringmaster")
    assert user == 'ringmaster ["CMD","/usr/local/bin/healthcheck"]'
    assert images.docker("image", "inspect", "--format", "{{.Config.User}}", REPLICA) == "65534:65534"


def test_the_older_default_profile_allows_io_uring(images):
    """The one that is built into the engine, which is older than Docker 25 on Debian 12; newer ones are below."""
    version = int(images.docker("version", "--format", "{{.Server.Version}}").split(".")[0])
    done = check(images)
    if version < 25:
        assert done.returncode == 0, done.stderr
    else:
        assert done.returncode == 78 and "--security-opt seccomp=docker/seccomp-io_uring.json" in done.stderr


def test_the_newer_default_profile_ends_it_with_the_remedy(images, tmp_path):
    profile = json.loads((ROOT / "docker/seccomp-io_uring.json").read_text())
    for rule in profile["syscalls"]:
        rule["names"] = [name for name in rule["names"] if name not in IO_URING]
    newer = tmp_path / "newer.json"
    newer.write_text(json.dumps(profile))
    done = check(images, "--security-opt", f"seccomp={newer}")
    assert done.returncode == 78, done
    assert "seccomp profile" in done.stderr
    assert "--security-opt seccomp=docker/seccomp-io_uring.json" in done.stderr


def test_the_profile_is_made_by_its_script(tmp_path):
    """Only the three names are added, to a rule without conditions; a profile that has them stays as it is."""
    folder = tmp_path / "docker"
    folder.mkdir()
    shutil.copy(ROOT / "docker/make-seccomp", folder)
    ours = json.loads((ROOT / "docker/seccomp-io_uring.json").read_text())
    stripped = json.loads(json.dumps(ours))
    for rule in stripped["syscalls"]:
        rule["names"] = [name for name in rule["names"] if name not in IO_URING]
    given = tmp_path / "default.json"
    for profile in (stripped, ours):
        given.write_text(json.dumps(profile))
        subprocess.run([str(folder / "make-seccomp"), str(given)], check=True, capture_output=True)
        assert json.loads((folder / "seccomp-io_uring.json").read_text()) == ours
    allowed = [rule for rule in ours["syscalls"] if IO_URING & set(rule["names"])]
    assert len(allowed) == 1 and IO_URING <= set(allowed[0]["names"]) and not allowed[0].get("includes")


# --- compose ----------

FULL_BUILD = bool(os.environ.get("RINGMASTER_FULL_BUILD"))
# The tests' engine has no default bridge to build on; apt needs some network.
ON_THE_HOSTS_NETWORK = """services:
  replica-image: {build: {network: host}}
  ringmaster: {build: {network: host}}
"""


def whole_tree(folder):
    """The tree as it is after a clone, ready for `docker compose up --build`."""
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns(".git", "build", "build-*", "__pycache__"))
    (folder / "compose.override.yaml").write_text(ON_THE_HOSTS_NETWORK)
    return folder


class Compose:
    def __init__(self, engine, folder, from_nothing: bool):
        self.engine, self.folder, self.from_nothing = engine, folder, from_nothing
        self.held = HeldPort(), HeldPort()  # the engine may bind them, and nobody else is given them
        self.port, self.admin_port = (port.number for port in self.held)
        self.environment = {**engine.environment, "RINGMASTER_PORT": str(self.port), "COMPOSE_PROJECT_NAME": "rmtest",
                            "RINGMASTER_ADMIN_PORT": str(self.admin_port), "DOCKER_SOCKET": str(engine.socket)}
        if not from_nothing:
            shutil.copy(ROOT / "compose.yaml", folder)

    def __call__(self, *arguments: str, within: float = 120) -> str:
        done = subprocess.run(["docker-compose", "--no-ansi", *arguments], cwd=self.folder, env=self.environment,
                              capture_output=True, text=True, timeout=within)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @property
    def container(self) -> str:
        return self("ps", "-q", "ringmaster").strip()

    @property
    def proxy(self):
        return "127.0.0.1", self.port

    def asks(self, target: str) -> int:
        try:
            return exchange(self.proxy, "GET", target).status
        except OSError:
            return 0

    def wait_for_three(self):
        def three():
            return self.asks("/rep") == 200 and len(self.engine.ours(everything=False)) == 3 and \
                len({exchange(self.proxy, "GET", f"/home?request_id={i}").body for i in range(40)}) == 3
        wait_until(three, 30, "three replicas answer")


@pytest.fixture(params=["programs built before", *(["from nothing"] if FULL_BUILD else [])])
def compose(images, context, tmp_path, request):
    images.remove_network("net1")
    from_nothing = request.param == "from nothing"
    project = Compose(images, whole_tree(tmp_path / "tree") if from_nothing else context[0], from_nothing)
    try:
        yield project
    finally:
        subprocess.run(["docker-compose", "down", "-t", "10"], cwd=project.folder, env=project.environment,
                       capture_output=True, timeout=60)
        for port in project.held:
            port.close()
        images.remove_all()
        if "net1" in images.docker("network", "ls", "--format", "{{.Name}}").split():
            images.remove_network("net1")
        images.docker("network", "create", "net1")


@pytest.mark.seconds(1800 if FULL_BUILD else 240)
def test_docker_compose_up_to_the_first_200_and_what_docker_kill_and_stop_do(compose, images):
    began = time.monotonic()
    compose("up", "--build", "-d", within=1500 if compose.from_nothing else 200)
    wait_until(lambda: compose.asks("/home") == 200, 60, "the first 200")
    how = "from nothing" if compose.from_nothing else "programs built before"
    print(f"docker-compose up --build to the first 200, {how}: {time.monotonic() - began:.1f} s; {sizes(images)}")
    compose.wait_for_three()
    locked_up = images.inspect(compose.container)["HostConfig"]
    assert locked_up["CapDrop"] == ["ALL"] and locked_up["ReadonlyRootfs"] and not locked_up["Privileged"]
    mounts = {name: images.inspect(name)["Mounts"] for name in images.ours()}
    assert all(not any("docker.sock" in mount["Source"] for mount in found) for found in mounts.values()), mounts
    token = images.docker("exec", compose.container, "cat", "/run/ringmaster/admin_token")
    admin = ("127.0.0.1", compose.admin_port)
    assert exchange(admin, "GET", "/v1/replicas").status == 401
    assert exchange(admin, "GET", "/v1/replicas", authorization=f"Bearer {token}").status == 200
    wait_until(lambda: images.inspect(compose.container)["State"]["Health"]["Status"] == "healthy", 30, "healthy")

    before = images.ours()
    images.docker("kill", compose.container)
    assert images.ours(everything=False) == before, "docker kill of ringmaster loses no container"
    compose("up", "-d")
    compose.wait_for_three()
    assert images.ours() == before, "and they are adopted"

    def slow(sequence: int) -> bytes:
        return get(f"/delay/300?request_id={sequence}", "Connection: close")
    with Load(compose.proxy, clients=4, make_request=slow, refusal_ends=True) as load:
        load.wait_answered(8)
        images.docker("stop", "-t", "30", compose.container)
    report = load.stop()
    assert set(report.statuses) == {200} and not {kind for kind in report.failures if kind != "refused"}, report.text()
    assert images.ours() == {}, "docker stop drains, and ends what it had started"
    assert images.inspect(compose.container)["State"]["ExitCode"] == 0 if compose.container else True
