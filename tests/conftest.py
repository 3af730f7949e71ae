"""What all tests share: this folder on the path, so that `programs` and `worlds` can be imported, and one profile."""

from hypothesis import HealthCheck, settings

settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")
