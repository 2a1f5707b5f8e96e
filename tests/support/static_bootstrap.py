"""The whole configuration of a proxy as one static bootstrap, for Envoy to check without running."""

import json
import subprocess
from pathlib import Path
from typing import Any

from support import envoys

from lateen.envoy.bootstrap import STATIC_RUNTIME

Json = dict[str, Any]


def as_static(found: Json) -> Json:
    """A bootstrap of `clusters`, `endpoints`, `listeners` and `routes`: routes inline and endpoints in their clusters,
    so that Envoy checks them too. The lists are used up.
    """
    routes = {route["name"]: route for route in found["routes"]}
    assignments = {assignment["cluster_name"]: assignment for assignment in found["endpoints"]}
    for listener in found["listeners"]:
        chains = [*listener.get("filter_chains", []), *filter(None, [listener.get("default_filter_chain")])]
        for config in (each["typed_config"] for chain in chains for each in chain["filters"]):
            if "rds" in config:
                config["route_config"] = routes.pop(config.pop("rds")["route_config_name"])
    assert not routes, "route configurations that no listener names"
    for cluster in found["clusters"]:
        assignment = assignments.pop(cluster["name"], None)
        if cluster.get("type") == "EDS":
            cluster.pop("eds_cluster_config")
            cluster["type"] = "STATIC"
            assert assignment, f"no load assignment for {cluster['name']}"
            cluster["load_assignment"] = assignment
    assert not assignments, "load assignments that no cluster names"
    return {
        "node": {"id": "static", "cluster": "static"},
        "layered_runtime": {"layers": [{"name": "static", "static_layer": dict(STATIC_RUNTIME)}]},
        "static_resources": {"listeners": found["listeners"], "clusters": found["clusters"]},
    }


def refusal(bootstrap: Json, path: Path, version: str) -> str:
    """What the Envoy of that version has against the bootstrap, written to the path; empty if it accepts it."""
    path.write_text(json.dumps(bootstrap))
    options = ["--mode", "validate", "--disable-hot-restart", "--log-level", "error"]
    command = [envoys.binary(version), "--config-path", str(path), *options]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    return (checked.stderr or f"exit status {checked.returncode}") if checked.returncode else ""
