#!/usr/bin/python3
"""What the harness computes and draws, from made-up samples. What it measures is tried by perf/compare --tiny."""

import os
import re
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.dont_write_bytecode = True

from harness import cases, counting, figures, flame
from harness.processes import Program
from harness.report import Report


def sample(round_number, subject, cpu, case="small-64", p99=100.0):
    return {
        "round": round_number, "case": case, "subject": subject,
        "cpu_us_per_request": cpu, "requests_per_second": 1e6 / cpu,
        "others_percent": 1.0, "p50_us": p99 / 2, "p99_us": p99, "p99.9_us": 2 * p99, "rss_bytes": 8 << 20,
    }


def three_rounds():
    return [
        sample(r, subject, cpu + r)
        for r in range(3)
        for subject, cpu in (("ringmaster", 9.0), ("nginx", 13.0), ("haproxy", 16.0), ("floor", 8.0))
    ]


class Figures(unittest.TestCase):
    def test_spread_of_one_value_is_that_value(self):
        self.assertEqual(set(figures.spread([4.0]).values()), {4.0, 1})

    def test_spread_names_median_quartiles_and_extremes(self):
        spread = figures.spread([5, 1, 3, 2, 4])
        self.assertEqual([spread[k] for k in ("min", "q1", "median", "q3", "max")], [1, 2, 3, 4, 5])

    def test_ratios_pair_rounds_and_leave_out_what_has_no_partner(self):
        ratio = figures.ratios({0: 8, 1: 30, 2: 1}, {0: 10, 1: 40})
        self.assertAlmostEqual(ratio["median"], (0.8 + 0.75) / 2)
        self.assertEqual(ratio["n"], 2)
        self.assertIsNone(figures.ratios({0: 1}, {1: 1}))

    def test_interval_holds_the_median_and_is_the_same_each_time(self):
        values = [0.7, 0.72, 0.69, 0.75, 0.71, 0.9, 0.7]
        low, high = figures.interval_of_median(values)
        self.assertLessEqual(low, 0.71)
        self.assertGreaterEqual(high, 0.71)
        self.assertEqual((low, high), figures.interval_of_median(values))

    def test_the_better_peer_has_the_lower_median_not_the_luckiest_round(self):
        lucky = [sample(0, "haproxy", 1), sample(1, "haproxy", 20), sample(2, "haproxy", 20)]
        steady = [sample(r, "nginx", 10) for r in range(3)]
        samples = figures.Samples(lucky + steady)
        self.assertEqual(samples.better_peer("small-64", "cpu_us_per_request", ["nginx", "haproxy"]), "nginx")


    def test_slope_sees_a_leak_and_no_plateau(self):
        def readings(leak):
            return [{"requests": i * 10**6, "own_bytes": 5000 * min(i, 3) + leak * i} for i in range(1, 11)]

        self.assertAlmostEqual(figures.growth_per_million(readings(0)), 0)
        self.assertAlmostEqual(figures.growth_per_million(readings(64)), 64)


class Memory(unittest.TestCase):
    MIB = 1 << 20
    CODE = """
import mmap, sys
with open(sys.argv[1], "rb") as file:
    size = int(sys.argv[2])
    pages = mmap.mmap(file.fileno(), size, prot=mmap.PROT_READ)
    print("begun", flush=True)
    sys.stdin.readline()
    read = sum(pages[0:size:4096])
    print("read", flush=True)
    sys.stdin.readline()
    written = bytearray(b"x") * size
    print("written", flush=True)
    sys.stdin.readline()
"""

    def test_own_memory_is_what_was_written_not_the_share_of_a_file(self):
        file = Path(sys.executable).resolve()  # megabytes, and surely not in shared memory as a temporary file may be
        size = file.stat().st_size
        self.assertGreater(size, 2 * self.MIB)
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-c", self.CODE, str(file), str(size)]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
            program = Program(command, os.sched_getaffinity(0), Path(folder) / "log", **pipes)
            try:
                memory = {}
                for step in ("begun", "read", "written"):
                    self.assertEqual(program.process.stdout.readline().strip(), step)
                    memory[step] = program.memory()
                    program.process.stdin.write("\n")
                    program.process.stdin.flush()
            finally:
                program.close()
                program.process.stdin.close()
                program.process.stdout.close()
        begun, read, written = memory.values()
        self.assertGreater(read["rss"] - begun["rss"], size - self.MIB)
        self.assertLess(read["own"] - begun["own"], self.MIB)
        self.assertGreater(written["own"] - read["own"], size - self.MIB)


class Cases(unittest.TestCase):
    def test_names_are_unique_and_comparisons_stay_within_a_group(self):
        by_name = {case.name: case for case in cases.CASES}
        self.assertEqual(len(by_name), len(cases.CASES))
        for case in cases.CASES:
            if case.against:
                self.assertEqual(case.together, by_name[case.against].together)

    def test_the_tiny_run_has_every_case(self):
        self.assertEqual([case.name for case in cases.tiny().cases], [case.name for case in cases.CASES])


class Flames(unittest.TestCase):
    TEXT = (
        "worker\n\t    aa tcp_sendmsg+0x10 ([kernel.kallsyms])\n\t    bb send_next (/x/ringmaster)\n"
        "\t    cc main (/x/ringmaster)\n\n"
        "worker\n\t    dd [unknown] (/x/libc.so.6)\n\t    cc main (/x/ringmaster)\n\n"
    )

    def test_stacks_run_from_the_outermost_frame_in(self):
        self.assertEqual(
            flame.folded_text(flame.fold(self.TEXT)), "worker;main;[libc.so.6] 1\nworker;main;send_next;tcp_sendmsg 1\n"
        )

    def test_the_picture_is_xml_and_a_box_is_as_wide_as_its_share(self):
        picture = flame.svg(flame.fold(self.TEXT), "a < b & c")
        xml.etree.ElementTree.fromstring(picture)
        boxes = r'<title>([^:]+): [^<]*</title><rect x="[^"]*" y="[^"]*" width="([^"]*)"'
        widths = dict(re.findall(boxes, picture))
        self.assertAlmostEqual(float(widths["main"]), flame.WIDTH, delta=1)
        self.assertAlmostEqual(float(widths["send_next"]), flame.WIDTH / 2, delta=1)

    def test_the_hottest_function_is_innermost(self):
        self.assertEqual({name for name, _ in flame.hottest(flame.fold(self.TEXT))}, {"tcp_sendmsg", "[libc.so.6]"})


class Counting(unittest.TestCase):
    def test_calls_of_all_threads_are_added(self):
        table = (
            " nginx (12), 10 events, 50.0%\n\n   syscall            calls  errors  total\n"
            "   --------------- --------  ------ --------\n   writev             18442      0   416.102     0.017\n\n"
            " nginx (13), 10 events, 50.0%\n\n   writev                 8      1     0.360     0.022\n"
        )
        self.assertEqual(counting.calls_in(table), {"writev": 18450})


class Reports(unittest.TestCase):
    def data(self, slices):
        return {
            "command": "perf/compare", "when": "now", "commit": "abc", "network": "none",
            "notes": ["a note"], "failures": [],
            "machine": {"cpu": "cpu", "cpus": 2, "hypervisor": True, "kernel": "6", "congestion_control": "cubic"},
            "settings": {
                "load_cpu": 0, "proxy_cpus": [1], "replicas": 3, "balance": "hash",
                "rounds": 3, "seconds": 1, "seed": 1, "tiny": False, "forced": False,
            },
            "subjects": {
                name: {"version": name, "peer": name in ("nginx", "haproxy")}
                for name in ("ringmaster", "nginx", "haproxy", "floor")
            },
            "slices": slices,
            "growth": [
                {"subject": "nginx", "requests": requests, "own_bytes": own}
                for requests, own in ((100, 1 << 20), (1000, 3 << 20))
            ],
            "memory": [
                {
                    "subject": "nginx", "state": "idle", "step": 20000, "connections": 19700,
                    "bytes_per_connection": 500, "pss_bytes": 1 << 20,
                }
            ],
        }

    def report(self, slices):
        return Report(self.data(slices), figures.Samples(slices), cases.CASES).markdown()

    def row(self, start, slices):
        return next(line for line in self.report(slices).splitlines() if line.startswith(start))

    def test_it_names_the_better_peer_the_ratio_and_whether_the_goal_is_met(self):
        row = self.row("| 64 connections, small | CPU", three_rounds())
        self.assertIn("| nginx | **0.714** |", row)
        self.assertIn("| 0.64 | ≤ 0.77 | met |", row)

    def test_a_figure_below_the_floor_is_suspected(self):
        slices = [s for s in three_rounds() if s["subject"] != "floor"] + [sample(r, "floor", 12.0) for r in range(3)]
        self.assertIn("below the floor", self.report(slices))

    def test_a_case_against_another_is_compared_with_itself(self):
        slices = three_rounds() + [sample(r, "ringmaster", 10.8 + r, case="idle-10k") for r in range(3)]
        row = self.row("| 10,000 idle + 64 busy | CPU", slices)
        self.assertIn("| small-64 | **1.180** |", row)
        self.assertIn("missed by 0.13", row)

    def test_growth_is_from_the_first_reading_to_the_last(self):
        row = self.row("| nginx | 100: 1.00", three_rounds())
        self.assertIn("| 1,000: 3.00 | **+2,048 KiB** | +2275555.56 KiB |", row)

    def test_a_capped_step_says_so(self):
        self.assertIn("19,700 (instead of 20,000: descriptors)", self.report(three_rounds()))


if __name__ == "__main__":
    unittest.main()
