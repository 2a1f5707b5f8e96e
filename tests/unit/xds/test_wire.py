from envoy.config.cluster.v3.cluster_pb2 import Cluster
from envoy.service.discovery.v3.discovery_pb2 import DeltaDiscoveryResponse, DiscoveryResponse
from google.protobuf.any_pb2 import Any
from hypothesis import given
from hypothesis import strategies as st

from lateen.xds.resource import CLUSTER, Resource
from lateen.xds.wire import delta_resources, tail, version_text, world_resources

names = st.text(max_size=300)
resources = st.lists(st.builds(Resource, names, st.tuples(st.binary(max_size=400), st.binary(max_size=40))), max_size=5)


@given(resources=resources, removed=st.lists(names, max_size=5), version=names, nonce=names)
def test_a_response_put_together_from_bytes_is_the_one_protobuf_would_build(
    resources: list[Resource], removed: list[str], version: str, nonce: str
) -> None:
    built = DeltaDiscoveryResponse(system_version_info=version, type_url=CLUSTER, nonce=nonce)
    for resource in resources:
        entry = built.resources.add(name=resource.name, version=version_text(resource.version))
        entry.resource.CopyFrom(Any(type_url=CLUSTER, value=resource.body))
    written = list(filter(None, removed))  # an empty name is never sent
    built.removed_resources.extend(written)
    joined = delta_resources(CLUSTER, resources) + tail(CLUSTER, version, nonce, removed)
    assert DeltaDiscoveryResponse.FromString(joined) == built


@given(resources=resources, version=names, nonce=names)
def test_so_is_a_response_with_the_state_of_the_world(resources: list[Resource], version: str, nonce: str) -> None:
    built = DiscoveryResponse(version_info=version, type_url=CLUSTER, nonce=nonce)
    for resource in resources:
        built.resources.add(type_url=CLUSTER, value=resource.body)
    joined = world_resources(CLUSTER, resources) + tail(CLUSTER, version, nonce)
    assert DiscoveryResponse.FromString(joined) == built


def test_the_resource_inside_is_the_message() -> None:
    cluster = Cluster(name="outbound|80||a.example")
    joined = delta_resources(CLUSTER, [Resource(cluster.name, (cluster.SerializeToString(),))])
    unpacked = Cluster()
    assert DeltaDiscoveryResponse.FromString(joined).resources[0].resource.Unpack(unpacked)
    assert unpacked == cluster
