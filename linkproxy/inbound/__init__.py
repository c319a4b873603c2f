"""Delivery events from providers."""
