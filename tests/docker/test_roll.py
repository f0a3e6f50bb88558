"""Every replica gets a new image, one after the other, and nobody notices."""
from __future__ import annotations

from support.engine import REPLICA, docker_settings
from support.load import Load, get
from support.ringmaster import Ringmaster
from support.wire import exchange, wait_until


def by_id(sequence: int) -> bytes:
    return get(f"/home?request_id={sequence % 200}")


def owners(ringmaster) -> list[str]:
    return [ringmaster.get(f"/home?request_id={i}").json()["message"] for i in range(50)]


def roll(ringmaster, body: bytes):
    return exchange(ringmaster.admin, "POST", "/v1/roll", body, content_type="application/json", timeout=100)


def images(engine) -> dict[str, str]:
    listing = engine.docker("ps", "--filter", "label=ringmaster.instance", "--format", "{{.Names}} {{.Image}}")
    return dict(line.removesuffix(":latest").split() for line in listing.splitlines())  # Podman names the tag


def test_a_roll_keeps_names_slots_and_every_request(start_docker, engine):
    ringmaster = start_docker()
    before = owners(ringmaster)
    with Load(ringmaster.proxy, clients=8, make_request=by_id) as load:
        load.wait_answered(200)
        answer = roll(ringmaster, b'{"image":"replica-2"}')
        load.wait_answered(200)
    assert answer.status == 200, answer.body
    assert answer.json()["rolled"] == ["Server1", "Server2", "Server3"]
    load.report.assert_all_ok(500)
    assert owners(ringmaster) == before
    assert images(engine) == {f"Server{i}.2": "replica-2" for i in (1, 2, 3)}
    engine.docker("kill", "Server1.2")
    wait_until(lambda: images(engine).get("Server1.3") == "replica-2", 30, "a respawn has the new image")
    added = exchange(ringmaster.admin, "POST", "/add", b'{"n":1,"hostnames":["S9"]}', content_type="application/json",
                     timeout=30)
    assert added.status == 200 and images(engine)["S9.1"] == "replica-2"


def test_a_roll_to_an_image_that_is_not_ready_is_given_up(start_docker, engine):
    ringmaster = start_docker()
    before = engine.ours()
    with Load(ringmaster.proxy, clients=8, make_request=by_id) as load:
        load.wait_answered(100)
        for image, says in (("replica-crash", "exited with status 64"), ("no-such-image", "o such image")):
            answer = roll(ringmaster, b'{"image":"%s"}' % image.encode())
            assert answer.status == 503 and says in answer.json()["message"], answer.body
            assert "'Server1' keeps its old life" in answer.json()["message"]
        load.wait_answered(100)
    load.report.assert_all_ok(200)
    wait_until(lambda: engine.ours() == before, 30, "the containers that were there, and no other")


def test_a_wrong_roll_is_refused(start_docker):
    ringmaster = start_docker({"replicas": {"count": 1}})
    for body in (b'{"image":""}', b'{"image":"a b"}', b'{"image":3}', b'{"picture":"x"}', b"[]"):
        assert roll(ringmaster, body).status == 400, body


def test_the_image_of_a_roll_outlives_ringmaster_until_the_settings_change(engine, tmp_path):
    def shown(ringmaster) -> set[str]:
        return {replica["image"] for replica in ringmaster.replicas()}

    def kill_one(ringmaster, container: str, successor: str):
        engine.docker("kill", container)
        wait_until(lambda: successor in images(engine) and len(ringmaster.ready_replicas()) == 2, 30, "it is back")

    settings = docker_settings(engine, count=2)
    first = Ringmaster(tmp_path, settings).start()
    try:
        assert shown(first) == {REPLICA}
        assert roll(first, b'{"image":"replica-2"}').status == 200
        assert shown(first) == {"replica-2"}
    finally:
        first.kill()
    second = Ringmaster(tmp_path, settings).start()
    try:
        second.wait_for_log(r"Server1\.2 is adopted; it runs replica-2 since a roll")
        assert shown(second) == {"replica-2"}
        kill_one(second, "Server1.2", "Server1.3")
        assert second.admin_send("POST", "/add", '{"n":1,"hostnames":["S9"]}', timeout=30).status == 200
        assert set(images(engine).values()) == {"replica-2"}, "successors and newcomers, too"
        assert second.admin_send("POST", "/rm", '{"n":1,"hostnames":["S9"]}').status == 200
        second.wait_for_log(r"replica S9: draining -> gone", 15)
    finally:
        second.kill()
    settings["docker"]["image"] = "replica-3"
    with Ringmaster(tmp_path, settings) as third:
        third.wait_for_log(r"Server1\.3 is adopted; it runs replica-2, its successors will run replica-3")
        assert shown(third) == {"replica-2"}, "what runs, not what would"
        kill_one(third, "Server1.3", "Server1.4")
        assert images(engine)["Server1.4"] == "replica-3", "the settings have spoken last"
        assert roll(third, b"").status == 200
        assert shown(third) == {"replica-3"}
