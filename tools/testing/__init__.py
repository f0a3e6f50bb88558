"""Builds the tree in its several ways, runs every test, and counts what passed."""
