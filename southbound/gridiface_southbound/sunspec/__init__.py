"""SunSpec devices over Modbus."""
