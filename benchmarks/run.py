"""Runs the benchmarks, each in a process of its own, prints a table and writes benchmarks/results/<time>.json.

python benchmarks/run.py [NAME ...]
"""

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Json = dict[str, Any]

HERE = Path(__file__).resolve().parent
BENCHMARKS = ("startup", "translation")
"""Modules beside this one, each with `run()`, which gives figures by name."""


def measured(name: str) -> Json:
    """The figures of one benchmark; a process of its own, since memory is one of them."""
    program = f"import json, {name}; print(json.dumps({name}.run()))"
    done = subprocess.run([sys.executable, "-c", program], cwd=HERE, stdout=subprocess.PIPE, text=True, check=True)
    figures: Json = json.loads(done.stdout)
    return figures


def machine() -> Json:
    return {"cpus": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()}


def main(names: list[str]) -> int:
    if unknown := [name for name in names if name not in BENCHMARKS]:
        print(f"there is no benchmark {', '.join(unknown)}; there are: {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 64
    begun = datetime.now(UTC)
    results: Json = {"at": begun.isoformat(timespec="seconds"), "machine": machine()}
    for name in names or BENCHMARKS:
        print(name, flush=True)
        results[name] = measured(name)
        for figure, value in results[name].items():
            print(f"  {figure:<28} {value}", flush=True)
    file = HERE / "results" / f"{begun:%Y-%m-%dT%H%M%SZ}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(results, indent=2) + "\n")
    print(f"written to {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
