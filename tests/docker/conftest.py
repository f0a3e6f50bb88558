"""A real engine for all tests of this folder, with a network and the images that they need."""
from __future__ import annotations

import pytest
from support.engine import REPLICA, build_context, docker_settings, make_engine
from support.ringmaster import Ringmaster


@pytest.fixture(scope="session")
def context(tmp_path_factory):
    """(folder, Dockerfile): what images are built from."""
    folder = tmp_path_factory.mktemp("context")
    return folder, build_context(folder)


@pytest.fixture(scope="session")
def session_engine(context):
    engine = make_engine()
    try:
        engine.start()
        folder, dockerfile = context
        engine.build(REPLICA, dockerfile, folder, "--target", "replica")
        engine.build("replica-2", f"FROM {REPLICA}\nENV VERSION=2\n")
        engine.build("replica-3", f"FROM {REPLICA}\nENV VERSION=3\n")
        engine.build("replica-crash", f'FROM {REPLICA}\nCMD ["--nonsense"]\n')
        engine.build("replica-silent", f'FROM {REPLICA}\nENV LISTEN=127.0.0.1\n')
        engine.docker("network", "create", "net1")
        yield engine
    finally:
        engine.end()


@pytest.fixture
def engine(session_engine):
    yield session_engine
    if session_engine.process.poll() is not None:
        session_engine.start()
    session_engine.remove_all()


@pytest.fixture
def start_docker(engine, start):
    """start_docker(settings…): ringmaster on this host, its replicas in containers, all ready."""
    def start_one(settings=None, **options) -> Ringmaster:
        merged = {"proxy": {}, **docker_settings(engine)}
        for section, entries in (settings or {}).items():
            merged.setdefault(section, {}).update(entries)
        return start(merged, **options)
    return start_one
