"""Golden cases: manifests and a proxy in, its configuration out, as reviewed; and a real Envoy accepts each.

`make golden` writes the expected files anew; the difference is to be read like code.
"""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from lateen.cli.translate import TYPES, translated
from lateen.envoy.binary import find
from lateen.local_runtime.plan.planned import planned
from lateen.sources.files import load

Json = dict[str, Any]
CASES = sorted(path.parent for path in (Path(__file__).parent / "golden").glob("*/mesh.yaml"))


def configuration(case: Path) -> Json:
    loaded = load([case / "mesh.yaml"])
    assert not loaded.rejected
    proxy = yaml.safe_load((case / "proxy.yaml").read_text())["proxy"]
    return translated(planned([document.raw for document in loaded.documents]), proxy, tuple(TYPES))


def as_static(found: Json) -> Json:
    """A bootstrap that holds the whole configuration: routes inline and endpoints in their clusters, so that Envoy
    checks them too.
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
        if cluster.get("type") == "EDS":
            cluster.pop("eds_cluster_config")
            cluster["type"] = "STATIC"
            cluster["load_assignment"] = assignments.pop(cluster["name"])
    assert not assignments, "load assignments that no cluster names"
    return {
        "node": {"id": "golden", "cluster": "golden"},
        "static_resources": {"listeners": found["listeners"], "clusters": found["clusters"]},
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_configuration(case: Path, request: pytest.FixtureRequest) -> None:
    found = configuration(case)
    expected = case / "expected"
    if request.config.getoption("--golden"):
        expected.mkdir(exist_ok=True)
        for name in TYPES.values():
            text = yaml.safe_dump(found[name], sort_keys=True, allow_unicode=True, width=120)
            (expected / f"{name}.yaml").write_text(text)
    for name in TYPES.values():
        assert found[name] == yaml.safe_load((expected / f"{name}.yaml").read_text()), name


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_envoy_accepts_it(case: Path, tmp_path: Path) -> None:
    path = tmp_path / "envoy.json"
    path.write_text(json.dumps(as_static(configuration(case))))
    command = [
        find(os.environ),
        "--mode",
        "validate",
        "--config-path",
        path,
        "--disable-hot-restart",
        "--log-level",
        "error",
    ]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr
