"""Golden cases: manifests and a proxy in, its configuration out, as reviewed; and real Envoys accept each.

`make golden` writes the expected files anew; the difference is to be read like code.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml
from support.envoys import VERSIONS
from support.static_bootstrap import as_static, refusal

from lateen.cli.translate import TYPES, translated
from lateen.local_runtime.plan.planned import planned
from lateen.sources.files import load

Json = dict[str, Any]
CASES = sorted(path.parent for path in (Path(__file__).parent / "golden").glob("*/mesh.yaml"))
FOR_ENVOY = [case for case in CASES if not case.name.startswith("proxyless-")]


def configuration(case: Path) -> Json:
    loaded = load([case / "mesh.yaml"])
    assert not loaded.rejected
    proxy = yaml.safe_load((case / "proxy.yaml").read_text())["proxy"]
    return translated(planned([document.raw for document in loaded.documents]), proxy, tuple(TYPES))


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


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", FOR_ENVOY, ids=lambda case: case.name)
def test_envoy_accepts_it(case: Path, version: str, tmp_path: Path) -> None:
    assert refusal(as_static(configuration(case)), tmp_path / "envoy.json", version) == ""
