"""MeshConfig out of the ConfigMap that holds it as YAML text."""

import msgspec

from lateen.config.convert import convert
from lateen.config.documents import Malformed, YamlDocument, line_of, parse
from lateen.config.kinds.config_map import ConfigMap
from lateen.config.kinds.mesh_config import MESH_CONFIG_REF, MeshConfig, MeshConfigSpec
from lateen.config.problems import Problem
from lateen.config.validation.mesh_config import mesh_config

MESH_KEY = "mesh"
"""The key of the ConfigMap's data."""


def is_mesh_config(found: ConfigMap) -> bool:
    """Whether this ConfigMap is the one that holds the mesh's settings."""
    return (found.metadata.namespace, found.metadata.name) == (MESH_CONFIG_REF.namespace, MESH_CONFIG_REF.name)


def read_mesh_config(found: ConfigMap) -> MeshConfig | tuple[Problem, ...]:
    """The settings, or all that is wrong with them: paths and inner lines are those of the text under the key."""
    text = found.data.get(MESH_KEY, "")
    documents = parse(text)
    if isinstance(documents, Malformed):
        return (Problem((), documents.message, documents.line),)
    document = documents[0] if documents else YamlDocument({}, 1)
    spec = convert(document.raw, MeshConfigSpec, mesh_config)
    if isinstance(spec, tuple):
        return tuple(msgspec.structs.replace(p, inner_line=line_of(text, document, p.path)) for p in spec)
    return MeshConfig(metadata=found.metadata, spec=spec)
