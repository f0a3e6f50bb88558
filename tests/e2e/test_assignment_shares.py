"""Which replica gets which request, against ASSIGNMENT's golden numbers, through the whole program."""
from __future__ import annotations

import math
import re
from collections import Counter

import pytest
from support.load import Load, get
from support.wire import exchange

# Golden shares of the assignment's table with linear probing, in per cent of all six-digit ids.
SHARES = {"Server1": 84.37, "Server2": 4.69, "Server3": 10.94}
OWNERS = {132574: "Server3", 100000: "Server1", 999999: "Server1"}


def server_of(body: bytes) -> str:
    return re.search(rb"Hello from Server: ([\w.-]+)", body).group(1).decode()


def count_shares(ringmaster, make_request, requests: int = 10_000) -> Counter:
    with Load(ringmaster.proxy, clients=32, requests=requests, make_request=make_request, classify=server_of) as load:
        report = load.join()
    report.assert_all_ok(requests)
    assert report.answered == requests
    return report.bodies


def assert_within_five_sigma(counts: Counter, shares: dict[str, float]):
    total = sum(counts.values())
    assert set(counts) <= set(shares)
    for name, percent in shares.items():
        share = percent / 100
        sigma = math.sqrt(total * share * (1 - share))
        # The ids are drawn anew in each run: four would fail one run of all tests in two thousand.
        assert abs(counts[name] - total * share) <= 5 * sigma, (name, counts, shares)


def test_ten_thousand_random_ids_fall_as_the_assignment_says(start):
    ringmaster = start({"routing": {"table": "assignment"}})
    assert_within_five_sigma(count_shares(ringmaster, None), SHARES)


def test_given_ids_go_to_their_golden_owner(start):
    ringmaster = start({"routing": {"table": "assignment"}})
    for number, name in OWNERS.items():
        assert server_of(ringmaster.get(f"/home?request_id={number}").body) == name


def test_every_id_of_a_sample_has_the_owner_that_the_formula_gives(start):
    """The table rebuilt here from its text: H(i) = i² + 2i + 17, Φ(i, j) = i² + j² + 2j + 25, linear probing."""
    slots: dict[int, int] = {}
    for i in (1, 2, 3):
        for j in range(9):
            slot = (i * i + j * j + 2 * j + 25) % 512
            while slot in slots:
                slot = (slot + 1) % 512
            slots[slot] = i

    def owner(number: int) -> str:
        slot = (number * number + 2 * number + 17) % 512
        while slot not in slots:
            slot = (slot + 1) % 512
        return f"Server{slots[slot]}"
    ringmaster = start({"routing": {"table": "assignment"}})
    ids = [100000 + 8999 * k for k in range(100)] + list(range(500000, 500400))
    wrong = []

    def check(sequence: int, status: int, _head: bytes, body: bytes) -> str | None:
        if server_of(body) != owner(ids[sequence]):
            wrong.append((ids[sequence], server_of(body), owner(ids[sequence])))
        return None
    with Load(ringmaster.proxy, clients=8, requests=len(ids), check=check,
              make_request=lambda k: get(f"/home?request_id={ids[k]}")) as load:
        load.join().assert_all_ok(len(ids))
    assert not wrong, wrong[:10]


@pytest.mark.parametrize("victim, rest", [
    ("Server1", {"Server2": 87.5, "Server3": 12.5}),
    ("Server2", {"Server1": 87.5, "Server3": 12.5}),
    ("Server3", {"Server1": 95.31, "Server2": 4.69}),
])
def test_shares_after_a_removal(start, victim, rest):
    ringmaster = start({"routing": {"table": "assignment"}})
    answer = exchange(ringmaster.admin, "DELETE", "/rm", b'{"n": 1, "hostnames": ["%s"]}' % victim.encode(),
                      content_type="application/json")
    assert answer.status == 200
    assert_within_five_sigma(count_shares(ringmaster, None), rest)


def test_rendezvous_shares_are_even_and_stable(start):
    """The default table: a third each, within its own 2 % and 5 sigma of the draw; the same id, the same replica."""
    ringmaster = start()
    counts = count_shares(ringmaster, None)
    for name in SHARES:
        assert abs(counts[name] - 10_000 / 3) <= 10_000 / 3 * 0.02 + 5 * math.sqrt(10_000 * 2 / 9), counts
    first = {number: server_of(ringmaster.get(f"/home?request_id={number}").body) for number in range(40)}
    again = {number: server_of(ringmaster.get(f"/home?request_id={number}").body) for number in range(40)}
    assert first == again and len(set(first.values())) == 3


def test_a_removal_moves_no_id_of_another_replica(start):
    ringmaster = start()
    before = {number: server_of(ringmaster.get(f"/home?request_id={number}").body) for number in range(200)}
    exchange(ringmaster.admin, "DELETE", "/rm", b'{"n": 1, "hostnames": ["Server2"]}', content_type="application/json")
    after = {number: server_of(ringmaster.get(f"/home?request_id={number}").body) for number in range(200)}
    moved = [number for number in before if before[number] != "Server2" and before[number] != after[number]]
    assert not moved
    assert "Server2" in before.values() and "Server2" not in after.values()


def test_the_key_list_is_tried_in_order(start):
    ringmaster = start({"routing": {"key": ["query:user", "header:X-User", "cookie:sid", "path_segment:1", "random"]}})

    def names(**fields):
        return {server_of(ringmaster.get("/home", **fields).body) for _ in range(12)}
    assert len({server_of(ringmaster.get("/home?user=a").body) for _ in range(12)}) == 1
    assert len(names(x_user="a")) == 1 and len(names(cookie="a=1; sid=77")) == 1
    assert names(x_user="a") == {server_of(ringmaster.get("/home?user=a").body)}  # the same bytes, whatever the source
