"""The records behind the edit windows of the DER profile: curves, droops, schedules."""
