"""A fleet as numpy columns that behaves: sun, people, batteries, vehicles, failures and lies. No wire, no clock."""
