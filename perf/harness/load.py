"""The load: one perf_load process that is client and backends at once, commanded line by line."""

import json
import subprocess

from harness.processes import Program, ProgramFailed


class Load:
    def __init__(self, program, backends, cpus, folder):
        command = [str(program), "serve"]
        for _ in range(backends):
            command += ["--backend", "127.0.0.1:0"]
        self.program = Program(
            command, cpus, folder / "load.log", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.backends = self._answer()["backends"]

    def target(self, address):
        self._command(f"target {address}")

    def run(self, **options):
        """connections, seconds, requests, rate, answer_bytes, body_bytes, path, close=True, …; returns the outcome."""
        words = ["run"]
        for name, value in options.items():
            flag = "--" + name.replace("_", "-")
            if value is True:
                words.append(flag)
            elif isinstance(value, tuple):
                words += [word for item in value for word in (flag, f"'{item}'")]
            elif value:
                words += [flag, str(value)]
        return self._command(" ".join(words))

    def idle(self, connections):
        return self._command(f"idle {connections}")

    def hold(self, connections):
        return self._command(f"hold {connections}")

    def release(self):
        return self._command("release")

    def close_connections(self):
        self._command("close")

    def close(self):
        self.program.process.stdin.close()
        self.program.close()

    def _command(self, line):
        self.program.process.stdin.write(line + "\n")
        self.program.process.stdin.flush()
        return self._answer()

    def _answer(self):
        line = self.program.process.stdout.readline()
        if not line:
            raise ProgramFailed(f"the load ended: {self.program.last_words()}")
        answer = json.loads(line)
        if "error" in answer:
            raise ProgramFailed(f"the load: {answer['error']}")
        return answer
