"""The charts, as SVG with text as text: small, and the same for the same numbers."""
from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

OURS = ("assignment", "assignment-printed", "md5", "ketama", "maglev", "rendezvous")
COLOURS = {
    "rendezvous": "#c0392b", "maglev": "#e67e22", "ketama": "#8e44ad", "assignment": "#7f8c8d",
    "assignment-printed": "#95a5a6", "md5": "#34495e", "modulo": "#bdc3c7", "nginx": "#2e8b57", "haproxy": "#2b6cb0",
    "haproxy-100": "#63b3ed", "envoy-ring": "#b7950b", "envoy-maglev": "#d4ac0d",
}


def draw(live: dict, simulation: dict, folder: Path) -> Iterator[Path]:
    import matplotlib
    matplotlib.use("Agg")
    matplotlib.rcParams.update({"svg.hashsalt": "ringmaster", "svg.fonttype": "none", "font.size": 9,
                                "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False})
    import matplotlib.pyplot as pyplot
    pictures = {
        "a1-requests": lambda: a1(pyplot, live, simulation), "a2-spread": lambda: a2(pyplot, live, simulation),
        "a3-kill": lambda: a3(pyplot, live), "balance": lambda: balance(pyplot, simulation),
        "movement": lambda: movement(pyplot, simulation), "failure": lambda: failure(pyplot, simulation),
        "bound": lambda: bound(pyplot, simulation), "cost": lambda: cost(pyplot, simulation),
    }
    for name, picture in pictures.items():
        figure = picture()
        path = folder / f"{name}.svg"
        figure.savefig(path, metadata={"Date": None})
        pyplot.close(figure)
        path.write_text("\n".join(line.rstrip() for line in path.read_text().splitlines()) + "\n")
        yield path


def expected(simulation: dict, table: str, size: int) -> list[float]:
    """Exact shares of all six-digit ids."""
    counts = next(row["ids"] for row in simulation["ids"] if row["table"] == table and row["replicas"] == size)
    return [count / sum(counts) for count in counts]


def measured(live: dict, table: str, size: int) -> list[int]:
    return next(row["counts"] for row in live["shares"] if row["table"] == table and row["replicas"] == size)


def a1(pyplot, live, simulation):
    figure, panels = pyplot.subplots(2, 3, figsize=(9, 5), layout="constrained", sharey=True)
    for axes, table in zip(panels.flat, OURS):
        counts, shares = measured(live, table, 3), expected(simulation, table, 3)
        places = range(3)
        axes.bar([x - 0.2 for x in places], counts, 0.38, color=COLOURS[table], label="measured")
        axes.bar([x + 0.2 for x in places], [share * live["requests"] for share in shares], 0.38, color="white",
                 edgecolor=COLOURS[table], label="exact expectation")
        for x, count in zip(places, counts):
            axes.text(x - 0.2, count, str(count), ha="center", va="bottom", fontsize=7)
        axes.set_xticks(places, [f"Server{x + 1}" for x in places])
        axes.set_title(table, fontsize=9)
    panels.flat[0].legend(fontsize=7)
    figure.suptitle(f"A-1, A-4: {live['requests']:,} requests, N = 3: requests for each replica")
    return figure


def a2(pyplot, live, simulation):
    figure, panels = pyplot.subplots(2, 3, figsize=(9, 5), layout="constrained", sharey=True)
    sizes = range(2, 7)
    for axes, table in zip(panels.flat, OURS):
        loads = [measured(live, table, size) for size in sizes]
        means = [sum(load) / len(load) for load in loads]
        spread = [math.sqrt(sum((one - mean) ** 2 for one in load) / len(load)) for load, mean in zip(loads, means)]
        axes.errorbar(sizes, means, spread, color=COLOURS[table], marker="o", capsize=3, label="mean ± deviation")
        axes.plot(sizes, [max(load) for load in loads], color=COLOURS[table], ls=":", label="largest")
        axes.plot(sizes, [max(expected(simulation, table, size)) * live["requests"] for size in sizes], "x",
                  color="black", ms=5, label="largest, exact")
        axes.set_title(table, fontsize=9)
        axes.set_xticks(sizes)
    panels.flat[0].legend(fontsize=7)
    for axes in panels[1]:
        axes.set_xlabel("N, replicas")
    figure.suptitle(f"A-2, A-4: {live['requests']:,} requests, N = 2 to 6: load of a replica")
    return figure


def a3(pyplot, live):
    figure, panels = pyplot.subplots(3, 2, figsize=(9, 5.5), layout="constrained", sharex="col", sharey="row")
    for column, table in zip(panels.T, ("assignment", "rendezvous")):
        kill = next(one for one in live["kills"] if one["table"] == table)
        rows = kill["timeline"]
        times = [row["ms"] - kill["killed_ms"] for row in rows]
        window = rows[1]["ms"] - rows[0]["ms"]
        column[0].plot(times, [row["answers"] * 1000 / window for row in rows], color=COLOURS[table])
        column[0].plot(times, [row["not_200"] * 1000 / window for row in rows], color="black", lw=1)
        column[1].plot(times, [row["p99_ms"] for row in rows], color=COLOURS[table])
        column[2].step(times, [row["least_ready"] for row in rows], color=COLOURS[table], where="post")
        column[2].set_ylim(0, 3.5)
        for axes in column:
            axes.axvline(0, color="black", lw=0.6, ls="--")
        column[0].set_title(f"{table}: {kill['requests']:,} requests, {kill['failed'] + kill['not_200']} failed, N = 3 "
                            f"again after {kill['n_restored_after_ms']:.0f} ms", fontsize=9)
        column[2].set_xlabel("ms after Server1 was killed")
    for axes, label in zip(panels[:, 0], ("answers/s; not 200: black", "p99, ms", "fewest ready")):
        axes.set_ylabel(label)
    figure.suptitle("A-3: a replica is killed under load")
    return figure


def series(simulation: dict, value) -> Iterator[tuple[str, list, list]]:
    for table in COLOURS:
        rows = [row for row in simulation["size"] if row["table"] == table]
        if rows:
            yield table, [row["replicas"] for row in rows], [value(row) for row in rows]


def lines(axes, simulation, value, **options):
    for table, sizes, values in series(simulation, value):
        ours = table in OURS
        axes.plot(sizes, values, color=COLOURS[table], marker="o" if ours else "s", ms=3, lw=1.6 if ours else 1,
                  ls="-" if ours else "--", label=table)
    axes.set(xscale="log", xlabel="replicas", **options)
    axes.minorticks_off()  # each would be a line of its own in the file


def balance(pyplot, simulation):
    figure, panels = pyplot.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
    lines(panels[0], simulation, lambda row: row["even_keys"]["max_over_mean"], yscale="log",
          title="keys asked for evenly", ylabel="largest load / mean")
    lines(panels[1], simulation, lambda row: row["zipf_keys"]["max_over_mean"], yscale="log",
          title="Zipf's law, exponent 1.1")
    panels[0].legend(fontsize=7, ncols=2)
    figure.suptitle(f"How uneven: {simulation['keys']:,} keys")
    return figure


def at_size(simulation: dict, study: str, size: int) -> list[dict]:
    rows = {row["table"]: row for row in simulation[study] if row["replicas"] == size}
    return [rows[table] for table in COLOURS if table in rows]


def movement(pyplot, simulation):
    figure, panels = pyplot.subplots(1, 3, figsize=(9, 3.8), layout="constrained", sharey=True)
    rows = at_size(simulation, "size", 10)[::-1]
    for axes, (change, title) in zip(panels, (("join", "an eleventh joins"), ("leave", "one of ten leaves"),
                                              ("double_weight", "one doubles its weight"))):
        moved = [row[change]["moved"] * 100 for row in rows]
        collateral = [row[change]["collateral"] * 100 for row in rows]
        places = range(len(rows))
        axes.barh(places, moved, color="#95a5a6", label="moved")
        axes.barh(places, collateral, color="#c0392b", label="of it: between replicas that have not changed")
        axes.axvline(rows[0][change]["least"] * 100, color="black", lw=0.8, ls="--", label="has to move")
        axes.set_yticks(places, [row["table"] for row in rows])
        axes.set(title=title, xlabel="% of the keys", xlim=(0, 50))
    panels[1].legend(fontsize=7, loc="lower right")
    figure.suptitle("What moves, at ten replicas (modulo goes on to 90 %)")
    return figure


def failure(pyplot, simulation):
    size = 100 if any(row["replicas"] == 100 for row in simulation["failure"]) else 10
    rows = [row for row in at_size(simulation, "failure", size)][::-1]
    figure, panels = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained", sharey=True)
    places = range(len(rows))
    panels[0].barh([y + 0.2 for y in places], [row["before"]["max_over_mean"] for row in rows], 0.38, color="#bdc3c7",
                   label="before")
    panels[0].barh([y - 0.2 for y in places], [row["after"]["max_over_mean"] for row in rows], 0.38, color="#34495e",
                   label="the rest, after")
    panels[0].set(title="largest load / mean", xlim=(1, None))
    panels[0].legend(fontsize=7)
    panels[1].barh(places, [row["movement"]["moved"] * 100 for row in rows], color="#95a5a6", label="moved")
    panels[1].barh(places, [row["movement"]["collateral"] * 100 for row in rows], color="#c0392b", label="collateral")
    panels[1].axvline(30, color="black", lw=0.8, ls="--")
    panels[1].set(title="% of the keys that move; 30 have to")
    panels[0].set_yticks(places, [row["table"] for row in rows])
    figure.suptitle(f"Three of ten fail at once ({size} replicas)")
    return figure


def bound(pyplot, simulation):
    figure, panels = pyplot.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
    rows = [row for row in simulation["bound"] if row["factor"]]
    for workers, colour in zip((1, 4, 16), ("#c0392b", "#e67e22", "#8e44ad")):
        mine = [row for row in rows if row["workers"] == workers]
        factors = [row["factor"] for row in mine]
        panels[0].plot(factors, [row["largest_over_mean"] for row in mine], color=colour, marker="o", ms=3,
                       label=f"{workers} workers")
        panels[1].plot(factors, [row["served_by_owner"] * 100 for row in mine], color=colour, marker="o", ms=3)
    panels[0].plot([1, 4], [1, 4], color="black", lw=0.6, ls="--", label="the bound")
    free = next(row for row in simulation["bound"] if not row["factor"])
    panels[0].axhline(free["largest_over_mean"], color="#7f8c8d", lw=0.8, ls=":", label="without a bound")
    panels[0].set(title="largest load ever met / mean", xlabel="balance_factor")
    panels[1].set(title="% served by the key's owner", xlabel="balance_factor")
    panels[0].legend(fontsize=7)
    figure.suptitle(f"Bounded loads: {free['replicas']} replicas, {free['in_flight']} in flight, the hottest key "
                    f"{free['hottest_key_share'] * 100:.0f} % of the traffic")
    return figure


def cost(pyplot, simulation):
    figure, panels = pyplot.subplots(1, 3, figsize=(9, 3.6), layout="constrained")
    lines(panels[0], simulation, lambda row: row["build_ms"], yscale="log", title="build from nothing, ms")
    lines(panels[1], simulation, lambda row: row["one_joins_ms"], yscale="log", title="one joins, ms")
    lines(panels[2], simulation, lambda row: row["bytes"] / 1024, yscale="log", title="memory, KiB")
    panels[2].legend(fontsize=6)
    return figure
