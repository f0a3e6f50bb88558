"""The load: one perf_load process that is client and backends at once, commanded line by line."""

from harness.processes import Commanded


class Load(Commanded):
    def __init__(self, program, backends, cpus, folder):
        command = [str(program), "serve"]
        for _ in range(backends):
            command += ["--backend", "127.0.0.1:0"]
        super().__init__(command, cpus, folder / "load.log")
        self.backends = self.answer()["backends"]

    def target(self, address):
        self.command(f"target {address}")

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
        return self.command(" ".join(words))

    def idle(self, connections):
        return self.command(f"idle {connections}")

    def hold(self, connections):
        return self.command(f"hold {connections}")

    def release(self):
        return self.command("release")

    def close_connections(self):
        self.command("close")
