#!/usr/bin/python3
"""Every drill in full, one after the other; the exit code counts those that failed."""
from __future__ import annotations

import subprocess
import sys
from pathlib import Path

failed = 0
for path in sorted(Path(__file__).parent.glob("*.py")):
    if path.stem not in ("test_drills", "all"):
        failed += subprocess.run([sys.executable, "-B", path, *sys.argv[1:]]).returncode != 0
print(f"{failed} drills failed")
sys.exit(min(failed, 100))
