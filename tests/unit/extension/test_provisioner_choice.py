"""Which provisioner starts kernels, and which kernels are told to load the notice."""

import sys

import pytest
from jupyter_client.provisioning import KernelProvisionerBase, KernelProvisionerFactory, LocalProvisioner

from workbench_jupyter.provisioner import NAME, KeyMounting, WorkbenchProvisioner, become_default, is_ipykernel_of_ours


class Slow(LocalProvisioner):
    """A local provisioner that somebody else made the default."""


class Remote(KernelProvisionerBase):
    """A provisioner of kernels on other machines."""


class Row:
    def __init__(self, loaded):
        self.name, self.value, self._loaded = "other", "other:Other", loaded

    def load(self):
        return self._loaded


@pytest.fixture
def factory(monkeypatch):
    monkeypatch.setattr(KernelProvisionerFactory, "provisioners", {})
    return KernelProvisionerFactory()


def made_by(factory):
    return factory.provisioners[factory.default_provisioner_name].load()


def test_local_kernels_are_started_by_ours(factory):
    mounts = object()
    assert become_default(factory, mounts) is None
    made = made_by(factory)
    assert issubclass(made, KeyMounting)
    assert issubclass(made, LocalProvisioner)
    assert made.mounts is mounts


def test_a_local_default_that_was_set_before_still_starts_the_kernels(factory):
    factory.provisioners["other"] = Row(Slow)
    factory.default_provisioner_name = "other"
    assert become_default(factory, object()) is None
    assert issubclass(made_by(factory), Slow)
    assert issubclass(made_by(factory), KeyMounting)


def test_a_default_that_starts_kernels_elsewhere_stays(factory):
    factory.provisioners["other"] = Row(Remote)
    factory.default_provisioner_name = "other"
    assert "no key" in become_default(factory, object())
    assert factory.default_provisioner_name == "other"


def test_a_default_that_is_not_installed_stays_and_is_told(factory):
    factory.default_provisioner_name = "missing"
    assert "'missing'" in become_default(factory, object())
    assert factory.default_provisioner_name == "missing"


def test_the_entry_point_names_a_class_that_mounts_nothing_by_itself(factory):
    assert factory.provisioners[NAME].load() is WorkbenchProvisioner
    assert WorkbenchProvisioner.mounts is None


@pytest.mark.parametrize(
    ("command", "ours"),
    [
        ([sys.executable, "-m", "ipykernel_launcher", "-f", "x"], True),
        ([sys.executable, "-Xfrozen_modules=off", "-m", "ipykernel", "-f", "x"], True),
        (["/other/venv/bin/python", "-m", "ipykernel_launcher", "-f", "x"], False),
        ([sys.executable, "-m", "bash_kernel", "-f", "x"], False),
        (["R", "--slave"], False),
    ],
)
def test_only_our_own_ipykernels_load_the_notice(command, ours):
    assert is_ipykernel_of_ours(command) is ours
