"""What perf/compare, perf/profile and perf/compare-commits are made of. Standard library only, but for plots."""
