"""Commands, flags, the settings file and exit codes: 0, 64 usage, 78 configuration; messages say where and what."""
from __future__ import annotations

import subprocess

import pytest
from support.ringmaster import executable
from support.wire import wait_until


def ringmaster(*arguments: str, **options) -> subprocess.CompletedProcess:
    return subprocess.run([executable("ringmaster"), *map(str, arguments)], capture_output=True, text=True, timeout=30,
                          **options)


def test_help_and_version_are_0_on_standard_output():
    shown = ringmaster("--help")
    assert shown.returncode == 0 and not shown.stderr
    for word in ("run", "check", "--config", "--version"):
        assert word in shown.stdout
    version = ringmaster("--version")
    assert version.returncode == 0 and version.stdout.startswith("ringmaster ") and version.stdout.count("\n") == 1


def test_help_names_every_setting_with_its_default():
    shown = ringmaster("run", "--help")
    text = shown.stdout or ringmaster("--help").stdout
    for flag in ("--proxy.listen", "--routing.table", "--replicas.count", "--heartbeat.interval", "--timeouts.drain",
                 "--limits.header_bytes", "--admin.listen"):
        assert flag in text, flag
    assert "65536" in text and "500ms" in text


@pytest.mark.parametrize("arguments", [("frobnicate",), ("--no-such-flag",), ("run", "--no.such", "1"),
                                       ("check", "surplus"), ("run", "--replicas.count"),
                                       ("run", "--replicas.count", "many"), ("run", "--config"), ()])
def test_wrong_usage_is_64_and_on_standard_error(arguments):
    ended = ringmaster(*arguments)
    assert ended.returncode == 64, (ended.returncode, ended.stderr)
    assert ended.stderr.strip() and not ended.stdout


def test_check_accepts_a_good_file(tmp_path):
    good = tmp_path / "good.toml"
    good.write_text('[proxy]\nlisten = ["127.0.0.1:5000"]\n[heartbeat]\ninterval = "250ms"\n')
    assert ringmaster("check", "--config", good).returncode == 0


@pytest.mark.parametrize("text, place, words", [
    ('[proxy]\nworkers = -1\n', ":2:", ("proxy.workers", "-1")),
    ('[proxy]\nworkers = "two"\n', ":2:", ("proxy.workers", "two")),
    ('[routing]\n\ntable = "rendezvouz"\n', ":3:", ("routing.table", "rendezvouz", "rendezvous")),
    ('[heartbeat]\ninterval = "fast"\n', ":2:", ("heartbeat.interval", "fast")),
    ('[proxy]\nlisten = ["nowhere"]\n', ":2:", ("proxy.listen", "nowhere")),
    ('[proxy]\nlissten = ["127.0.0.1:1"]\n', ":2:", ("lissten",)),
    ('[prxy]\nworkers = 1\n', ":1:", ("prxy",)),
    ('[proxy\nworkers = 1\n', ":1:", ()),
    ('[proxy]\nworkers = 1\nworkers = 2\n', ":3:", ()),
    ('[replicas]\nruntime = "static"\n[[replicas.static]]\nname = "a"\naddress = "x"\n', ":5:", ("address", "x")),
    ('[replicas]\nruntime = "static"\n[[replicas.static]]\nname = "a"\naddress = "127.0.0.1:1"\n'
     '[[replicas.static]]\nname = "a"\naddress = "127.0.0.1:2"\n', ":", ("a",)),
    ('[admin]\nlisten = "0.0.0.0:5001"\n', ":2:", ("token",)),
])
def test_a_wrong_file_is_78_with_place_key_and_what_was_found(tmp_path, text, place, words):
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(text)
    for command in ("check", "run"):
        ended = ringmaster(command, "--config", wrong)
        assert ended.returncode == 78, (command, ended.returncode, ended.stderr)
        assert f"wrong.toml{place}" in ended.stderr, ended.stderr
        for word in words:
            assert word in ended.stderr, ended.stderr


def test_all_faults_of_a_file_are_told_at_once(tmp_path):
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('[proxy]\nworkers = -1\n[heartbeat]\nfall = 0\n[limits]\nheader_count = "x"\n')
    ended = ringmaster("check", "--config", wrong)
    for place in (":2:", ":4:", ":6:"):
        assert f"wrong.toml{place}" in ended.stderr


def test_a_missing_file_is_78(tmp_path):
    ended = ringmaster("run", "--config", tmp_path / "none.toml")
    assert ended.returncode == 78 and "none.toml" in ended.stderr


def test_a_missing_replica_program_is_78(tmp_path):
    ended = ringmaster("run", "--proxy.listen", "127.0.0.1:0", "--admin.listen", "127.0.0.1:0",
                       "--replicas.command", str(tmp_path / "no-such-program"))
    assert ended.returncode == 78 and "no-such-program" in ended.stderr


def test_check_finds_a_missing_replica_program_as_a_start_does(tmp_path):
    ended = ringmaster("check", "--replicas.command", str(tmp_path / "no-such-program"))
    assert ended.returncode == 78 and "no-such-program' cannot be run: No such file" in ended.stderr


def test_flags_win_over_the_file(start):
    ringmaster_ = start({"replicas": {"count": 5}}, arguments=("--heartbeat.interval", "123ms", "--proxy.workers=1"))
    settings = ringmaster_.admin_get("/v1/settings").body.decode()
    assert "123" in settings


def test_a_kernel_that_refuses_io_uring_is_78_with_cause_and_remedy():
    """A system call filter like the one of a container engine; the message says that it was one."""
    refused = subprocess.run(["/usr/bin/python3", "-c", SECCOMP_WITHOUT_IO_URING, str(executable("ringmaster")), "run",
                              "--proxy.listen", "127.0.0.1:0", "--admin.listen", "127.0.0.1:0"],
                             capture_output=True, text=True, timeout=30)
    assert refused.returncode == 78, refused.stderr
    assert "io_uring" in refused.stderr and "seccomp" in refused.stderr.lower()


# A filter such as Docker's default profile: io_uring_setup (425), _enter (426), _register (427) are EPERM.
SECCOMP_WITHOUT_IO_URING = """
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
def op(code, jt, jf, k): return struct.pack("HBBI", code, jt, jf, k)
program = (op(0x20, 0, 0, 0) + op(0x35, 0, 2, 425) + op(0x25, 1, 0, 427) + op(0x06, 0, 0, 0x00050001)
           + op(0x06, 0, 0, 0x7fff0000))
buffer = ctypes.create_string_buffer(program, len(program))
class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
filter = Filter(5, ctypes.addressof(buffer))
assert libc.prctl(38, 1, 0, 0, 0) == 0
assert libc.prctl(22, 2, ctypes.byref(filter), 0, 0) == 0, ctypes.get_errno()
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_a_closed_standard_error_harms_nothing(start, tmp_path):
    """The log is nobody's condition: with a full or closed standard error the program serves on."""
    config, admin = tmp_path / "c.toml", tmp_path / "admin.sock"
    config.write_text(f'[proxy]\nlisten = ["127.0.0.1:0"]\n[admin]\nlisten = "unix:{admin}"\n[replicas]\ncount = 1\n'
                      f'command = ["{executable("ringmaster-replica")}"]\n')
    ready = ["curl", "-sf", "--max-time", "5", "--unix-socket", admin, "http://localhost/readyz"]
    with open("/dev/full", "w") as full:
        running = subprocess.Popen([executable("ringmaster"), "run", "--config", config], stderr=full)
        try:
            wait_until(lambda: subprocess.run(ready, capture_output=True).returncode == 0, 20, "/readyz says 200")
        finally:
            running.terminate()
        assert running.wait(20) == 0


def test_the_manual_page_is_made_from_the_settings_table():
    shown = ringmaster("--manual")
    assert shown.returncode == 0 and shown.stdout.startswith(".") and "heartbeat" in shown.stdout
