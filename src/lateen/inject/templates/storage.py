"""Volumes of an injected pod and their mounts in the proxy, in the order in which the contract lists them."""

from collections.abc import Iterator, Mapping
from typing import Any

from lateen.inject.errors import InjectionError
from lateen.inject.facts import Facts
from lateen.inject.pods import JsonMap
from lateen.inject.templates.environment import BOOTSTRAP_OVERRIDE, Role, json_object

_USER_VOLUME = "sidecar.istio.io/userVolume"
USER_MOUNT = "sidecar.istio.io/userVolumeMount"
_GKE = "GkeWorkloadCertificate"


def mounts(facts: Facts, role: Role) -> list[JsonMap]:
    """The proxy's volume mounts."""
    values = facts.values
    found = [_mount("/var/run/secrets/workload-spiffe-uds", "workload-socket")]
    if role is not Role.GRPC:
        found.append(_mount("/var/run/secrets/credential-uds", "credential-socket"))
    found.append(credentials(facts))
    if values.certificate_provider == "istiod":
        found.append(_mount("/var/run/secrets/istio", "istiod-ca-cert"))
        if role is Role.SIDECAR:
            found.append(_mount("/var/run/secrets/istio/crl", "istio-ca-crl"))
    found.append(_mount("/var/lib/istio/data", "istio-data"))
    if BOOTSTRAP_OVERRIDE in facts.annotations and role is not Role.GRPC:
        found.append(_mount("/etc/istio/custom-bootstrap", "custom-bootstrap-volume"))
    found.append(_mount("/etc/istio/proxy", _proxy_files(role)))
    if values.certificate_provider:
        found.append(_mount("/var/run/secrets/tokens", "istio-token"))
    if values.mount_mtls_certs:
        found.append(_mount("/etc/certs/", "istio-certs", read_only=True))
    found.append(_mount("/etc/istio/pod", "istio-podinfo"))
    if role is Role.SIDECAR and (certificates := _lightstep_certificates(facts)):
        directory = certificates.rpartition("/")[0] + "/"
        found.append(_mount(directory, "lightstep-certs", read_only=True))
    if role is not Role.GATEWAY:
        found += [{"name": name, **mount} for name, mount in _user_objects(facts, USER_MOUNT)]
    return found


def credentials(facts: Facts) -> JsonMap:
    """The mount of the workload's certificate."""
    path = "/var/run/secrets/workload-spiffe-credentials"
    if facts.values.ca_name == _GKE:
        return _mount(path, "gke-workload-certificate", read_only=True)
    return _mount(path, "workload-certs")


def volumes(facts: Facts, role: Role) -> list[JsonMap]:
    """The volumes that the pod gets."""
    values = facts.values
    # Only the gateway's template writes these sources as empty; the others' are null, which the API then fills in.
    empty: JsonMap | None = {} if role is Role.GATEWAY else None
    found: list[JsonMap] = [{"name": "workload-socket", "emptyDir": None}]
    if role is not Role.GRPC:
        found.append({"name": "credential-socket", "emptyDir": empty})
    if values.ca_name == _GKE:
        driver = {"driver": "workloadcertificates.security.cloud.google.com"}
        found.append({"name": "gke-workload-certificate", "csi": driver})
    else:
        found.append({"name": "workload-certs", "emptyDir": empty})
    if BOOTSTRAP_OVERRIDE in facts.annotations:
        name = facts.annotations[BOOTSTRAP_OVERRIDE]
        found.append({"name": "custom-bootstrap-volume", "configMap": {"name": name}})
    found += [{"name": _proxy_files(role), "emptyDir": {"medium": "Memory"}}, {"name": "istio-data", "emptyDir": {}}]
    found.append({"name": "istio-podinfo", "downwardAPI": {"items": [_pod_info("labels"), _pod_info("annotations")]}})
    found += _identity_volumes(facts, role)
    if values.mount_mtls_certs:
        account = facts.pod.get("spec", {}).get("serviceAccountName") or "default"
        found.append({"name": "istio-certs", "secret": {"secretName": f"istio.{account}", "optional": True}})
    if role is not Role.GATEWAY:
        found += [{"name": name, **source} for name, source in _user_objects(facts, _USER_VOLUME)]
    if role is Role.SIDECAR and _lightstep_certificates(facts):
        found.append({"name": "lightstep-certs", "secret": {"secretName": "lightstep.cacert", "optional": True}})
    return found


def _proxy_files(role: Role) -> str:
    """The volume of what the agent writes for its proxy, or for the application's gRPC library."""
    return "istio-xds" if role is Role.GRPC else "istio-envoy"


def _identity_volumes(facts: Facts, role: Role) -> Iterator[JsonMap]:
    """Token, root certificate and revocation list; none where the mesh has no identities."""
    values = facts.values
    if not values.certificate_provider:
        return
    token = {"path": "istio-token", "expirationSeconds": 43200, "audience": values.token_audience}
    yield {"name": "istio-token", "projected": {"sources": [{"serviceAccountToken": token}]}}
    if values.certificate_provider != "istiod":
        return
    if values.cluster_trust_bundle:
        bundle = {"name": f"istio.io:istiod-ca:{values.trust_bundle_name or 'root-cert'}", "path": "root-cert.pem"}
        yield {"name": "istiod-ca-cert", "projected": {"sources": [{"clusterTrustBundle": bundle}]}}
    else:
        yield {"name": "istiod-ca-cert", "configMap": {"name": values.trust_bundle_name or "istio-ca-root-cert"}}
    if role is Role.SIDECAR:
        yield {"name": "istio-ca-crl", "configMap": {"name": "istio-ca-crl", "optional": True}}


def _lightstep_certificates(facts: Facts) -> str:
    settings = (facts.config.fields.get("tracing") or {}).get("tlsSettings") or {}
    return str(settings.get("caCertificates") or "") if facts.values.tracer == "lightstep" else ""


def _user_objects(facts: Facts, annotation: str) -> list[tuple[str, Mapping[str, Any]]]:
    found = json_object(facts.annotations.get(annotation, "{}"), annotation)
    for name, value in found.items():
        if not isinstance(value, dict):
            raise InjectionError(f"annotation {annotation}: {name}: expected an object, not {value!r}")
    return sorted(found.items())


def _mount(path: str, volume: str, read_only: bool = False) -> JsonMap:
    mount: JsonMap = {"mountPath": path, "name": volume}
    return {**mount, "readOnly": True} if read_only else mount


def _pod_info(what: str) -> JsonMap:
    return {"path": what, "fieldRef": {"fieldPath": f"metadata.{what}"}}
