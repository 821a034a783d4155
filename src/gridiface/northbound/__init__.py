"""One adapter per protocol towards utilities and ISOs."""
