"""Objects as the local mesh takes them."""

from support.workloads import workload

from lateen.config.decode import Invalid, UnknownKind, Untyped
from lateen.config.kinds.deployment import Deployment
from lateen.config.objects import ObjectRef
from lateen.local_runtime.objects.field_tables import STRUCTS
from lateen.local_runtime.objects.reading import decode
from lateen.local_runtime.plan.kinds import KINDS


def test_the_fields_of_every_kind_that_pods_are_made_for_are_known() -> None:
    for _, kind in KINDS:
        assert kind in STRUCTS


def test_a_kind_that_only_the_runtime_reads_is_used_as_it_is_written() -> None:
    assert decode(workload("Job"), "shop") == Untyped(ObjectRef("batch", "Job", "shop", "web"))
    assert isinstance(decode(workload()), Deployment)
    wasm = {"apiVersion": "extensions.istio.io/v1alpha1", "kind": "WasmPlugin", "metadata": {"name": "w"}}
    assert isinstance(decode(wasm), UnknownKind)


def test_what_is_wrong_for_the_mesh_and_for_an_api_server_is_told_together_once() -> None:
    raw = workload(replicas="many", replica=1)
    raw["metadata"]["name"] = "Web"
    found = decode(raw)
    assert isinstance(found, Invalid)
    assert found.ref == ObjectRef("apps", "Deployment", "default", "Web")
    assert sorted(problem.path for problem in found.problems) == [
        ("metadata", "name"),
        ("spec", "replica"),
        ("spec", "replicas"),
    ]


def test_a_job_without_a_name_names_no_object() -> None:
    raw = workload("Job")
    del raw["metadata"]["name"]
    found = decode(raw)
    assert isinstance(found, Invalid)
    assert found.ref is None
