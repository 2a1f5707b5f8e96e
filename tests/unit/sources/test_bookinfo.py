"""Upstream's bookinfo samples load without a rejection."""

from pathlib import Path

import pytest

from lateen.config.kinds.deployment import Deployment
from lateen.config.kinds.virtual_service import VirtualService
from lateen.sources.files import load

SAMPLES = Path(__file__).parents[4] / "shared" / "conformance" / "samples" / "bookinfo"


@pytest.mark.skipif(not SAMPLES.is_dir(), reason=f"the samples are not beside the repository, at {SAMPLES}")
@pytest.mark.parametrize("folder", ["networking", "platform/kube"])
def test_every_sample_loads(folder: str) -> None:
    loaded = load([SAMPLES / folder])
    assert loaded.rejected == ()
    kind = {"networking": VirtualService, "platform/kube": Deployment}[folder]
    assert any(isinstance(document.object, kind) for document in loaded.documents)
    foreign = {"ServiceEntry", "Ingress", "ClusterIssuer", "Certificate"}
    assert {document.ref.kind for document in loaded.documents if document.object is None} <= foreign
