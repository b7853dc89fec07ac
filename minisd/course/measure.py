"""The last cell of every measured run: what the notebook has cost, and what it reports."""

import json
import re
from pathlib import Path

from . import report


def measure(folder):
    """Write what this process has cost so far, and its report, into a folder as JSON."""
    import psutil  # comes with Jupyter

    process = psutil.Process()
    memory = process.memory_info()
    peak = getattr(memory, "peak_wset", memory.rss)  # Windows knows the peak; macOS only the rest
    status = Path("/proc/self/status")
    if status.exists():  # Linux. Not getrusage: a child begins with its parent's peak there.
        peak = 1024 * int(re.search(r"VmHWM:\s+(\d+)", status.read_text())[1])
    cost = {"cpu_seconds": sum(process.cpu_times()[:4]), "peak_mb": peak / 2**20}
    (Path(folder) / "cost.json").write_text(json.dumps(cost), encoding="utf-8")
    report(json=Path(folder) / "report.json")
