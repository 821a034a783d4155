"""`gridiface dnp3`: point maps that can be read back, the device profile, a poll over a socket."""

import json

import pytest
from lxml import etree
from typer.testing import CliRunner

from gridiface.app.fronts.dnp3_settings import point_entry, read_points
from gridiface.cli.bench import dnp3 as bench
from gridiface.cli.dnp3.app import app, point_block
from gridiface.errors import GridifaceError
from gridiface.northbound.dnp3.profiles import PROFILES, profile
from gridiface.protocols.dnp3.outstation.database import Database
from gridiface.protocols.dnp3.outstation.outstation import Outstation
from gridiface.protocols.dnp3.outstation.settings import AssociationSettings, OutstationSettings
from gridiface.protocols.dnp3.points import PointConfig, PointType


def run(*arguments):
    result = CliRunner().invoke(app, [str(item) for item in arguments], catch_exceptions=True)
    if isinstance(result.exception, GridifaceError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("name", PROFILES)
def test_a_template_can_be_written_and_read_back(tmp_path, name):
    path = tmp_path / "points.yaml"
    assert str(path) in run("points", "--template", name, "--out", path)
    assert [point_entry(point) for point in read_points(path)] == list(profile(name))
    assert "no mistake" in run("points", "--check", path)
    assert json.loads(run("points", "--check", path, "--json"))["points"] == len(profile(name))
    with pytest.raises(GridifaceError, match="exists"):
        run("points", "--template", name, "--out", path)


def test_points_as_json_and_as_text():
    listed = json.loads(run("points", "--json"))["points"]
    assert listed == [point_block(entry) for entry in profile("iso-gateway")]
    assert run("points").startswith("# DNP3 point map")
    with pytest.raises(GridifaceError, match="no DNP3 profile"):
        run("points", "--template", "x")


def test_the_profile_of_a_template():
    assert "## Points: analog inputs" in run("profile")
    assert etree.fromstring(run("profile", "--xml").encode()).tag == "DNP3DeviceProfileDocument"
    assert json.loads(run("profile", "--template", "der", "--json"))["points"] > 200
    assert run("profile", "--points").startswith("### analog inputs")


@pytest.fixture
def port(serve_outstation):
    points = [PointConfig(PointType.ANALOG_INPUT, 3), PointConfig(PointType.BINARY_INPUT, 0)]
    outstation = Outstation(OutstationSettings(10), [AssociationSettings(1)], Database(points))
    outstation.database.update(1.7e9, PointType.ANALOG_INPUT, 3, 2.5)
    return serve_outstation(outstation)


def test_a_poll_prints_points_and_indications(port):
    text = run("poll", f"127.0.0.1:{port}")
    assert "IIN: DEVICE_RESTART" in text
    assert "analog input         3             2.5  ONLINE" in text
    found = json.loads(run("poll", f"127.0.0.1:{port}", "--classes", "0", "--json"))
    assert {"type": "analog input", "index": 3, "value": 2.5, "flags": ["ONLINE"]} in found["points"]


@pytest.mark.parametrize(
    "arguments",
    [
        ("127.0.0.1",),
        ("127.0.0.1:1", "--classes", "4"),
        ("127.0.0.1:1", "--classes", "x"),
        ("127.0.0.1:1", "--key", "k"),
        ("127.0.0.1:1",),
    ],
)
def test_a_poll_that_cannot_be(arguments):
    with pytest.raises(GridifaceError):
        run("poll", *arguments)


@pytest.mark.processes
async def test_the_benchmarks_answer_in_the_common_form():
    found = await bench.poll(1, points=20, polls=10)
    assert set(found["figures"]) == {
        "class 0",
        "integrity",
        "empty event poll",
        "direct operate",
        "select-operate",
    }
    assert found["figures"]["class 0"]["p50_ms"]["min"] > 0
    told = await bench.events(1, rate=2000, seconds=0.2)
    assert told["figures"]["lost"]["max"] == 0
    assert told["figures"]["received"]["min"] > 0


def test_a_poll_over_udp(tmp_path):
    """A closed port is told by the network, at once."""
    with pytest.raises(GridifaceError):
        run("poll", "127.0.0.1:9", "--udp", "--timeout", "1")
    with pytest.raises(GridifaceError, match="--udp"):
        run("poll", "127.0.0.1:9", "--udp", "--roots", tmp_path / "r")
