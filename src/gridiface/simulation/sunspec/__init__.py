"""Simulated SunSpec inverters and batteries behind real Modbus/TCP, in a process of their own."""
