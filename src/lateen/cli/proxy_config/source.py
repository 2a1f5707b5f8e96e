"""Where `proxy-config` and its like get an Envoy's configuration from."""

import json
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from lateen.cli.connection import mesh
from lateen.cli.output import Failure
from lateen.cli.pod_arguments import resolve, without_envoy
from lateen.local_runtime.api.client import ApiFailure, object_path

Json = dict[str, Any]

ADMIN_PORT: Final = 15000


class Source(msgspec.Struct, frozen=True):
    """Where the configuration comes from: the Envoy of a pod, or a file with a dump (`-` is standard input)."""

    pod: str | None
    file: str | None
    namespace: str | None
    state_dir: Path | None
    admin_port: int

    def dump(self) -> Json:
        if self.file is None:
            return self._ask("config_dump?include_eds")
        text = sys.stdin.read() if self.file == "-" else _read(Path(self.file))
        try:
            found = json.loads(text)
        except ValueError as error:
            raise Failure(f"{self.file}: is not a JSON configuration dump: {error}") from error
        if not isinstance(found, dict) or "configs" not in found:
            raise Failure(f"{self.file}: is not a configuration dump of Envoy: it has no `configs`")
        return found

    def live_clusters(self) -> Json:
        return self._ask("clusters?format=json")

    def _ask(self, path: str) -> Json:
        if self.pod is None:
            raise Failure("name a pod, or a file with --file")
        with mesh(self.state_dir) as client:
            pod = resolve(client, self.pod, self.namespace)
            meta = pod["metadata"]
            target = object_path("v1", "pods", meta["namespace"], f"{meta['name']}:{self.admin_port}", "proxy")
            try:
                return client.get(f"{target}/{path}")
            except ApiFailure as error:
                if (reason := without_envoy(pod)) is None:
                    raise
                raise Failure(f"pod {meta['namespace']}/{meta['name']} has no Envoy: {reason}") from error


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError as error:
        raise Failure(f"{path}: cannot be read: {error.strerror}") from error
