"""Runs the benchmarks, each in a process of its own, prints a table and writes benchmarks/results/<time>.json.

python benchmarks/run.py [NAME ...]
"""

import json
import os
import platform
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Json = dict[str, Any]

HERE = Path(__file__).resolve().parent
BENCHMARKS = ("startup", "interception", "translation", "injection", "analysis", "mesh_1k", "edits")
"""Modules beside this one, each with `run()`, which gives figures by name, or tables of them: rows by name."""


def measured(name: str) -> Json:
    """The figures of one benchmark; a process of its own, since memory is one of them."""
    program = f"import json, {name}; print(json.dumps({name}.run()))"
    done = subprocess.run([sys.executable, "-c", program], cwd=HERE, stdout=subprocess.PIPE, text=True, check=True)
    figures: Json = json.loads(done.stdout)
    return figures


def machine() -> Json:
    """`python_loop_ms` is what a fixed piece of Python takes, to compare machines, and the same one at other times."""
    started = time.process_time()
    for _ in range(20):
        sum(i * i for i in range(50_000))
    return {
        "cpus": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "python_loop_ms": round((time.process_time() - started) * 1000, 1),
    }


def show(figures: Json) -> None:
    """Print figures, and tables of them."""
    for name, value in figures.items():
        if isinstance(value, dict):
            print(f"  {name}")
            _show_table(value)
        else:
            print(f"  {name:<28} {value}")
    sys.stdout.flush()


def _show_table(rows: dict[str, Json]) -> None:
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    widest = max(map(len, rows))
    print(" " * (widest + 4) + "".join(f"{column:>11}" for column in columns))
    for name, row in rows.items():
        print(f"    {name:<{widest}}" + "".join(f"{row.get(column, ''):>11}" for column in columns))


def main(names: list[str]) -> int:
    if unknown := [name for name in names if name not in BENCHMARKS]:
        print(f"there is no benchmark {', '.join(unknown)}; there are: {', '.join(BENCHMARKS)}", file=sys.stderr)
        return 64
    begun = datetime.now(UTC)
    results: Json = {"at": begun.isoformat(timespec="seconds"), "machine": machine()}
    for name in names or BENCHMARKS:
        print(name, flush=True)
        results[name] = measured(name)
        show(results[name])
    file = HERE / "results" / f"{begun:%Y-%m-%dT%H%M%SZ}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(results, indent=2) + "\n")
    print(f"written to {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
