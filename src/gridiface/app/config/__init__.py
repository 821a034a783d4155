"""The one YAML file of an installation: its models, its loader with places and fixes, its JSON Schema."""

from gridiface.app.config.load import load_config
from gridiface.app.config.model import Config

__all__ = ["Config", "load_config"]
