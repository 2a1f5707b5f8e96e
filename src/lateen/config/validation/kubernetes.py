"""Kubernetes' kinds: the few rules that the mesh relies on. An API server checks far more."""

from collections.abc import Iterator

from lateen.config.kinds.config_map import ConfigMap
from lateen.config.kinds.service import KubernetesService
from lateen.config.mesh import MESH_KEY, is_mesh_config, read_mesh_config
from lateen.config.problems import Problem
from lateen.config.validation import names


def kubernetes_service(found: KubernetesService) -> Iterator[Problem]:
    spec = found.spec
    if spec.type == "ExternalName" and not spec.external_name:
        yield Problem(("spec", "externalName"), "missing; a Service of type ExternalName needs it")
    for position, port in enumerate(spec.ports):
        path = ("spec", "ports", position)
        yield from names.check((*path, "port"), names.not_a_port(port.port))
        if isinstance(port.target_port, int) and port.target_port:
            yield from names.check((*path, "targetPort"), names.not_a_port(port.target_port))
        if port.name:
            yield from names.check((*path, "name"), names.not_a_label(port.name))
        elif len(spec.ports) > 1:
            yield Problem((*path, "name"), "missing; a Service with several ports names each, such as `http-admin`")
    yield from names.duplicates(("spec", "ports"), [port.name for port in spec.ports], "port name", key="name")


def config_map(found: ConfigMap) -> Iterator[Problem]:
    """The mesh's own ConfigMap holds a MeshConfig; all others are free text."""
    if is_mesh_config(found) and isinstance(read := read_mesh_config(found), tuple):
        yield from (Problem(("data", MESH_KEY, *p.path), p.message, p.inner_line) for p in read)
