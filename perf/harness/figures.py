"""From samples to figures: medians, spread, ratios round by round."""

import random
import statistics


def spread(values):
    """Median, quartiles and extremes of at least one value."""
    ordered = sorted(values)
    if len(ordered) == 1:
        low, middle, high = ordered * 3
    else:
        low, middle, high = statistics.quantiles(ordered, n=4, method="inclusive")
    return {"median": middle, "q1": low, "q3": high, "min": ordered[0], "max": ordered[-1], "n": len(ordered)}


def interval_of_median(values, seed=1, draws=2000, confidence=0.95):
    """Bootstrap: between which bounds the median falls when the rounds are drawn again. Same values, same bounds."""
    chance = random.Random(seed)
    medians = sorted(statistics.median(chance.choices(values, k=len(values))) for _ in range(draws))
    cut = int(draws * (1 - confidence) / 2)
    return medians[cut], medians[-1 - cut]


def ratios(above, below):
    """Round by round, where both have one: {round: value} each. None where no round has both."""
    common = sorted(set(above) & set(below))
    values = [above[r] / below[r] for r in common if below[r] > 0]
    if not values:
        return None
    low, high = interval_of_median(values)
    return {**spread(values), "low": low, "high": high}


def growth_per_million(entries):
    """Slope in bytes for each million requests, fitted to the second half of the readings: past the plateau that a
    process climbs to, it is 0 where nothing leaks. `entries`: at least two, each with "requests" and "own_bytes"."""
    late = entries[-max(2, (len(entries) + 1) // 2) :]
    fit = statistics.linear_regression([e["requests"] for e in late], [e["own_bytes"] for e in late])
    return fit.slope * 1e6


class Samples:
    """All slices of a run, and what follows from them."""

    def __init__(self, slices):
        self.slices = slices

    def by_round(self, case, subject, figure):
        return {
            s["round"]: s[figure]
            for s in self.slices
            if s["case"] == case and s["subject"] == subject and s.get(figure) is not None
        }

    def spread(self, case, subject, figure):
        values = list(self.by_round(case, subject, figure).values())
        return spread(values) if values else None

    def better_peer(self, case, figure, peers):
        """The peer with the lower median, or None."""
        medians = {peer: s["median"] for peer in peers if (s := self.spread(case, peer, figure))}
        return min(medians, key=medians.get, default=None)

    def against(self, case, subject, figure, other_case, other_subject):
        """Ratios of `subject` in `case` to `other_subject` in `other_case`, round by round."""
        return ratios(self.by_round(case, subject, figure), self.by_round(other_case, other_subject, figure))
