"""A flame graph (B. Gregg's idea) from perf's samples: a box is as wide as its function's time is long."""

import html
import re
import signal
import subprocess
import time
from collections import Counter

WIDTH, ROW, TOP = 1200, 17, 40
NARROWEST = 0.3  # pixels; what is narrower is left out


def record(pids, seconds, load, data_file, call_graph="fp"):
    """Samples the processes while load() runs. `call_graph` as perf's: fp | dwarf."""
    command = ["perf", "record", "-q", "-F", "997", "--call-graph", call_graph, "-o", str(data_file)]
    command += ["-p", ",".join(map(str, pids))]
    perf = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    time.sleep(0.3)
    try:
        if perf.poll() is not None:
            raise RuntimeError(f"perf record: {perf.stderr.read().decode().strip()}")
        return load()
    finally:
        if perf.poll() is None:
            perf.send_signal(signal.SIGINT)
            perf.wait(seconds + 30)


def stacks(data_file):
    """{(outermost, …, innermost): samples}; a frame is (name, is_kernel)."""
    command = ["perf", "script", "-i", str(data_file), "-F", "comm,ip,sym,dso"]
    result = subprocess.run(command, capture_output=True, text=True, errors="replace", check=True)
    return fold(result.stdout)


def fold(text):
    """perf script's text, a thread's name and then its frames from the innermost out, to stacks."""
    counted = Counter()
    for sample in text.split("\n\n"):
        lines = sample.strip("\n").splitlines()
        if not lines:
            continue
        frames = [frame for line in lines[1:] if (frame := _frame(line))]
        counted[((lines[0].strip(), False), *reversed(frames))] += 1
    return counted


def _frame(line):
    match = re.match(r"\s+[0-9a-f]+ (.*) \((.*)\)$", line)
    if not match:
        return None
    name, object_file = match.groups()
    if name == "[unknown]":
        name = f"[{object_file.rsplit('/', 1)[-1].strip('[]')}]"
    return name.split("+0x")[0], object_file.startswith("[kernel") or object_file.endswith(".ko")


def folded_text(counted):
    """The form that other flame graph tools read: a;b;c count."""
    return "".join(f"{';'.join(name for name, _ in stack)} {count}\n" for stack, count in sorted(counted.items()))


class _Box:
    def __init__(self):
        self.samples = 0
        self.children = {}


def svg(counted, title):
    root = _Box()
    for stack, count in counted.items():
        box = root
        box.samples += count
        for frame in stack:
            box = box.children.setdefault(frame, _Box())
            box.samples += count
    total = max(root.samples, 1)
    shapes = []

    def draw(box, left, depth):
        deepest = depth
        for frame in sorted(box.children):
            child = box.children[frame]
            width = WIDTH * child.samples / total
            if width >= NARROWEST:
                shapes.append((left, depth, width, frame, child.samples))
                deepest = max(deepest, draw(child, left, depth + 1))
            left += width
        return deepest

    height = TOP + (draw(root, 0, 0) + 1) * ROW
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        'font-family="monospace" font-size="11">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fffdf8"/>',
        f'<text x="{WIDTH / 2}" y="24" text-anchor="middle" font-size="15">{html.escape(title)}</text>',
    ]
    parts += [_shape(*shape, height, total) for shape in shapes]
    return "\n".join(parts) + "\n</svg>\n"


def _shape(left, depth, width, frame, samples, height, total):
    name, is_kernel = frame
    y = height - (depth + 1) * ROW
    shade = sum(name.encode()) % 40
    colour = f"rgb({210 - shade},{140 + shade},70)" if is_kernel else f"rgb({235 - shade},{80 + shade},60)"
    letters = int((width - 4) / 6.7)
    label = name if len(name) <= letters else name[: letters - 2] + ".." if letters >= 5 else ""
    return (
        f"<g><title>{html.escape(name)}: {samples} samples, {100 * samples / total:.2f} %</title>"
        f'<rect x="{left:.1f}" y="{y}" width="{max(width - 0.3, 0.2):.1f}" height="{ROW - 1}" fill="{colour}"/>'
        + (f'<text x="{left + 2:.1f}" y="{y + 12}">{html.escape(label)}</text>' if label else "")
        + "</g>"
    )


def hottest(counted, number=15):
    """[(function, share of all samples in which it was the innermost)]."""
    own = Counter()
    for stack, count in counted.items():
        own[stack[-1][0]] += count
    total = max(sum(own.values()), 1)
    return [(name, count / total) for name, count in own.most_common(number)]

