"""What every Foley node shares: configuration, conversion, QoS, life cycle and workers.

rosidl owns the Python module ``foley_msgs``, so this glue is installed beside it under its own name.
It knows messages and middleware; it knows nothing of sound, vision or models.
"""
