"""The results as Markdown."""

from harness import figures

MIB = 1024 * 1024


class Report:
    """Sentences and tables from a run's data (see compare.py for its form)."""

    def __init__(self, data, samples, cases):
        self.data = data
        self.samples = samples
        self.cases = cases
        self.subjects = list(data["subjects"])
        self.peers = [name for name in self.subjects if data["subjects"][name]["peer"]]
        self.lines = []

    def markdown(self):
        self._head()
        self._ratios()
        self._table("CPU per request (µs, all threads of all processes)", "cpu_us_per_request", "{:.2f}")
        self._table("Requests per second (closed loop)", "requests_per_second", "{:,.0f}", closed_only=True)
        self._table("Median latency (µs)", "p50_us", "{:,.0f}")
        self._table("99th percentile (µs)", "p99_us", "{:,.0f}")
        self._table("99.9th percentile (µs)", "p99.9_us", "{:,.0f}", open_only=True)
        self._table("Resident memory at the end of a slice (MiB)", "rss_bytes", "{:.1f}", scale=MIB)
        self._memory()
        self._growth()
        self._notes()
        return "\n".join(self.lines) + "\n"

    def _head(self):
        machine, settings = self.data["machine"], self.data["settings"]
        self.lines += [
            "# Comparison",
            "",
            f"`{self.data['command']}`, {self.data['when']}, commit {self.data['commit']}",
            "",
            f"{machine['cpu']}, {machine['cpus']} CPUs{', virtual' if machine['hypervisor'] else ''}, "
            f"Linux {machine['kernel']}, {machine['congestion_control']}; {self.data['network']}.",
            f"Load on CPU {settings['load_cpu']}, proxies on CPU {settings['proxy_cpus'][0]}; "
            f"{settings['replicas']} replicas, peers balance by {settings['balance']}; "
            f"{settings['rounds']} rounds of {settings['seconds']} s, seed {settings['seed']}.",
            "",
            *(f"- {name}: {subject['version']}" for name, subject in self.data["subjects"].items()),
            "",
        ]
        others = [sample["others_percent"] for sample in self.data["slices"]]
        if others:
            forced = " (forced: such slices count)" if settings["forced"] else ""
            self.lines += [f"Others took at most {max(others):.0f} % of a CPU during a slice{forced}.", ""]
        if settings["tiny"]:
            self.lines += ["**A tiny run: it shows that everything works; its figures mean nothing.**", ""]

    def _ratios(self):
        """ringmaster against the better peer, or against itself in another case; and the floor likewise."""
        if "ringmaster" not in self.subjects:
            return
        rows = []
        for case in self.cases:
            for figure, title, target in (
                ("cpu_us_per_request", "CPU", case.target_cpu),
                ("p99_us", "p99", case.target_p99),
            ):
                row = self._ratio_row(case, figure, title, target)
                if row:
                    rows.append(row)
        if rows:
            self._section(
                "Ratios (median of the rounds' ratios, 95 % interval by bootstrap)",
                ("case", "figure", "against", "ringmaster", "interval", "floor", "goal", ""),
                rows,
            )

    def _ratio_row(self, case, figure, title, target):
        if case.against:
            other_case, other, floor = case.against, "ringmaster", None
        else:
            other_case, other = case.name, self.samples.better_peer(case.name, figure, self.peers)
            floor = other and self.samples.against(case.name, "floor", figure, case.name, other)
        ratio = other and self.samples.against(case.name, "ringmaster", figure, other_case, other)
        if not ratio:
            return None
        verdict = ""
        if target:
            verdict = "met" if ratio["median"] <= target else f"missed by {ratio['median'] - target:.2f}"
        if floor and title == "CPU" and ratio["median"] < floor["median"]:
            verdict += "; below the floor: suspect the measurement"
        return (
            case.text,
            title,
            other_case if case.against else other,
            f"**{ratio['median']:.3f}**",
            f"{ratio['low']:.3f} … {ratio['high']:.3f}",
            f"{floor['median']:.2f}" if floor else "–",
            f"≤ {target:.2f}" if target else "–",
            verdict,
        )

    def _table(self, title, figure, form, scale=1, closed_only=False, open_only=False):
        rows = []
        for case in self.cases:
            if (closed_only and case.share_of_capacity) or (open_only and not case.share_of_capacity):
                continue
            spreads = [self.samples.spread(case.name, subject, figure) for subject in self.subjects]
            if any(spreads):
                rows.append((case.text, *(self._cell(s, form, scale) for s in spreads)))
        if rows:
            self._section(f"{title}: median (quartiles; extremes)", ("case", *self.subjects), rows)

    @staticmethod
    def _cell(spread, form, scale):
        if not spread:
            return "–"
        median, q1, q3, low, high = (form.format(spread[k] / scale) for k in ("median", "q1", "q3", "min", "max"))
        return f"**{median}**" if spread["n"] == 1 else f"**{median}** ({q1}–{q3}; {low}–{high})"

    def _memory(self):
        groups = {}
        for entry in self.data["memory"]:
            key = (entry["state"], entry["step"], entry["connections"], entry["subject"])
            groups.setdefault(key, []).append(entry)
        rows = []
        for (state, step, connections, subject), entries in sorted(groups.items()):
            growth = sorted(entry["bytes_per_connection"] for entry in entries)
            total = sorted(entry["pss_bytes"] for entry in entries)
            capped = "" if connections == step else f" (instead of {step:,}: descriptors)"
            rows.append((
                state,
                f"{connections:,}{capped}",
                subject,
                f"**{growth[len(growth) // 2]:,.0f}** ({growth[0]:,.0f}–{growth[-1]:,.0f})",
                f"{total[len(total) // 2] / MIB:.1f}",
            ))
        if rows:
            self._section(
                "Process memory for each connection (bytes written, above the process with none; not the kernel's)",
                ("state", "connections", "subject", "bytes each: median (extremes)", "process in all (MiB)"),
                rows,
            )

    def _growth(self):
        rows = []
        for subject in self.subjects:
            entries = [entry for entry in self.data["growth"] if entry["subject"] == subject]
            if entries:
                first, last = entries[0], entries[-1]
                grown = last["own_bytes"] - first["own_bytes"]
                early, late = (f"{entry['requests']:,}: {entry['own_bytes'] / MIB:.2f}" for entry in (first, last))
                slope = f"{figures.growth_per_million(entries) / 1024:+.2f} KiB"
                rows.append((subject, early, late, f"**{grown / 1024:+,.0f} KiB**", slope))
        if rows:
            self._section(
                "Growth of one process under 64 busy connections (requests: MiB of its own memory)",
                ("subject", "early", "late", "grown by", "slope of the second half, each million"),
                rows,
            )

    def _notes(self):
        if self.data["failures"]:
            self.lines += ["## Failures", "", *(f"- {failure}" for failure in self.data["failures"]), ""]
        if self.data["notes"]:
            self.lines += ["## Notes", "", *(f"- {note}" for note in self.data["notes"]), ""]

    def _section(self, title, header, rows):
        self.lines += [f"## {title}", "", "| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
        self.lines += ["| " + " | ".join(row) + " |" for row in rows] + [""]
