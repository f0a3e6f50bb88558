"""Plots of a run, each as PNG and as SVG."""

import textwrap

COLOURS = {"ringmaster": "#c0392b", "nginx": "#2e8b57", "haproxy": "#2b6cb0", "floor": "#999999", "direct": "#cccccc"}


def draw(data, samples, cases, folder):
    """Returns the files written; none where matplotlib is missing."""
    try:
        import matplotlib
    except ImportError:
        return []
    matplotlib.use("Agg")
    matplotlib.rcParams["svg.hashsalt"] = "ringmaster"  # the same data, the same file
    import matplotlib.pyplot as pyplot

    plots = (
        ("cpu", lambda axes: _bars(axes, samples, cases, data, "cpu_us_per_request", "CPU µs per request", False)),
        ("cpu-relative", lambda axes: _relative(axes, samples, cases, data)),
        ("latency", lambda axes: _bars(axes, samples, cases, data, "p99_us", "99th percentile, µs", True)),
        ("memory", lambda axes: _memory(axes, data)),
    )
    written = []
    for name, plot in plots:
        figure, axes = pyplot.subplots(figsize=(11, 4.8), layout="constrained")
        if plot(axes):
            axes.spines[["top", "right"]].set_visible(False)
            axes.legend(frameon=False, ncols=5)
            for kind in ("png", "svg"):
                path = folder / f"{name}.{kind}"
                figure.savefig(path, dpi=130, metadata={"Date": None} if kind == "svg" else {"Software": None})
                written.append(path)
        pyplot.close(figure)
    return written


def _labels(axes, cases):
    axes.set_xticklabels([textwrap.fill(case.text, 15) for case in cases], fontsize=8)


def _grouped(axes, groups, subjects, value_of):
    """Bars side by side: for each group and subject value_of() gives (height, low, high) or None."""
    width = 0.8 / max(len(subjects), 1)
    for place, subject in enumerate(subjects):
        points = [(x, value) for x, group in enumerate(groups) if (value := value_of(group, subject))]
        if not points:
            continue
        positions = [x + (place - (len(subjects) - 1) / 2) * width for x, _ in points]
        heights = [value[0] for _, value in points]
        errors = [[value[0] - value[1] for _, value in points], [value[2] - value[0] for _, value in points]]
        axes.bar(positions, heights, width * 0.92, label=subject, color=COLOURS.get(subject), yerr=errors,
                 error_kw={"elinewidth": 0.8, "capsize": 2, "ecolor": "#444444"})
    axes.set_xticks(range(len(groups)))
    return bool(axes.patches)


def _bars(axes, samples, cases, data, figure, label, open_loop):
    """Medians with their quartiles; closed or open loop cases."""
    measured = {sample["case"] for sample in data["slices"]}
    shown = [case for case in cases if bool(case.share_of_capacity) == open_loop and case.name in measured]

    def value_of(case, subject):
        spread = samples.spread(case.name, subject, figure)
        return spread and (spread["median"], spread["q1"], spread["q3"])

    drawn = _grouped(axes, shown, list(data["subjects"]), value_of)
    _labels(axes, shown)
    axes.set_ylabel(label + (" (open loop, from the intended send time)" if open_loop else ""))
    axes.set_yscale("log")
    return drawn


def _relative(axes, samples, cases, data):
    """Everybody against the better peer, with the interval of the median."""
    peers = [name for name, subject in data["subjects"].items() if subject["peer"]]
    better = {case.name: samples.better_peer(case.name, "cpu_us_per_request", peers) for case in cases}
    shown = [case for case in cases if better[case.name] and not case.share_of_capacity]

    def value_of(case, subject):
        ratio = samples.against(case.name, subject, "cpu_us_per_request", case.name, better[case.name])
        return ratio and (ratio["median"], ratio["low"], ratio["high"])

    drawn = _grouped(axes, shown, list(data["subjects"]), value_of)
    axes.axhline(1, color="#444444", linewidth=0.8)
    _labels(axes, shown)
    axes.set_ylabel("CPU per request / better peer's (less is better)")
    return drawn


def _memory(axes, data):
    entries = data["memory"]
    groups = sorted({(entry["state"], entry["connections"]) for entry in entries})
    subjects = [name for name in data["subjects"] if any(entry["subject"] == name for entry in entries)]

    def value_of(group, subject):
        values = sorted(
            entry["bytes_per_connection"] for entry in entries
            if entry["subject"] == subject and (entry["state"], entry["connections"]) == group
        )
        # A logarithmic axis has no place for nothing at all.
        return values and tuple(max(values[i], 1) for i in (len(values) // 2, 0, -1))

    drawn = _grouped(axes, groups, subjects, value_of)
    axes.set_xticklabels([f"{connections:,}\n{state}" for state, connections in groups])
    axes.set_ylabel("bytes of process memory per connection")
    axes.set_yscale("log")
    return drawn
