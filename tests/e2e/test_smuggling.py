"""Ambiguous and malformed messages (the acceptance table R1 to R34 and U1 to U21), each with what the replica received.

The complete table is proved by the conversation tests; these are samples through the whole program, so that nothing
between the kernel and the parser changes the verdict.
"""
from __future__ import annotations

import pytest
from support.upstream import ok
from support.wire import Wire, WireError

CRLF = "\r\n"
MARK = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"


def head(*lines: str, start: str = "POST /first HTTP/1.1", host: str | None = "x") -> str:
    fields = ([f"Host: {host}"] if host is not None else []) + list(lines)
    return CRLF.join([start, *fields]) + CRLF * 2


# name, bytes, allowed statuses. After each the connection must end, and nothing of MARK may reach the replica.
REFUSED = [
    ("R1 CL.TE", head("Content-Length: 5", "Transfer-Encoding: chunked") + "0\r\n\r\n" + MARK, {400}),
    ("R1 TE.CL", head("Transfer-Encoding: chunked", "Content-Length: 5") + "0\r\n\r\n" + MARK, {400}),
    ("R1 te.cl in other case", head("tRANSFER-eNCODING: CHUNKED", "CONTENT-LENGTH: 5") + "0\r\n\r\n" + MARK, {400}),
    ("R2 xchunked", head("Transfer-Encoding: xchunked") + "0\r\n\r\n" + MARK, {400, 501}),
    ("R2 chunked, identity", head("Transfer-Encoding: chunked, identity") + "0\r\n\r\n" + MARK, {400, 501}),
    ("R2 quoted", head('Transfer-Encoding: "chunked"') + "0\r\n\r\n" + MARK, {400, 501}),
    ("R2 parameter", head("Transfer-Encoding: chunked;a=b") + "0\r\n\r\n" + MARK, {400, 501}),
    ("R2 vertical tab", head("Transfer-Encoding: \x0bchunked") + "0\r\n\r\n" + MARK, {400, 501}),
    ("R2 twice", head("Transfer-Encoding: chunked", "Transfer-Encoding: chunked") + "0\r\n\r\n" + MARK, {400}),
    ("R3 gzip, chunked", head("Transfer-Encoding: gzip, chunked") + "0\r\n\r\n" + MARK, {501}),
    ("R3 identity, chunked", head("Transfer-Encoding: identity, chunked") + "0\r\n\r\n" + MARK, {501}),
    ("R4 empty TE with CL", head("Transfer-Encoding:", "Content-Length: 3") + "abc" + MARK, {400}),
    ("R4 empty TE then chunked", head("Transfer-Encoding:", "Transfer-Encoding: chunked") + "0\r\n\r\n" + MARK, {400}),
    ("R5 equal lengths", head("Content-Length: 5", "Content-Length: 5") + "hello" + MARK, {400}),
    ("R5 list of lengths", head("Content-Length: 5, 5") + "hello" + MARK, {400}),
    ("R6 different lengths", head("Content-Length: 5", "Content-Length: 6") + "hello" + MARK, {400}),
    ("R6 plus", head("Content-Length: +5") + "hello" + MARK, {400}),
    ("R6 minus", head("Content-Length: -1") + MARK, {400}),
    ("R6 two numbers", head("Content-Length: 5 5") + "hello" + MARK, {400}),
    ("R6 hexadecimal", head("Content-Length: 0x5") + "hello" + MARK, {400}),
    ("R6 empty", head("Content-Length:") + MARK, {400}),
    ("R6 2^64", head("Content-Length: 18446744073709551616") + MARK, {400}),
    ("R6 2^64-1", head("Content-Length: 18446744073709551615") + MARK, {400}),
    ("R6 2^63", head("Content-Length: 9223372036854775808") + MARK, {400}),
    ("R10 bare LF", "GET / HTTP/1.1\nHost: x\n\n" + MARK, {400}),
    ("R10 bare LF in a field", "GET / HTTP/1.1\r\nHost: x\nA: b\r\n\r\n" + MARK, {400}),
    ("R11 bare CR", head("A: b\rC: d", start="GET / HTTP/1.1") + MARK, {400}),
    ("R12 obs-fold", head("A: b", " folded", start="GET / HTTP/1.1") + MARK, {400}),
    ("R12 folded TE", head("Transfer-Encoding:", " chunked") + "0\r\n\r\n" + MARK, {400}),
    ("R13 space before colon", head("Content-Length : 5") + "hello" + MARK, {400}),
    ("R13 tab before colon", head("Transfer-Encoding\t: chunked") + "0\r\n\r\n" + MARK, {400}),
    ("R14 white space first", "GET / HTTP/1.1\r\n Host: x\r\n\r\n" + MARK, {400}),
    ("R14 no colon", head("nocolon", start="GET / HTTP/1.1") + MARK, {400}),
    ("R14 empty name", head(": v", start="GET / HTTP/1.1") + MARK, {400}),
    ("R15 NUL", head("A: a\0b", start="GET / HTTP/1.1") + MARK, {400}),
    ("R15 control", head("A: a\x01b", start="GET / HTTP/1.1") + MARK, {400}),
    ("R16 name with brackets", head("A(b): c", start="GET / HTTP/1.1") + MARK, {400}),
    ("R16 8-bit name", head("\xe4: c", start="GET / HTTP/1.1") + MARK, {400}),
    ("R17 Transfer_Encoding", head("Transfer_Encoding: chunked") + "0\r\n\r\n" + MARK, {400}),
    ("R17 X_Forwarded_For", head("X_Forwarded_For: 1.2.3.4", start="GET / HTTP/1.1") + MARK, {400}),
    ("R18 long extension", head("Transfer-Encoding: chunked") + "1;" + "a" * 300 + "\r\nx\r\n0\r\n\r\n" + MARK, {400}),
    ("R18 bare semicolon", head("Transfer-Encoding: chunked") + "1;\r\nx\r\n0\r\n\r\n" + MARK, {400}),
    ("R18 LF in an extension", head("Transfer-Encoding: chunked") + "1;a\nb\r\nx\r\n0\r\n\r\n" + MARK, {400}),
    ("R19 overflow", head("Transfer-Encoding: chunked") + "10000000000000000\r\nx" + MARK, {400}),
    ("R19 sixteen f", head("Transfer-Encoding: chunked") + "ffffffffffffffff\r\nx" + MARK, {400}),
    ("R19 0x", head("Transfer-Encoding: chunked") + "0x1\r\nx\r\n0\r\n\r\n" + MARK, {400}),
    ("R19 sign", head("Transfer-Encoding: chunked") + "+1\r\nx\r\n0\r\n\r\n" + MARK, {400}),
    ("R19 space", head("Transfer-Encoding: chunked") + "1 \r\nx\r\n0\r\n\r\n" + MARK, {400}),
    ("R19 many zeros", head("Transfer-Encoding: chunked") + "0" * 17 + "1\r\nx\r\n0\r\n\r\n" + MARK, {400}),
    ("R20 no CRLF after the data", head("Transfer-Encoding: chunked") + "1\r\nxx\r\n0\r\n\r\n" + MARK, {400}),
    ("R20 bare LF after the data", head("Transfer-Encoding: chunked") + "1\r\nx\n0\r\n\r\n" + MARK, {400}),
    ("R22 target and Host differ", head(start="GET http://a/ HTTP/1.1", host="b") + MARK, {400}),
    ("R23 no Host", head(start="GET / HTTP/1.1", host=None) + MARK, {400}),
    ("R23 two Hosts", head("Host: x", start="GET / HTTP/1.1") + MARK, {400}),
    ("R23 userinfo", head(start="GET / HTTP/1.1", host="u@x") + MARK, {400}),
    ("R23 path", head(start="GET / HTTP/1.1", host="x/y") + MARK, {400}),
    ("R23 comma", head(start="GET / HTTP/1.1", host="x,y") + MARK, {400}),
    ("R23 space", head(start="GET / HTTP/1.1", host="x y") + MARK, {400}),
    ("R23 empty", head(start="GET / HTTP/1.1", host="") + MARK, {400}),
    ("R24 HTTP/0.9", "GET /\r\n\r\n" + MARK, {400, 505}),
    ("R24 HTTP/0.9 named", head(start="GET / HTTP/0.9") + MARK, {400, 505}),
    ("R24 HTTP/1.2", head(start="GET / HTTP/1.2") + MARK, {505}),
    ("R24 HTTP/2.0", head(start="GET / HTTP/2.0") + MARK, {505}),
    ("R24 small letters", head(start="GET / http/1.1") + MARK, {400, 505}),
    ("R24 RTSP", head(start="DESCRIBE / RTSP/1.0") + MARK, {400, 501, 505}),
    ("R24 preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + MARK, {400, 505}),
    ("R25 HTTP/1.0 with TE", head("Transfer-Encoding: chunked", start="POST / HTTP/1.0") + "0\r\n\r\n" + MARK, {400}),
    ("R28 Connection names Host", head("Connection: Host", start="GET / HTTP/1.1") + MARK, {400}),
    ("R28 Connection names CL", head("Connection: content-length", "Content-Length: 0") + MARK, {400}),
    ("R28 Connection names XFF", head("Connection: X-Forwarded-For", start="GET / HTTP/1.1") + MARK, {400}),
    ("R30 CONNECT", head(start="CONNECT x:443 HTTP/1.1", host="x:443") + MARK, {405, 501}),
    ("R31 GET *", head(start="GET * HTTP/1.1") + MARK, {400}),
    ("R31 fragment", head(start="GET /a#b HTTP/1.1") + MARK, {400}),
    ("R31 control in the target", head(start="GET /a\x01b HTTP/1.1") + MARK, {400}),
    ("R31 space in the target", head(start="GET /a b HTTP/1.1") + MARK, {400}),
    ("unknown method", head(start="FROB / HTTP/1.1") + MARK, {400, 501}),
    ("CVE-2025-23167", "GET / HTTP/1.1\r\nHost: x\r\n\rX" + MARK, {400}),
]


@pytest.fixture(scope="module")
def in_front(tmp_path_factory):
    from support.ringmaster import Ringmaster
    from support.upstream import Upstream
    upstream = Upstream(lambda connection, request: connection.send(ok(request.target.encode())))
    replicas = {"runtime": "static", "command": None, "static": [{"name": "r1", "address": upstream.text}]}
    ringmaster = Ringmaster(tmp_path_factory.mktemp("smuggling"),
                            {"proxy": {"drop_in": False, "workers": 1}, "replicas": replicas}).start()
    yield ringmaster, upstream
    ringmaster.stop()
    upstream.close()


@pytest.mark.parametrize("pieces", ["whole", "two", "bytes"])
@pytest.mark.parametrize("name, sent, statuses", REFUSED, ids=[row[0] for row in REFUSED])
def test_refused_with_its_status_and_closed_and_never_smuggled(in_front, name, sent, statuses, pieces):
    ringmaster, upstream = in_front
    before = len(upstream.bytes)
    data = sent.encode("latin-1")
    with Wire(ringmaster.proxy, 5) as wire:
        try:
            if pieces == "whole":
                wire.send(data)
            elif pieces == "two":
                wire.send(data[:len(data) // 2])
                wire.send(data[len(data) // 2:])
            else:
                for byte in data:
                    wire.send(bytes([byte]))
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before we were done
        answer = wire.read_answer()
        assert answer.status in statuses, answer
        assert answer.closes and answer.get("content-type", "").startswith("application/json")
        assert answer.json()["status"] == "failure"
        wire.expect_end()
    assert b"/smuggled" not in upstream.bytes[before:]


# name, bytes, what the replica must have received: list of (line, body)
ACCEPTED = [
    ("R7 leading zeros", head("Content-Length: 0005") + "hello", [("POST /first HTTP/1.1", b"hello")]),
    ("R8 GET with a body", head("Content-Length: 5", start="GET /first HTTP/1.1") + "hello",
     [("GET /first HTTP/1.1", b"hello")]),
    ("R8 body that looks like a request", head(f"Content-Length: {len(MARK)}") + MARK,
     [("POST /first HTTP/1.1", MARK.encode())]),
    ("R18 valid extensions", head("Transfer-Encoding: chunked") + "2;a=b;c=\"d\"\r\nhi\r\n0;e\r\n\r\n",
     [("POST /first HTTP/1.1", b"hi")]),
    ("R21 trailers", head("Transfer-Encoding: chunked") + "2\r\nhi\r\n0\r\nX-Admin: 1\r\nHost: evil\r\n\r\n",
     [("POST /first HTTP/1.1", b"hi")]),
    ("R22 absolute form", head(start="GET http://x/abs HTTP/1.1"), [("GET /abs HTTP/1.1", b"")]),
    ("R22 absolute form without a path", head(start="GET http://x?q HTTP/1.1"), [("GET /?q HTTP/1.1", b"")]),
    ("R17 harmless underscore", head("A_B: 1", start="GET /first HTTP/1.1"), [("GET /first HTTP/1.1", b"")]),
    ("R31 raw path", head(start="GET /a/../%2e%2e/%00\\b HTTP/1.1"), [("GET /a/../%2e%2e/%00\\b HTTP/1.1", b"")]),
    ("chunk sizes in both cases",
     head("transfer-encoding: Chunked") + "A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n",
     [("POST /first HTTP/1.1", b"0123456789" * 2)]),
    ("two requests", head("Content-Length: 2") + "hi" + head(start="GET /second HTTP/1.1"),
     [("POST /first HTTP/1.1", b"hi"), ("GET /second HTTP/1.1", b"")]),
    ("CRLF before the request line", CRLF + head(start="GET /first HTTP/1.1"), [("GET /first HTTP/1.1", b"")]),
]


@pytest.mark.parametrize("name, sent, expected", ACCEPTED, ids=[row[0] for row in ACCEPTED])
def test_accepted_and_received_well_framed(in_front, name, sent, expected):
    ringmaster, upstream = in_front
    before = len(upstream.requests)
    with Wire(ringmaster.proxy, 5) as wire:
        wire.send(sent)
        for _ in expected:
            assert wire.read_answer().status == 200
    received = upstream.requests[before:]
    assert [(r.line, r.body) for r in received] == expected
    for r in received:
        assert len(r.all("host")) == 1 and "evil" not in r.head.decode("latin-1")
        assert len(r.all("content-length")) + len(r.all("transfer-encoding")) <= 1
        assert all(value == str(int(value)) for value in r.all("content-length"))
        assert not r.all("x-admin") and not r.all("a_b")


# What a replica must not say: name, bytes, allowed statuses (empty: the answer must look truncated)
BAD_ANSWERS = [
    ("U1 CL and TE", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {502}),
    ("U2 equal lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi", {502}),
    ("U2 different lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi!", {502}),
    ("U3 unknown coding", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhi", {502}),
    ("U3 identity and CL", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nhi", {502}),
    ("U3 chunked, gzip", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", {502}),
    ("U4 1.0 and chunked", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {502}),
    ("U5 bare LF", b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", {502}),
    ("U6 obs-fold", b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 2\r\n\r\nhi", {502}),
    ("U6 NUL", b"HTTP/1.1 200 OK\r\nA: \0\r\nContent-Length: 2\r\n\r\nhi", {502}),
    ("U6 space before colon", b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nhi", {502}),
    ("U13 short length", b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhi", set()),
    ("U13 short chunks", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhi", set()),
    ("U14 bad chunk", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\nzz\r\n", set()),
    ("U15 banner", b"SSH-2.0-OpenSSH_9.2\r\n", {502}),
    ("U15 HTTP/0.9", b"<html>hello</html>", {502}),
    ("U15 HTTP/2.0", b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", {502}),
    ("U15 nothing", b"", {502}),
    ("U15 half a head", b"HTTP/1.1 200 OK\r\nContent-Le", {502}),
    ("U16 huge head", b"HTTP/1.1 200 OK\r\nA: " + b"a" * 200_000 + b"\r\n\r\n", {502}),
    ("U16 many fields", b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 5000 + b"\r\n", {502}),
    ("U17 status 000", b"HTTP/1.1 000 No\r\nContent-Length: 0\r\n\r\n", {502}),
    ("U17 status 999", b"HTTP/1.1 999 No\r\nContent-Length: 0\r\n\r\n", {502}),
]


@pytest.mark.parametrize("name, sent, statuses", BAD_ANSWERS, ids=[row[0] for row in BAD_ANSWERS])
def test_a_bad_answer_is_502_or_visibly_truncated(start_static, upstreams, name, sent, statuses):
    def script(connection, _request):
        try:
            connection.send(sent)
        except OSError:
            pass  # refused before we were done
        return True
    ringmaster = start_static([upstreams(script)], {"retry": {"attempts": 0}})
    with ringmaster.connect(5) as wire:
        wire.send("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        if statuses:
            answer = wire.read_answer()
            assert answer.status in statuses and answer.json()["status"] == "failure"
            return
        with pytest.raises((WireError, ConnectionResetError)):
            answer = wire.read_answer()
            assert answer.status == 502  # a parser that saw the fault before the head was sent may say so
            raise WireError("told in time")
