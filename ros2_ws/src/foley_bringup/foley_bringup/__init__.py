"""The whole system: launch file, configuration, life-cycle manager, demo and end-to-end tests."""
