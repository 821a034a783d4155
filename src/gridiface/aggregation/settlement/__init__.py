"""From meter data to what an event was worth in watt-hours: baselines, settlement rows, revisions, regulation score.

Pure: numpy and values, no file, no clock. Power is + delivered to the grid, so a load's values are negative and what
was delivered is always metered less baseline, for a load that went down and a battery that went up alike.
"""

from gridiface.aggregation.settlement.adjust import Adjustment
from gridiface.aggregation.settlement.baseline import FIVE_OF_TEN, METHODS, TEN_OF_TEN, Baseline, Method, day_baseline
from gridiface.aggregation.settlement.beside import event_days, event_times
from gridiface.aggregation.settlement.calendar import Calendar
from gridiface.aggregation.settlement.credit import OptOut, credited, eligible
from gridiface.aggregation.settlement.regulation_score import RegulationScore, regulation_score
from gridiface.aggregation.settlement.revisions import Revision, Settlement, settlement_of
from gridiface.aggregation.settlement.rows import SettlementEvent, SettlementRow, settle, totals
from gridiface.aggregation.settlement.series import MeterSeries

__all__ = [
    "FIVE_OF_TEN",
    "METHODS",
    "TEN_OF_TEN",
    "Adjustment",
    "Baseline",
    "Calendar",
    "MeterSeries",
    "Method",
    "OptOut",
    "RegulationScore",
    "Revision",
    "Settlement",
    "SettlementEvent",
    "SettlementRow",
    "credited",
    "day_baseline",
    "eligible",
    "event_days",
    "event_times",
    "regulation_score",
    "settle",
    "settlement_of",
    "totals",
]
