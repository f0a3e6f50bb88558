"""routing.sticky_secret_file: what is refused, and that whoever has the secret believes the cookies."""
from __future__ import annotations

import random
import subprocess

import pytest
from support.ringmaster import executable
from support.wire import exchange


def settings(secret=None) -> dict:
    routing = {"sticky_cookie": "SRV", "key": ["query:request_id", "random"]}
    if secret:
        routing["sticky_secret_file"] = str(secret)
    return {"routing": routing, "proxy": {"drop_in": False, "debug_headers": True}}


def cookie_from(ringmaster) -> tuple[str, str]:
    """A cookie, and the replica that it names."""
    answer = ringmaster.get("/home?request_id=7")
    return answer.get("Set-Cookie").partition(";")[0], answer.get("X-Ringmaster-Replica")


def ask_with(ringmaster, cookie: str, key: int):
    return exchange(ringmaster.proxy, "GET", f"/home?request_id={key}", cookie=cookie)


def believes(ringmaster, cookie: str, name: str) -> bool:
    answers = [ask_with(ringmaster, cookie, key) for key in range(20)]
    sticks = {answer.get("X-Ringmaster-Verdict") == "sticky" for answer in answers}
    assert len(sticks) == 1, "all or none"
    if sticks == {True}:
        assert {answer.get("X-Ringmaster-Replica") for answer in answers} == {name}
        assert not any(answer.get("Set-Cookie") for answer in answers)
    else:
        assert len({answer.get("X-Ringmaster-Replica") for answer in answers}) > 1, "they go by their keys"
        assert all(answer.get("Set-Cookie") for answer in answers)
    return sticks == {True}


def test_two_that_share_the_secret_believe_each_others_cookies(start, tmp_path):
    secret, other = tmp_path / "secret", tmp_path / "other"
    secret.write_bytes(random.Random(1).randbytes(32))
    other.write_bytes(random.Random(2).randbytes(32))
    one, two, stranger = start(settings(secret)), start(settings(secret)), start(settings(other))
    cookie, name = cookie_from(one)
    assert believes(one, cookie, name) and believes(two, cookie, name)
    assert not believes(stranger, cookie, name)
    shown = subprocess.run([executable("ringmaster"), "explain", "--config", two.config, "--url", "/home?request_id=1",
                            "--header", f"Cookie: {cookie}"], capture_output=True, text=True, timeout=30, check=True)
    assert f'"state":"believed","names":"{name}"' in shown.stdout and '"verdict":"sticky"' in shown.stdout


def test_a_restart_keeps_the_sessions_with_a_file_and_ends_them_without(start, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(random.Random(3).randbytes(32))
    for kept in (True, False):
        ringmaster = start(settings(secret if kept else None))
        cookie, name = cookie_from(ringmaster)
        ringmaster.stop()
        ringmaster.log.clear()
        ringmaster.start()
        assert believes(ringmaster, cookie, name) == kept
    secret.write_bytes(random.Random(4).randbytes(32))
    changed = start(settings(secret))
    assert not believes(changed, cookie, name)


@pytest.mark.parametrize("verb", ["run", "check"])
@pytest.mark.parametrize("content, words", [(None, "cannot be read"), (b"", "found 0 bytes; allowed: 16 to 4096"),
                                            (b"x" * 15, "found 15 bytes"), (b"x" * 4097, "found more; allowed"),
                                            ("folder", "cannot be read")])
def test_a_secret_that_is_none_is_refused_at_the_start(tmp_path, verb, content, words):
    secret = tmp_path / "secret"
    if content == "folder":
        secret.mkdir()
    elif content is not None:
        secret.write_bytes(content)
    config = tmp_path / "ringmaster.toml"
    config.write_text('[proxy]\nlisten = ["127.0.0.1:0"]\n[admin]\nlisten = "127.0.0.1:0"\n[routing]\n'
                      f'sticky_cookie = "SRV"\nsticky_secret_file = "{secret}"\n')
    ended = subprocess.run([executable("ringmaster"), verb, "--config", config], capture_output=True, text=True,
                           timeout=30, check=False)
    assert ended.returncode == 78, ended.stderr
    assert "routing.sticky_secret_file" in ended.stderr and words in ended.stderr, ended.stderr
    assert ended.stderr.strip().count("\n") >= 1, "and the remedy"
