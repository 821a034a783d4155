"""Times of the profile: UTC date-times and durations, as text and as seconds (conformance rule 1).

An instant is a float, seconds since 1970 UTC. A duration is an int, seconds; one that was written with years or
months is a `CalendarDuration`, an int (365 and 30 days) that still knows its months, so that `after` is exact.
Does not own any payload.
"""

from __future__ import annotations

import calendar
import datetime as dt
import re

_DATE_TIME = re.compile(r"([+-]?)(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:\.(\d*))?(?:Z|[+-]00:00)?", re.ASCII)
# A program that counts milliseconds writes whole seconds as "5.000S".
_DURATION = re.compile(
    r"([+-]?)P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)D)?(T?)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.0*)?S)?",
    re.ASCII | re.IGNORECASE,
)
# The schema's pattern has its alternation outside the P: weeks are "2W" there and "P2W" in ISO 8601.
_WEEKS = re.compile(r"([+-]?)P?(\d+)W", re.ASCII | re.IGNORECASE)
_SPACE = " \t\r\n"
_MONTH = 30 * 86_400
_YEAR = 365 * 86_400
#: Longer spans than a thousand years are no time that anybody keeps; instants that far away still fit the calendar.
LONGEST = 1000 * _YEAR
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class CalendarDuration(int):
    """Seconds, as an int, of a duration whose real length depends on when it starts.

    Attributes:
        months: whole months (12 per year), with sign; the rest of the seconds is exact.
    """

    months: int

    def __new__(cls, months: int, seconds: int) -> CalendarDuration:
        """`months` and `seconds` together; both carry the sign."""
        years, rest = divmod(abs(months), 12)
        sign = -1 if months < 0 else 1
        made = super().__new__(cls, sign * (years * _YEAR + rest * _MONTH) + seconds)
        made.months = months
        return made

    @property
    def exact(self) -> int:
        """The seconds that are not part of a month."""
        years, rest = divmod(abs(self.months), 12)
        sign = -1 if self.months < 0 else 1
        return int(self) - sign * (years * _YEAR + rest * _MONTH)

    def __reduce__(self) -> tuple[type[CalendarDuration], tuple[int, int]]:
        return (CalendarDuration, (self.months, self.exact))


def after(start: float, duration: int) -> float:
    """The instant `duration` after `start`; months count by the calendar, a 31st falls back to the month's last day."""
    if not isinstance(duration, CalendarDuration):
        return start + duration
    try:
        begin = _EPOCH + dt.timedelta(seconds=start)
    except OverflowError:  # Beyond the calendar a month is what it counts as.
        return start + duration
    index = begin.year * 12 + begin.month - 1 + duration.months
    year, month = index // 12, index % 12 + 1
    if not 1 <= year <= 9999:
        return start + duration
    day = min(begin.day, calendar.monthrange(year, month)[1])
    return (begin.replace(year=year, month=month, day=day) - _EPOCH).total_seconds() + duration.exact


def parse_date_time(text: str) -> float:
    """Text of xcal:DateTimeType -> instant; a missing Z, or an offset of nothing, is read as UTC.

    24:00:00 is the midnight that ends its day.

    Raises:
        ValueError: not that form, another offset, or no date of the calendar.
    """
    found = _DATE_TIME.fullmatch(text.strip(_SPACE))
    if not found:
        raise ValueError(f"{text[:40]!a} is not a UTC date-time")
    sign, year, month, day, hour, minute, second, fraction = found.groups()
    if sign == "-" or year == "0000":
        raise ValueError(f"{text[:40]!a} is before our era")
    moment = dt.datetime(int(year), int(month), int(day), tzinfo=dt.UTC)
    h, m, s = int(hour), int(minute), int(second)
    ends_the_day = h == 24 and m == s == 0 and not (fraction or "").strip("0")
    if (h > 23 and not ends_the_day) or m > 59 or s > 59:
        raise ValueError(f"{text[:40]!a} is not a time of day")
    if ends_the_day and moment.date() == dt.date.max:
        raise ValueError(f"{text[:40]!a} is beyond the calendar")
    whole = (moment - _EPOCH).total_seconds() + h * 3600 + m * 60 + s
    return round(whole + float(f"0.{fraction}"), 6) if fraction else whole


def render_date_time(instant: float) -> str:
    """Instant -> text with Z; milliseconds only where there are any.

    Raises:
        ValueError: not between the years 1 and 9999.
    """
    try:
        moment = _EPOCH + dt.timedelta(milliseconds=round(instant * 1000))
    except (OverflowError, ValueError) as error:
        raise ValueError(f"{instant!r} is no instant") from error
    text = f"{moment.year:04d}-{moment.month:02d}-{moment.day:02d}T{moment:%H:%M:%S}"
    milliseconds = moment.microsecond // 1000
    return f"{text}.{milliseconds:03d}Z" if milliseconds else f"{text}Z"


def parse_duration(text: str) -> int:
    """Text of xcal:DurationValueType -> seconds, a CalendarDuration where years or months are given.

    Letters may be small, and a fraction of seconds may be there when it is nothing. The form has no longest duration,
    and whoever writes one of more than 1000 years is wrong in that one place, not in the whole document: it is read
    as one second more than `LONGEST`, see `is_too_long`.

    Raises:
        ValueError: another form (other fractions too).
    """
    text = text.strip(_SPACE)
    weeks = _WEEKS.fullmatch(text)
    if weeks:
        return _bounded(weeks[1], 0, int(weeks[2][:12]) * 7 * 86_400)
    found = _DURATION.fullmatch(text)
    if not found:
        raise ValueError(f"{text[:40]!a} is not a duration in whole units")
    years, months, days, hours, minutes, seconds = (
        int(found[group][:12]) if found[group] else 0 for group in (2, 3, 4, 6, 7, 8)
    )
    return _bounded(found[1], years * 12 + months, days * 86_400 + hours * 3600 + minutes * 60 + seconds)


def is_too_long(duration: int) -> bool:
    """Whether a duration that was read is longer than 1000 years, forwards or backwards."""
    return abs(int(duration)) > LONGEST


def _bounded(sign: str, months: int, seconds: int) -> int:
    factor = -1 if sign == "-" else 1
    if int(CalendarDuration(months, seconds)) > LONGEST:
        return factor * (LONGEST + 1)
    return CalendarDuration(factor * months, factor * seconds) if months else factor * seconds


def render_duration(duration: int) -> str:
    """Seconds -> text in days, hours, minutes and seconds; a CalendarDuration keeps its years and months.

    Raises:
        ValueError: not a whole number of seconds.
    """
    if duration != int(duration):
        raise ValueError(f"{duration!r} is not a whole number of seconds")
    months = duration.months if isinstance(duration, CalendarDuration) else 0
    seconds = duration.exact if isinstance(duration, CalendarDuration) else int(duration)
    if months * seconds < 0:
        raise ValueError("months and seconds of one duration have different signs")
    sign = "-" if seconds < 0 or months < 0 else ""
    years, months = divmod(abs(months), 12)
    days, rest = divmod(abs(seconds), 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, seconds = divmod(rest, 60)
    date = _units((years, "Y"), (months, "M"), (days, "D"))
    time = _units((hours, "H"), (minutes, "M"), (seconds, "S"))
    if not date and not time:
        return "PT0S"
    return f"{sign}P{date}{'T' + time if time else ''}"


def _units(*parts: tuple[int, str]) -> str:
    return "".join(f"{count}{unit}" for count, unit in parts if count)
