"""YAML as users write it, as objects to analyze."""

from lateen.analysis.resources import Resource, of_files
from lateen.sources.file_state import FileState


def resources_of(text: str, namespace: str = "shop") -> list[Resource]:
    state = FileState(namespace)
    state.update(["mesh.yaml"], {"mesh.yaml": text})
    return list(of_files(state.written(), namespace, lambda ref: ref.kind != "Namespace" and "Webhook" not in ref.kind))
