"""The wire-level scenarios in tests/vtc, run by varnishtest.

Each file starts its own ringmaster with ${ringmaster} and waits for it with ${until_ready}; ${proxy} is its address.
The port is held for it by a socket that is bound but does not listen: ringmaster may share it (SO_REUSEPORT), nobody
else gets it.
"""
from __future__ import annotations

import os
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest
from support.ringmaster import ROOT, executable

FILES = sorted((ROOT / "tests/vtc").glob("*.vtc"))


def test_there_are_scenarios():
    assert len(FILES) >= 8


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_scenario(file: Path, tmp_path):
    with socket.socket() as held, tempfile.TemporaryDirectory() as short_name:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(("127.0.0.1", 0))
        proxy = "127.0.0.1:%d" % held.getsockname()[1]
        admin = f"{short_name}/admin.sock"
        macros = {
            "proxy": proxy,
            "ringmaster": f"{executable('ringmaster')} run --proxy.listen {proxy} --admin.listen unix:{admin} "
                          "--proxy.workers 1 --replicas.runtime static --heartbeat.interval 1h",
            "until_ready": f"until curl -sf --unix-socket {admin} http://localhost/readyz; do sleep 0.02; done",
        }
        defined = [word for name, value in macros.items() for word in ("-D", f"{name}={value}")]
        ended = subprocess.run(["varnishtest", "-t", "30", *defined, str(file)], capture_output=True, text=True,
                               timeout=60, env={**os.environ, "TMPDIR": str(tmp_path)})
    assert ended.returncode == 0, ended.stdout[-6000:] + ended.stderr[-2000:]
