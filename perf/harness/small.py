"""A client of small requests at a constant rate, and the replica that answers them, in a process of their own.

It sleeps between requests and has real-time priority where it may: it shares the load's CPU, and would otherwise wait
there for the load, which is busy with long bodies, and not for the proxy. Commanded line by line, in JSON:

  {"target": PORT}                                finds ids for its own replica and for another; {"own": …, "other": …}
  {"rate": …, "seconds": …, "connections": …}     {"p50_us": …, "p99_us": …, "requests": …}

A request's time runs from when it was due (no coordinated omission)."""

import json
import os
import select
import socket
import sys
import time

BODY = b"x" * 128
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 128\r\nDate: Sat, 21 Nov 2026 12:00:00 GMT\r\n\r\n" + BODY
PATIENCE_SECONDS = 5


class Small:
    def __init__(self):
        self.poll = select.epoll()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.poll.register(self.listener, select.EPOLLIN)
        self.replica_side, self.clients = {}, {}  # by descriptor
        self.served, self.answers = 0, []  # requests that reached this replica; times of answers, seconds
        self.due = {}  # descriptor: when its request was due

    def address(self):
        return "127.0.0.1:%d" % self.listener.getsockname()[1]

    def target(self, port):
        for client in self.clients.values():
            client.close()
        self.clients, self.due, self.port = {}, {}, port
        found, number = {}, 1_000_000_000
        client = self.dial()
        while len(found) < 2:
            number += 7919
            served, answers = self.served, len(self.answers)
            self.ask(client, number, time.monotonic())
            deadline = time.monotonic() + PATIENCE_SECONDS
            while len(self.answers) == answers:
                self.turn(deadline)
            found.setdefault("own" if self.served > served else "other", number)
        self.own = found["own"]
        return found

    def run(self, rate, seconds, connections):
        while len(self.clients) < connections:
            self.dial()
        self.answers, waiting, sent = [], [], 0
        count, begin = int(rate * seconds), time.monotonic() + 0.001
        while len(self.answers) < count:
            now = time.monotonic()
            while sent < count and begin + sent / rate <= now:
                waiting.append(begin + sent / rate)
                sent += 1
            free = [client for client in self.clients.values() if client.fileno() not in self.due]
            for client in free[: len(waiting)]:
                self.ask(client, self.own, waiting.pop(0))
            if sent < count:
                self.turn(begin + sent / rate, last=False)
            else:
                self.turn(time.monotonic() + PATIENCE_SECONDS)
        times = sorted(self.answers)
        at = lambda share: times[min(count - 1, int(share * count))] * 1e6
        return {"requests": count, "p50_us": at(0.5), "p99_us": at(0.99)}

    def dial(self):
        client = socket.create_connection(("127.0.0.1", self.port))
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.poll.register(client, select.EPOLLIN)
        self.clients[client.fileno()] = client
        return client

    def ask(self, client, number, due):
        self.due[client.fileno()] = due
        client.sendall(b"GET /bytes/128?request_id=%d HTTP/1.1\r\nHost: ringmaster.test\r\n\r\n" % number)

    def turn(self, deadline, last=True):
        events = self.poll.poll(max(0.0, deadline - time.monotonic()))
        if not events and last:
            raise RuntimeError("no answer")
        for descriptor, _ in events:
            self.on_event(descriptor)

    def on_event(self, descriptor):
        if descriptor == self.listener.fileno():
            connection, _ = self.listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.poll.register(connection, select.EPOLLIN)
            self.replica_side[connection.fileno()] = connection
        elif descriptor in self.clients:
            try:
                answer = self.clients[descriptor].recv(65536)
            except ConnectionError:
                answer = b""
            if not answer and descriptor not in self.due:  # the proxy has ended
                self.clients.pop(descriptor).close()
            elif not answer.startswith(b"HTTP/1.1 200 ") or not answer.partition(b"\r\n\r\n")[2]:
                raise RuntimeError("no good answer: %r" % answer[:200])
            else:
                self.answers.append(time.monotonic() - self.due.pop(descriptor))
        else:
            self.serve(descriptor)

    def serve(self, descriptor):
        connection = self.replica_side[descriptor]
        try:
            request = connection.recv(65536)
            self.served += bool(request) and b"/heartbeat" not in request
            if request:
                return connection.sendall(ANSWER)
        except ConnectionError:  # a proxy may reset what it does not keep
            pass
        del self.replica_side[descriptor]
        connection.close()

    def serve_until_commanded(self):
        self.poll.register(sys.stdin.fileno(), select.EPOLLIN)
        while True:
            for descriptor, _ in self.poll.poll():
                if descriptor == sys.stdin.fileno():
                    self.poll.unregister(descriptor)
                    return sys.stdin.readline()
                self.on_event(descriptor)


def say(answer):
    print(json.dumps(answer), flush=True)


def main():
    small, priority = Small(), True
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except OSError:
        priority = False
    say({"backend": small.address(), "real_time": priority})
    while line := small.serve_until_commanded():
        command = json.loads(line)
        say(small.target(command["target"]) if "target" in command else small.run(**command))


if __name__ == "__main__":
    main()
