"""Write type stubs of the Envoy messages that xds-protos ships without any: python tools/stubs.py OUTPUT_DIR.

xds-protos has compiled modules only, so the request to mypy-protobuf's protoc plug-in is made from their descriptors.
"""

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

from google.protobuf.compiler import plugin_pb2
from google.protobuf.descriptor import FileDescriptor

ROOTS = (
    "envoy.config",
    "envoy.extensions",
    "envoy.service",
    "envoy.type",
    "envoy.admin.v3",
    "envoy.data",
    "envoy.annotations",
)


def modules(package_name: str) -> list[str]:
    package = importlib.import_module(package_name)
    found = pkgutil.walk_packages(package.__path__, package_name + ".")
    return [module.name for module in found if module.name.endswith("_pb2")]


def with_dependencies(file: FileDescriptor, into: dict[str, FileDescriptor]) -> None:
    if file.name not in into:
        for dependency in file.dependencies:
            with_dependencies(dependency, into)
        into[file.name] = file


def request_for(files: dict[str, FileDescriptor]) -> plugin_pb2.CodeGeneratorRequest:
    request = plugin_pb2.CodeGeneratorRequest(parameter="quiet")
    for name, file in files.items():
        file.CopyToProto(request.proto_file.add())
        if not name.startswith("google/protobuf/"):
            request.file_to_generate.append(name)
    return request


def main() -> None:
    output = Path(sys.argv[1])
    files: dict[str, FileDescriptor] = {}
    for root in ROOTS:
        for name in modules(root):
            with_dependencies(importlib.import_module(name).DESCRIPTOR, files)
    plugin = Path(sys.executable).with_name("protoc-gen-mypy")
    answer = subprocess.run([plugin], input=request_for(files).SerializeToString(), stdout=subprocess.PIPE, check=True)
    response = plugin_pb2.CodeGeneratorResponse.FromString(answer.stdout)
    if response.error:
        sys.exit(response.error)
    for file in response.file:
        path = output / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.content)
    print(f"{len(response.file)} stubs in {output}")


if __name__ == "__main__":
    main()
