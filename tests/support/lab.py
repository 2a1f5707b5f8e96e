"""Workloads that try what the local mesh promises about pods, beside bookinfo: namespace `lab`.

`caller` (injected) has init containers, volumes and two application containers; `echo` (injected) has a Service with an
address and a headless one; `plain` has no sidecar; `bare` has neither sidecar nor Service.
"""

from pathlib import Path
from typing import Any

Json = dict[str, Any]

NAMESPACE = "lab"
SERVICE_FILE = Path(__file__).with_name("echo_service.py")
PORT, UNDECLARED_PORT, TCP_PORT = 8080, 8081, 8082


def _object(kind: str, name: str, api: str = "v1", **fields: Any) -> Json:
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}, **fields}


def _echo(name: str = "app", *ports: int, **more: Any) -> Json:
    mounts = [{"name": "program", "mountPath": "/srv/echo"}, *more.pop("volumeMounts", [])]
    args = ["/srv/echo/echo_service.py", *map(str, ports or (PORT,))]
    declared = [{"containerPort": port} for port in ports or (PORT,) if port != UNDECLARED_PORT]
    return {"name": name, "image": "python:3", "args": args, "ports": declared, "volumeMounts": mounts, **more}


def _deployment(name: str, *containers: Json, volumes: tuple[Json, ...] = (), labels: Json | None = None, **spec: Any):
    labelled = {"app": name, **(labels or {})}
    program = {"name": "program", "configMap": {"name": "echo-program"}}
    template = {
        "metadata": {"labels": labelled},
        "spec": {"containers": list(containers), "volumes": [program, *volumes], **spec},
    }
    body = {"selector": {"matchLabels": {"app": name}}, "template": template}
    return _object("Deployment", name, "apps/v1", spec=body)


def _service(name: str, app: str, *ports: Json, **spec: Any) -> Json:
    return _object("Service", name, spec={"selector": {"app": app}, "ports": list(ports), **spec})


def _caller() -> Json:
    notes = {"name": "notes", "mountPath": "/var/data/notes"}
    secret = {"name": "key", "mountPath": "/etc/key"}
    first = {
        "name": "first",
        "image": "busybox",
        "command": ["sh", "-c", "cd /var/data/notes; sleep 0.2; cat /etc/key/token > token; echo first $(id -u) > one"],
        "volumeMounts": [notes, secret],
    }
    second = {
        "name": "second",
        "image": "busybox",
        "command": ["sh", "-c", "cd /var/data/notes; { cat one; echo second $(id -u); } > order"],
        "securityContext": {"runAsUser": 2001},
        "volumeMounts": [notes],
    }
    app = _echo(
        "app",
        PORT,
        volumeMounts=[notes],
        envFrom=[{"configMapRef": {"name": "settings"}}],
        env=[
            {"name": "ADDRESS", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "key", "key": "token"}}},
            {"name": "URL", "value": "http://$(ADDRESS):8080"},
        ],
    )
    beside = {
        "name": "beside",
        "image": "busybox",
        "command": ["sleep", "infinity"],
        "securityContext": {"runAsUser": 2002},
        "volumeMounts": [notes],
    }
    volumes = ({"name": "notes", "emptyDir": {}}, {"name": "key", "secret": {"secretName": "key"}})
    return _deployment("caller", app, beside, volumes=volumes, initContainers=[first, second])


def manifests() -> list[Json]:
    """All objects of the lab."""
    http = {"name": "http", "port": 80, "targetPort": PORT}
    tcp = {"name": "tcp-raw", "port": 9000, "targetPort": TCP_PORT}
    outside = {"sidecar.istio.io/inject": "false"}
    return [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        _object("ConfigMap", "echo-program", data={"echo_service.py": SERVICE_FILE.read_text()}),
        _object("ConfigMap", "settings", data={"GREETING": "hello"}),
        _object("Secret", "key", stringData={"token": "s3cret"}),
        _caller(),
        _service("caller", "caller", http),
        _deployment("echo", _echo("app", PORT, UNDECLARED_PORT, TCP_PORT)),
        _service("echo", "echo", http, tcp),
        _service("echo-headless", "echo", {"name": "http", "port": PORT}, clusterIP="None"),
        _deployment("plain", _echo(), labels=outside),
        _service("plain", "plain", http),
        _deployment("bare", _echo(), labels=outside),
    ]
