"""What others' files hold, in our form: foreign site descriptions as configuration, meter data as series."""

from gridiface.app.importers.battery_model import import_battery_model
from gridiface.app.importers.convert import Imported
from gridiface.app.importers.findings import Finding, Severity
from gridiface.app.importers.green_button import parse_green_button
from gridiface.app.importers.meter_csv import CsvForm, parse_meter_csv
from gridiface.app.importers.meter_data import MeterImport, read_meter_file
from gridiface.app.importers.vpp_grid import import_vpp_grid

__all__ = [
    "CsvForm",
    "Finding",
    "Imported",
    "MeterImport",
    "Severity",
    "import_battery_model",
    "import_vpp_grid",
    "parse_green_button",
    "parse_meter_csv",
    "read_meter_file",
]
