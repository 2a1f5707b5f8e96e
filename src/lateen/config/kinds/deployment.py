"""Kubernetes Deployment: what the mesh reads of one. What makes its pods works on its full mapping."""

from collections.abc import Mapping
from typing import ClassVar

from lateen.config.kinds.pod import PodSpec
from lateen.config.objects import ConfigObject, Metadata
from lateen.config.values import KubernetesMessage


class LabelSelector(KubernetesMessage, frozen=True):
    match_labels: Mapping[str, str] = {}


class PodTemplate(KubernetesMessage, frozen=True):
    metadata: Metadata = Metadata()
    spec: PodSpec = PodSpec()


class DeploymentSpec(KubernetesMessage, frozen=True):
    replicas: int = 1
    selector: LabelSelector = LabelSelector()
    template: PodTemplate = PodTemplate()


class Deployment(ConfigObject, frozen=True, kw_only=True):
    GROUP: ClassVar[str] = "apps"
    KIND: ClassVar[str] = "Deployment"

    spec: DeploymentSpec = DeploymentSpec()
